// @generated from proto/orrery/v1 by prost-build; do not edit.
/// The body of every failed reply. `code` is one of the closed set in shared/errors.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Error {
    #[prost(string, tag = "1")]
    pub code: ::prost::alloc::string::String,
    /// public: what was wrong, with what, and what to do
    #[prost(string, tag = "2")]
    pub message: ::prost::alloc::string::String,
    /// 0: no hint
    #[prost(uint64, tag = "3")]
    pub retry_after_ms: u64,
    /// structured public detail, for example schema violations; may be empty
    #[prost(string, tag = "4")]
    pub detail_json: ::prost::alloc::string::String,
}
/// Who asks. Set by the gateway from the API key; services trust it because only services may publish.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Caller {
    #[prost(string, tag = "1")]
    pub tenant: ::prost::alloc::string::String,
    /// user or key name, unique within the tenant
    #[prost(string, tag = "2")]
    pub principal: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "3")]
    pub roles: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// within the tenant; may be empty
    #[prost(string, tag = "4")]
    pub team: ::prost::alloc::string::String,
    /// public part of the API key; empty for work that no key began
    #[prost(string, tag = "5")]
    pub key_id: ::prost::alloc::string::String,
}
/// A payload in the object store. The digest is checked by whoever reads it.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BlobRef {
    /// key in the blob bucket
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    /// lower-case hex
    #[prost(string, tag = "2")]
    pub sha256: ::prost::alloc::string::String,
    #[prost(uint64, tag = "3")]
    pub size_bytes: u64,
    /// as declared by the sender
    #[prost(string, tag = "4")]
    pub media_type: ::prost::alloc::string::String,
    /// file name as given by the sender, may be empty
    #[prost(string, tag = "5")]
    pub name: ::prost::alloc::string::String,
}
/// Exactly which model answered.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ModelIdentity {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub version: ::prost::alloc::string::String,
    /// sha256 over the model's manifest, "sha256:<hex>"; empty for external models
    #[prost(string, tag = "3")]
    pub digest: ::prost::alloc::string::String,
    /// "local" or the provider's name in the catalogue
    #[prost(string, tag = "4")]
    pub provider: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Usage {
    #[prost(uint64, tag = "1")]
    pub input_tokens: u64,
    #[prost(uint64, tag = "2")]
    pub output_tokens: u64,
    #[prost(uint64, tag = "3")]
    pub audio_ms: u64,
    #[prost(uint64, tag = "4")]
    pub pages: u64,
    /// nano-units of the tenant's currency
    #[prost(uint64, tag = "5")]
    pub cost_nanos: u64,
    #[prost(uint64, tag = "6")]
    pub duration_ms: u64,
    /// of the input: read from the provider's prompt cache
    #[prost(uint64, tag = "7")]
    pub cached_input_tokens: u64,
    /// of the input: written to it
    #[prost(uint64, tag = "8")]
    pub cache_write_tokens: u64,
    /// of the output: thought, not said
    #[prost(uint64, tag = "9")]
    pub reasoning_tokens: u64,
    /// made
    #[prost(uint64, tag = "10")]
    pub images: u64,
}
/// State of one actor tree, published by each service and shown by `orrery status`.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HealthReport {
    #[prost(string, tag = "1")]
    pub service: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub instance: ::prost::alloc::string::String,
    #[prost(bool, tag = "3")]
    pub live: bool,
    #[prost(bool, tag = "4")]
    pub ready: bool,
    /// why it is not live or ready
    #[prost(string, repeated, tag = "5")]
    pub reasons: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// supervise::TreeSnapshot
    #[prost(string, tag = "6")]
    pub tree_json: ::prost::alloc::string::String,
    /// unix time
    #[prost(uint64, tag = "7")]
    pub reported_at_ms: u64,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HealthRequest {}
/// One fact for the transparency log. Carries digests and ids, never content or personal data.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct AuditRecord {
    /// unique; a second record with the same id is dropped
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub tenant: ::prost::alloc::string::String,
    /// empty when the fact belongs to no task
    #[prost(string, tag = "3")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub service: ::prost::alloc::string::String,
    /// see shared/bus: audit kinds, for example model.called
    #[prost(string, tag = "5")]
    pub kind: ::prost::alloc::string::String,
    #[prost(uint64, tag = "6")]
    pub at_ms: u64,
    /// shape by kind, documented in services/audit/README.md
    #[prost(string, tag = "7")]
    pub facts_json: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ExplainRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ExplainReply {
    #[prost(string, tag = "1")]
    pub explanation_json: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub plain: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ProofRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ProofReply {
    /// a .tlog-proof, self-contained
    #[prost(bytes = "vec", tag = "1")]
    pub proof: ::prost::alloc::vec::Vec<u8>,
    /// C2SP vkey of the log
    #[prost(string, tag = "2")]
    pub verifier_key: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CheckpointRequest {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CheckpointReply {
    /// C2SP signed note
    #[prost(string, tag = "1")]
    pub checkpoint: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub verifier_key: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ExportRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(uint64, tag = "2")]
    pub after_index: u64,
    #[prost(uint32, tag = "3")]
    pub limit: u32,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ExportedRecord {
    #[prost(uint64, tag = "1")]
    pub index: u64,
    #[prost(message, optional, tag = "2")]
    pub record: ::core::option::Option<AuditRecord>,
    #[prost(string, tag = "3")]
    pub leaf_hash: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ExportReply {
    #[prost(message, repeated, tag = "1")]
    pub records: ::prost::alloc::vec::Vec<ExportedRecord>,
    #[prost(uint64, tag = "2")]
    pub tree_size: u64,
}
/// How long tasks are kept after their end.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RetentionRule {
    /// empty: all of the tenant that have no rule of their own
    #[prost(string, tag = "1")]
    pub workflow: ::prost::alloc::string::String,
    #[prost(uint64, tag = "2")]
    pub keep_ms: u64,
    /// before they are removed
    #[prost(bool, tag = "3")]
    pub archive: bool,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SetRetentionRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(message, optional, tag = "2")]
    pub rule: ::core::option::Option<RetentionRule>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RemoveRetentionRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    /// empty: the tenant's own
    #[prost(string, tag = "2")]
    pub workflow: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListRetentionRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RetentionReply {
    /// false: it was so already
    #[prost(bool, tag = "1")]
    pub changed: bool,
    /// of the tenant now
    #[prost(message, repeated, tag = "2")]
    pub rules: ::prost::alloc::vec::Vec<RetentionRule>,
    /// for what has none; left out: it is kept for good
    #[prost(message, optional, tag = "3")]
    pub system: ::core::option::Option<RetentionRule>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GetArchiveRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
}
/// Where a task that was removed is archived.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Archive {
    #[prost(message, optional, tag = "1")]
    pub blob: ::core::option::Option<BlobRef>,
    #[prost(uint64, tag = "2")]
    pub archived_at_ms: u64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DeployRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    /// the definition, YAML or JSON
    #[prost(string, tag = "2")]
    pub source: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Definition {
    #[prost(string, tag = "1")]
    pub namespace: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub version: ::prost::alloc::string::String,
    /// sha256 of the canonical definition, "sha256:<hex>"
    #[prost(string, tag = "4")]
    pub hash: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub title: ::prost::alloc::string::String,
    #[prost(uint64, tag = "6")]
    pub deployed_at_ms: u64,
    /// empty in lists
    #[prost(string, tag = "7")]
    pub source: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DeployReply {
    #[prost(message, optional, tag = "1")]
    pub definition: ::core::option::Option<Definition>,
    /// false: the same definition was already there
    #[prost(bool, tag = "2")]
    pub created: bool,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListDefinitionsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListDefinitionsReply {
    #[prost(message, repeated, tag = "1")]
    pub definitions: ::prost::alloc::vec::Vec<Definition>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Attachment {
    /// the part's field name, for example "form"
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub blob: ::core::option::Option<BlobRef>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct StartTaskRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    /// "name", "name:version" or "name@sha256:<hex>"
    #[prost(string, tag = "2")]
    pub workflow: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub input_json: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "4")]
    pub attachments: ::prost::alloc::vec::Vec<Attachment>,
    #[prost(string, tag = "5")]
    pub idempotency_key: ::prost::alloc::string::String,
    /// unix time; 0: none
    #[prost(uint64, tag = "6")]
    pub deadline_ms: u64,
    /// by what the task is found
    #[prost(map = "string, string", tag = "7")]
    pub attributes: ::std::collections::HashMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    /// 0 to 9; higher goes first among what waits of the tenant
    #[prost(uint32, tag = "20")]
    pub priority: u32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Task {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub tenant: ::prost::alloc::string::String,
    /// "name:version"
    #[prost(string, tag = "3")]
    pub workflow: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub definition_hash: ::prost::alloc::string::String,
    #[prost(enumeration = "TaskStatus", tag = "5")]
    pub status: i32,
    /// of a completed task
    #[prost(string, tag = "6")]
    pub output_json: ::prost::alloc::string::String,
    /// of a faulted task, as the DSL shapes errors
    #[prost(string, tag = "7")]
    pub error_json: ::prost::alloc::string::String,
    #[prost(string, tag = "8")]
    pub submitted_by: ::prost::alloc::string::String,
    #[prost(uint64, tag = "9")]
    pub created_at_ms: u64,
    #[prost(uint64, tag = "10")]
    pub updated_at_ms: u64,
    #[prost(uint64, tag = "11")]
    pub finished_at_ms: u64,
    /// pointers of the steps under way
    #[prost(string, repeated, tag = "12")]
    pub active: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(message, repeated, tag = "13")]
    pub attachments: ::prost::alloc::vec::Vec<Attachment>,
    #[prost(string, tag = "14")]
    pub input_json: ::prost::alloc::string::String,
    /// start found a task with the same idempotency key
    #[prost(bool, tag = "15")]
    pub duplicate: bool,
    /// the task was removed; its input, output, error and history are there
    #[prost(message, optional, tag = "21")]
    pub archive: ::core::option::Option<Archive>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GetTaskRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
}
/// As GetTask, but answered when the task is over or the time has passed.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct WaitTaskRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    /// at most until the call's deadline
    #[prost(uint64, tag = "3")]
    pub within_ms: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListTasksRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(enumeration = "TaskStatus", repeated, tag = "2")]
    pub statuses: ::prost::alloc::vec::Vec<i32>,
    #[prost(string, tag = "3")]
    pub workflow: ::prost::alloc::string::String,
    /// 1 to 500; 0: 50
    #[prost(uint32, tag = "4")]
    pub limit: u32,
    /// from the previous page
    #[prost(string, tag = "5")]
    pub cursor: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub version: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub submitted_by: ::prost::alloc::string::String,
    /// unix times; 0: unbounded
    #[prost(uint64, tag = "8")]
    pub created_from_ms: u64,
    #[prost(uint64, tag = "9")]
    pub created_before_ms: u64,
    #[prost(uint64, tag = "10")]
    pub finished_from_ms: u64,
    #[prost(uint64, tag = "11")]
    pub finished_before_ms: u64,
    /// all of them
    #[prost(map = "string, string", tag = "12")]
    pub attributes: ::std::collections::HashMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    /// of faulted tasks: the platform's code, or the last part of the error's type
    #[prost(string, tag = "13")]
    pub error_code: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListTasksReply {
    #[prost(message, repeated, tag = "1")]
    pub tasks: ::prost::alloc::vec::Vec<Task>,
    #[prost(string, tag = "2")]
    pub next_cursor: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CancelTaskRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub reason: ::prost::alloc::string::String,
}
/// One line of a task's history, also published as a CloudEvent on the events stream.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskEvent {
    #[prost(string, tag = "1")]
    pub task_id: ::prost::alloc::string::String,
    /// from 1, without gaps
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// task.started, step.scheduled, step.completed, step.failed, review.requested, review.decided, task.completed, ...
    #[prost(string, tag = "3")]
    pub kind: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub pointer: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub data_json: ::prost::alloc::string::String,
    #[prost(uint64, tag = "6")]
    pub at_ms: u64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TaskHistoryRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(uint64, tag = "3")]
    pub after_seq: u64,
    #[prost(uint32, tag = "4")]
    pub limit: u32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TaskHistoryReply {
    #[prost(message, repeated, tag = "1")]
    pub events: ::prost::alloc::vec::Vec<TaskEvent>,
    /// the task is over and no event follows the last one here
    #[prost(bool, tag = "2")]
    pub finished: bool,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReviewComment {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub by: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub text: ::prost::alloc::string::String,
    #[prost(uint64, tag = "4")]
    pub at_ms: u64,
}
/// One person's voice, where a review takes several.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReviewVote {
    #[prost(string, tag = "1")]
    pub by: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub decision: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub reason: ::prost::alloc::string::String,
    /// empty: none
    #[prost(string, tag = "4")]
    pub edits_json: ::prost::alloc::string::String,
    #[prost(uint64, tag = "5")]
    pub at_ms: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Review {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub tenant: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub pointer: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub title: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub instructions: ::prost::alloc::string::String,
    /// who may decide: roles or "user:<principal>"
    #[prost(string, repeated, tag = "7")]
    pub roles: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(string, tag = "8")]
    pub form_schema_json: ::prost::alloc::string::String,
    #[prost(string, tag = "9")]
    pub subject_json: ::prost::alloc::string::String,
    #[prost(enumeration = "ReviewStatus", tag = "10")]
    pub status: i32,
    #[prost(string, tag = "11")]
    pub claimed_by: ::prost::alloc::string::String,
    #[prost(string, tag = "12")]
    pub decision: ::prost::alloc::string::String,
    #[prost(string, tag = "13")]
    pub reason: ::prost::alloc::string::String,
    #[prost(string, tag = "14")]
    pub edits_json: ::prost::alloc::string::String,
    #[prost(string, tag = "15")]
    pub decided_by: ::prost::alloc::string::String,
    #[prost(uint64, tag = "16")]
    pub created_at_ms: u64,
    #[prost(uint64, tag = "17")]
    pub claimed_at_ms: u64,
    #[prost(uint64, tag = "18")]
    pub decided_at_ms: u64,
    #[prost(uint64, tag = "19")]
    pub due_at_ms: u64,
    /// of the task: may not decide
    #[prost(string, tag = "20")]
    pub submitted_by: ::prost::alloc::string::String,
    #[prost(string, tag = "21")]
    pub workflow: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "22")]
    pub decisions: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// the decision that asks for changes; empty: none
    #[prost(string, tag = "23")]
    pub changes: ::prost::alloc::string::String,
    /// people that a decision takes
    #[prost(uint32, tag = "24")]
    pub approvals: u32,
    /// {decision: people}, where it differs
    #[prost(string, tag = "25")]
    pub per_decision_json: ::prost::alloc::string::String,
    /// principals who may not take part
    #[prost(string, repeated, tag = "26")]
    pub excluded: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// who may reassign it beside admins: roles or "user:<principal>"
    #[prost(string, repeated, tag = "27")]
    pub supervisors: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// who handed it to its holder
    #[prost(string, tag = "28")]
    pub delegated_by: ::prost::alloc::string::String,
    /// when it ends undecided
    #[prost(uint64, tag = "29")]
    pub expires_at_ms: u64,
    /// how often it was escalated
    #[prost(uint32, tag = "30")]
    pub level: u32,
    /// from 1; one more after each request for changes
    #[prost(uint32, tag = "31")]
    pub round: u32,
    /// the rounds before, a list
    #[prost(string, tag = "32")]
    pub previous_json: ::prost::alloc::string::String,
    /// the subject with the edits in it; empty: not edited
    #[prost(string, tag = "33")]
    pub result_json: ::prost::alloc::string::String,
    /// a signed note over the decision
    #[prost(string, tag = "34")]
    pub signature: ::prost::alloc::string::String,
    /// empty in lists
    #[prost(message, repeated, tag = "35")]
    pub comments: ::prost::alloc::vec::Vec<ReviewComment>,
    /// empty in lists
    #[prost(message, repeated, tag = "36")]
    pub votes: ::prost::alloc::vec::Vec<ReviewVote>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListReviewsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(enumeration = "ReviewStatus", repeated, tag = "2")]
    pub statuses: ::prost::alloc::vec::Vec<i32>,
    #[prost(string, tag = "3")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(uint32, tag = "4")]
    pub limit: u32,
    /// from the previous page, which had the same order
    #[prost(string, tag = "5")]
    pub cursor: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub workflow: ::prost::alloc::string::String,
    #[prost(enumeration = "ReviewView", tag = "7")]
    pub view: i32,
    #[prost(enumeration = "ReviewOrder", tag = "8")]
    pub order: i32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListReviewsReply {
    #[prost(message, repeated, tag = "1")]
    pub reviews: ::prost::alloc::vec::Vec<Review>,
    #[prost(string, tag = "2")]
    pub next_cursor: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GetReviewRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub review_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ClaimReviewRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub review_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DecideReviewRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub review_id: ::prost::alloc::string::String,
    /// one of the decisions the review offers, for example approve, decline
    #[prost(string, tag = "3")]
    pub decision: ::prost::alloc::string::String,
    /// required
    #[prost(string, tag = "4")]
    pub reason: ::prost::alloc::string::String,
    /// validated against the form schema; may be empty
    #[prost(string, tag = "5")]
    pub edits_json: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReleaseReviewRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub review_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DelegateReviewRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub review_id: ::prost::alloc::string::String,
    /// a principal
    #[prost(string, tag = "3")]
    pub to: ::prost::alloc::string::String,
    /// their roles, as who knows the people vouches for them
    #[prost(string, repeated, tag = "4")]
    pub to_roles: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReassignReviewRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub review_id: ::prost::alloc::string::String,
    /// roles or "user:<principal>"
    #[prost(string, repeated, tag = "3")]
    pub to: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CommentReviewRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub review_id: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub text: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReviewWorkRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
/// How many reviews there are for the caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReviewWorkReply {
    #[prost(uint64, tag = "1")]
    pub mine: u64,
    #[prost(uint64, tag = "2")]
    pub claimable: u64,
    #[prost(uint64, tag = "3")]
    pub overdue: u64,
    /// neither decided nor closed otherwise, and to be seen by the caller
    #[prost(uint64, tag = "4")]
    pub open: u64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReviewKeysRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReviewKeysReply {
    /// of the kernels that sign decisions, name+hash+base64
    #[prost(string, repeated, tag = "1")]
    pub verifier_keys: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum TaskStatus {
    Unspecified = 0,
    Running = 1,
    /// for a person, a timer or an event
    Waiting = 2,
    Completed = 3,
    Faulted = 4,
    Cancelled = 5,
    /// taken in; starts when its turn comes
    Pending = 7,
    /// ended at once, with nothing undone
    Terminated = 8,
}
impl TaskStatus {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "TASK_STATUS_UNSPECIFIED",
            Self::Running => "TASK_STATUS_RUNNING",
            Self::Waiting => "TASK_STATUS_WAITING",
            Self::Completed => "TASK_STATUS_COMPLETED",
            Self::Faulted => "TASK_STATUS_FAULTED",
            Self::Cancelled => "TASK_STATUS_CANCELLED",
            Self::Pending => "TASK_STATUS_PENDING",
            Self::Terminated => "TASK_STATUS_TERMINATED",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "TASK_STATUS_UNSPECIFIED" => Some(Self::Unspecified),
            "TASK_STATUS_RUNNING" => Some(Self::Running),
            "TASK_STATUS_WAITING" => Some(Self::Waiting),
            "TASK_STATUS_COMPLETED" => Some(Self::Completed),
            "TASK_STATUS_FAULTED" => Some(Self::Faulted),
            "TASK_STATUS_CANCELLED" => Some(Self::Cancelled),
            "TASK_STATUS_PENDING" => Some(Self::Pending),
            "TASK_STATUS_TERMINATED" => Some(Self::Terminated),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum ReviewStatus {
    Unspecified = 0,
    Open = 1,
    Claimed = 2,
    Decided = 3,
    /// the task was cancelled or timed out
    Withdrawn = 4,
    /// nobody decided in time, and no decision stands instead
    Expired = 5,
}
impl ReviewStatus {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "REVIEW_STATUS_UNSPECIFIED",
            Self::Open => "REVIEW_STATUS_OPEN",
            Self::Claimed => "REVIEW_STATUS_CLAIMED",
            Self::Decided => "REVIEW_STATUS_DECIDED",
            Self::Withdrawn => "REVIEW_STATUS_WITHDRAWN",
            Self::Expired => "REVIEW_STATUS_EXPIRED",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "REVIEW_STATUS_UNSPECIFIED" => Some(Self::Unspecified),
            "REVIEW_STATUS_OPEN" => Some(Self::Open),
            "REVIEW_STATUS_CLAIMED" => Some(Self::Claimed),
            "REVIEW_STATUS_DECIDED" => Some(Self::Decided),
            "REVIEW_STATUS_WITHDRAWN" => Some(Self::Withdrawn),
            "REVIEW_STATUS_EXPIRED" => Some(Self::Expired),
            _ => None,
        }
    }
}
/// Whose work a list of reviews is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum ReviewView {
    /// every review that the caller may see
    Unspecified = 0,
    Mine = 1,
    Claimable = 2,
    Overdue = 3,
}
impl ReviewView {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "REVIEW_VIEW_UNSPECIFIED",
            Self::Mine => "REVIEW_VIEW_MINE",
            Self::Claimable => "REVIEW_VIEW_CLAIMABLE",
            Self::Overdue => "REVIEW_VIEW_OVERDUE",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "REVIEW_VIEW_UNSPECIFIED" => Some(Self::Unspecified),
            "REVIEW_VIEW_MINE" => Some(Self::Mine),
            "REVIEW_VIEW_CLAIMABLE" => Some(Self::Claimable),
            "REVIEW_VIEW_OVERDUE" => Some(Self::Overdue),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum ReviewOrder {
    /// the newest first
    Unspecified = 0,
    /// the most urgent first
    Due = 1,
}
impl ReviewOrder {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "REVIEW_ORDER_UNSPECIFIED",
            Self::Due => "REVIEW_ORDER_DUE",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "REVIEW_ORDER_UNSPECIFIED" => Some(Self::Unspecified),
            "REVIEW_ORDER_DUE" => Some(Self::Due),
            _ => None,
        }
    }
}
/// One operation on every task that a filter meets now.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CreateBatchRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    /// without its caller, limit and cursor; it names something
    #[prost(message, optional, tag = "2")]
    pub filter: ::core::option::Option<ListTasksRequest>,
    #[prost(enumeration = "BatchOperation", tag = "3")]
    pub operation: i32,
    /// tasks a second, 0.01 to 1,000; 0: 10
    #[prost(double, tag = "4")]
    pub rate: f64,
    /// for the record of each task
    #[prost(string, tag = "5")]
    pub reason: ::prost::alloc::string::String,
    /// of a reset: the step
    #[prost(string, tag = "6")]
    pub pointer: ::prost::alloc::string::String,
    /// of a reset: which of its visits, from 0; left out: the last
    #[prost(uint32, optional, tag = "7")]
    pub iteration: ::core::option::Option<u32>,
    /// its name
    #[prost(string, tag = "8")]
    pub signal: ::prost::alloc::string::String,
    /// what it says; empty: null
    #[prost(string, tag = "9")]
    pub payload_json: ::prost::alloc::string::String,
    /// of a migration: "name:version" or "name@sha256:<hex>"
    #[prost(string, tag = "10")]
    pub workflow: ::prost::alloc::string::String,
    /// only tell how many tasks it would meet
    #[prost(bool, tag = "11")]
    pub dry_run: bool,
    #[prost(string, tag = "12")]
    pub idempotency_key: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Batch {
    /// empty: a dry run
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(enumeration = "BatchOperation", tag = "2")]
    pub operation: i32,
    /// what the operation was given
    #[prost(string, tag = "3")]
    pub arguments_json: ::prost::alloc::string::String,
    /// what it meets, with the time of its creation as the bound
    #[prost(string, tag = "4")]
    pub filter_json: ::prost::alloc::string::String,
    #[prost(double, tag = "5")]
    pub rate: f64,
    #[prost(string, tag = "6")]
    pub reason: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub created_by: ::prost::alloc::string::String,
    #[prost(enumeration = "BatchState", tag = "8")]
    pub state: i32,
    /// met when it was created; more, if more came to be met
    #[prost(uint64, tag = "9")]
    pub total: u64,
    #[prost(uint64, tag = "10")]
    pub done: u64,
    #[prost(uint64, tag = "11")]
    pub failed: u64,
    /// no longer as the operation needs them when their turn came
    #[prost(uint64, tag = "12")]
    pub skipped: u64,
    #[prost(uint64, tag = "13")]
    pub created_at_ms: u64,
    #[prost(uint64, tag = "14")]
    pub updated_at_ms: u64,
    #[prost(uint64, tag = "15")]
    pub finished_at_ms: u64,
    /// the first 100; empty in lists
    #[prost(message, repeated, tag = "16")]
    pub failures: ::prost::alloc::vec::Vec<BatchFailure>,
    /// the idempotency key had made it already
    #[prost(bool, tag = "17")]
    pub duplicate: bool,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BatchFailure {
    #[prost(string, tag = "1")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub code: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub reason: ::prost::alloc::string::String,
    #[prost(uint64, tag = "4")]
    pub at_ms: u64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GetBatchRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub batch_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListBatchesRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(enumeration = "BatchState", repeated, tag = "2")]
    pub states: ::prost::alloc::vec::Vec<i32>,
    /// 1 to 500; 0: 50
    #[prost(uint32, tag = "3")]
    pub limit: u32,
    /// from the previous page
    #[prost(string, tag = "4")]
    pub cursor: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListBatchesReply {
    /// newest first
    #[prost(message, repeated, tag = "1")]
    pub batches: ::prost::alloc::vec::Vec<Batch>,
    #[prost(string, tag = "2")]
    pub next_cursor: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ControlBatchRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub batch_id: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum BatchOperation {
    Unspecified = 0,
    Retry = 1,
    Cancel = 2,
    Terminate = 3,
    Signal = 4,
    Reset = 5,
    Migrate = 6,
}
impl BatchOperation {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "BATCH_OPERATION_UNSPECIFIED",
            Self::Retry => "BATCH_OPERATION_RETRY",
            Self::Cancel => "BATCH_OPERATION_CANCEL",
            Self::Terminate => "BATCH_OPERATION_TERMINATE",
            Self::Signal => "BATCH_OPERATION_SIGNAL",
            Self::Reset => "BATCH_OPERATION_RESET",
            Self::Migrate => "BATCH_OPERATION_MIGRATE",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "BATCH_OPERATION_UNSPECIFIED" => Some(Self::Unspecified),
            "BATCH_OPERATION_RETRY" => Some(Self::Retry),
            "BATCH_OPERATION_CANCEL" => Some(Self::Cancel),
            "BATCH_OPERATION_TERMINATE" => Some(Self::Terminate),
            "BATCH_OPERATION_SIGNAL" => Some(Self::Signal),
            "BATCH_OPERATION_RESET" => Some(Self::Reset),
            "BATCH_OPERATION_MIGRATE" => Some(Self::Migrate),
            _ => None,
        }
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum BatchState {
    Unspecified = 0,
    Running = 1,
    Paused = 2,
    Cancelled = 3,
    Finished = 4,
}
impl BatchState {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "BATCH_STATE_UNSPECIFIED",
            Self::Running => "BATCH_STATE_RUNNING",
            Self::Paused => "BATCH_STATE_PAUSED",
            Self::Cancelled => "BATCH_STATE_CANCELLED",
            Self::Finished => "BATCH_STATE_FINISHED",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "BATCH_STATE_UNSPECIFIED" => Some(Self::Unspecified),
            "BATCH_STATE_RUNNING" => Some(Self::Running),
            "BATCH_STATE_PAUSED" => Some(Self::Paused),
            "BATCH_STATE_CANCELLED" => Some(Self::Cancelled),
            "BATCH_STATE_FINISHED" => Some(Self::Finished),
            _ => None,
        }
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ChatMessage {
    /// system, user, assistant, tool
    #[prost(string, tag = "1")]
    pub role: ::prost::alloc::string::String,
    /// the text; empty when `parts` says it
    #[prost(string, tag = "2")]
    pub content: ::prost::alloc::string::String,
    /// in order, where there is more than one text
    #[prost(message, repeated, tag = "3")]
    pub parts: ::prost::alloc::vec::Vec<ContentPart>,
    /// of an assistant
    #[prost(message, repeated, tag = "4")]
    pub tool_calls: ::prost::alloc::vec::Vec<ToolCall>,
    /// of a tool: which call this answers
    #[prost(string, tag = "5")]
    pub tool_call_id: ::prost::alloc::string::String,
    /// of a tool: `content` tells why
    #[prost(bool, tag = "6")]
    pub tool_failed: bool,
    /// who speaks, where a role has several; may be empty
    #[prost(string, tag = "7")]
    pub name: ::prost::alloc::string::String,
    /// of an assistant: what it thought aloud before
    #[prost(string, tag = "8")]
    pub reasoning: ::prost::alloc::string::String,
    /// the provider's proof of `reasoning`, opaque; some take it back only with that
    #[prost(string, tag = "9")]
    pub reasoning_signature: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ContentPart {
    #[prost(oneof = "content_part::Kind", tags = "1, 2, 3, 4")]
    pub kind: ::core::option::Option<content_part::Kind>,
}
/// Nested message and enum types in `ContentPart`.
pub mod content_part {
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Oneof)]
    pub enum Kind {
        #[prost(string, tag = "1")]
        Text(::prost::alloc::string::String),
        #[prost(message, tag = "2")]
        Image(super::Media),
        #[prost(message, tag = "3")]
        Audio(super::Media),
        #[prost(message, tag = "4")]
        Document(super::Media),
    }
}
/// Bytes in a message, in place, by address, or in the object store.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Media {
    /// may be empty for a URL
    #[prost(string, tag = "1")]
    pub media_type: ::prost::alloc::string::String,
    #[prost(bytes = "vec", tag = "2")]
    pub data: ::prost::alloc::vec::Vec<u8>,
    /// https; fetched only where the gateway's rules allow
    #[prost(string, tag = "3")]
    pub url: ::prost::alloc::string::String,
    /// of an image: low, high, auto
    #[prost(string, tag = "4")]
    pub detail: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub name: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "6")]
    pub blob: ::core::option::Option<BlobRef>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Tool {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub description: ::prost::alloc::string::String,
    /// JSON Schema of the arguments; may be empty
    #[prost(string, tag = "3")]
    pub parameters_json: ::prost::alloc::string::String,
    /// arguments keep to the schema
    #[prost(bool, tag = "4")]
    pub strict: bool,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ToolChoice {
    /// auto, none, required, tool
    #[prost(string, tag = "1")]
    pub mode: ::prost::alloc::string::String,
    /// for `tool`
    #[prost(string, tag = "2")]
    pub name: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ToolCall {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub arguments_json: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResponseFormat {
    /// text, json_object, json_schema
    #[prost(string, tag = "1")]
    pub kind: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub name: ::prost::alloc::string::String,
    /// for json_schema
    #[prost(string, tag = "3")]
    pub schema_json: ::prost::alloc::string::String,
    #[prost(bool, tag = "4")]
    pub strict: bool,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ChatInput {
    #[prost(message, repeated, tag = "1")]
    pub messages: ::prost::alloc::vec::Vec<ChatMessage>,
    /// 0: the model's default
    #[prost(uint32, tag = "2")]
    pub max_tokens: u32,
    /// 0 is greedy
    #[prost(float, optional, tag = "3")]
    pub temperature: ::core::option::Option<f32>,
    #[prost(float, optional, tag = "4")]
    pub top_p: ::core::option::Option<f32>,
    #[prost(uint64, optional, tag = "5")]
    pub seed: ::core::option::Option<u64>,
    #[prost(string, repeated, tag = "6")]
    pub stop: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(message, repeated, tag = "7")]
    pub tools: ::prost::alloc::vec::Vec<Tool>,
    /// absent: auto where there are tools
    #[prost(message, optional, tag = "8")]
    pub tool_choice: ::core::option::Option<ToolChoice>,
    #[prost(bool, optional, tag = "9")]
    pub parallel_tool_calls: ::core::option::Option<bool>,
    #[prost(message, optional, tag = "10")]
    pub response_format: ::core::option::Option<ResponseFormat>,
    #[prost(bool, tag = "11")]
    pub logprobs: bool,
    #[prost(uint32, tag = "12")]
    pub top_logprobs: u32,
    /// choices; 0 is 1
    #[prost(uint32, tag = "13")]
    pub n: u32,
    #[prost(float, optional, tag = "14")]
    pub frequency_penalty: ::core::option::Option<f32>,
    #[prost(float, optional, tag = "15")]
    pub presence_penalty: ::core::option::Option<f32>,
    /// by token id, as the model counts
    #[prost(btree_map = "string, float", tag = "16")]
    pub logit_bias: ::prost::alloc::collections::BTreeMap<
        ::prost::alloc::string::String,
        f32,
    >,
    #[prost(uint32, optional, tag = "17")]
    pub top_k: ::core::option::Option<u32>,
    /// none, minimal, low, medium, high; empty: the model's default
    #[prost(string, tag = "18")]
    pub reasoning_effort: ::prost::alloc::string::String,
    /// the caller's own end user, passed to providers that ask for one
    #[prost(string, tag = "19")]
    pub user: ::prost::alloc::string::String,
    /// the one message is a prompt to be continued, without a chat template
    #[prost(bool, tag = "20")]
    pub raw: bool,
    /// a JSON object of parameters of one vendor, passed to providers that speak OpenAI's dialect
    #[prost(string, tag = "21")]
    pub extra_json: ::prost::alloc::string::String,
    /// 0: the model's default
    #[prost(uint32, tag = "22")]
    pub reasoning_tokens_max: u32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ChatOutput {
    #[prost(string, tag = "1")]
    pub text: ::prost::alloc::string::String,
    /// stop, length, tool_calls, content_filter
    #[prost(string, tag = "2")]
    pub finish_reason: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "3")]
    pub tool_calls: ::prost::alloc::vec::Vec<ToolCall>,
    #[prost(message, repeated, tag = "4")]
    pub logprobs: ::prost::alloc::vec::Vec<TokenLogprob>,
    #[prost(string, tag = "5")]
    pub refusal: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub reasoning: ::prost::alloc::string::String,
    /// the choices after the first, without others of their own
    #[prost(message, repeated, tag = "7")]
    pub others: ::prost::alloc::vec::Vec<ChatOutput>,
    /// the provider's proof of `reasoning`, opaque
    #[prost(string, tag = "8")]
    pub reasoning_signature: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TokenLogprob {
    #[prost(string, tag = "1")]
    pub token: ::prost::alloc::string::String,
    #[prost(float, tag = "2")]
    pub logprob: f32,
    #[prost(bytes = "vec", tag = "3")]
    pub bytes: ::prost::alloc::vec::Vec<u8>,
    /// without others of their own
    #[prost(message, repeated, tag = "4")]
    pub top: ::prost::alloc::vec::Vec<TokenLogprob>,
}
/// A part of a streamed answer.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ChatDelta {
    #[prost(string, tag = "1")]
    pub text: ::prost::alloc::string::String,
    /// of the choice
    #[prost(uint32, tag = "2")]
    pub index: u32,
    #[prost(message, repeated, tag = "3")]
    pub tool_calls: ::prost::alloc::vec::Vec<ToolCallDelta>,
    #[prost(message, repeated, tag = "4")]
    pub logprobs: ::prost::alloc::vec::Vec<TokenLogprob>,
    #[prost(string, tag = "5")]
    pub refusal: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub reasoning: ::prost::alloc::string::String,
    /// of this choice, with its last delta
    #[prost(string, tag = "7")]
    pub finish_reason: ::prost::alloc::string::String,
    #[prost(string, tag = "8")]
    pub reasoning_signature: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ToolCallDelta {
    /// of the call within the choice
    #[prost(uint32, tag = "1")]
    pub index: u32,
    /// with the first part
    #[prost(string, tag = "2")]
    pub id: ::prost::alloc::string::String,
    /// with the first part
    #[prost(string, tag = "3")]
    pub name: ::prost::alloc::string::String,
    /// more of the JSON text
    #[prost(string, tag = "4")]
    pub arguments: ::prost::alloc::string::String,
}
/// A message to a run: kept until a step asks for it by name.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SignalTaskRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub name: ::prost::alloc::string::String,
    /// empty: null
    #[prost(string, tag = "4")]
    pub payload_json: ::prost::alloc::string::String,
    /// sending again with the same key does nothing; may be empty
    #[prost(string, tag = "5")]
    pub idempotency_key: ::prost::alloc::string::String,
}
/// A signal that the definition declares as an update: it is checked first, and refused with reasons.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct UpdateTaskReply {
    /// what the definition answers with, null when it says nothing
    #[prost(string, tag = "1")]
    pub result_json: ::prost::alloc::string::String,
}
/// A question about a run, answered from its live state; nothing is recorded.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct QueryTaskRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    /// of the definition's queries; empty: the state itself
    #[prost(string, tag = "3")]
    pub name: ::prost::alloc::string::String,
    /// `$payload` of the query; empty: null
    #[prost(string, tag = "4")]
    pub payload_json: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct QueryTaskReply {
    #[prost(string, tag = "1")]
    pub result_json: ::prost::alloc::string::String,
}
/// What a pause holds.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PauseTarget {
    #[prost(oneof = "pause_target::Kind", tags = "1, 2, 3")]
    pub kind: ::core::option::Option<pause_target::Kind>,
}
/// Nested message and enum types in `PauseTarget`.
pub mod pause_target {
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Oneof)]
    pub enum Kind {
        #[prost(string, tag = "1")]
        TaskId(::prost::alloc::string::String),
        /// all versions of a name
        #[prost(string, tag = "2")]
        Workflow(::prost::alloc::string::String),
        /// everything of the tenant
        #[prost(bool, tag = "3")]
        Tenant(bool),
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PauseRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(message, optional, tag = "2")]
    pub target: ::core::option::Option<PauseTarget>,
    #[prost(string, tag = "3")]
    pub reason: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResumeRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(message, optional, tag = "2")]
    pub target: ::core::option::Option<PauseTarget>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Pause {
    /// empty: the tenant
    #[prost(string, tag = "1")]
    pub workflow: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub by: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub reason: ::prost::alloc::string::String,
    #[prost(uint64, tag = "4")]
    pub at_ms: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct PauseReply {
    /// false: it was so already
    #[prost(bool, tag = "1")]
    pub changed: bool,
    /// that hold the tenant or its workflows now
    #[prost(message, repeated, tag = "2")]
    pub pauses: ::prost::alloc::vec::Vec<Pause>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListPausesRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
/// A new run that begins with the events of another one up to a step.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RestartTaskRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    /// the step; not for a retry, which begins with the step that failed
    #[prost(string, tag = "3")]
    pub pointer: ::prost::alloc::string::String,
    /// which of its visits, from 0; left out: the last
    #[prost(uint32, optional, tag = "4")]
    pub iteration: ::core::option::Option<u32>,
    #[prost(string, tag = "5")]
    pub reason: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub idempotency_key: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct MigrateTaskRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    /// the version to move to: "name:version" or "name@sha256:<hex>"
    #[prost(string, tag = "3")]
    pub workflow: ::prost::alloc::string::String,
}
/// What a model is asked to do. The same shape travels kernel -> router -> inference.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ModelInput {
    #[prost(oneof = "model_input::Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub kind: ::core::option::Option<model_input::Kind>,
}
/// Nested message and enum types in `ModelInput`.
pub mod model_input {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Kind {
        #[prost(message, tag = "1")]
        Chat(super::ChatInput),
        #[prost(message, tag = "2")]
        Embed(super::EmbedInput),
        #[prost(message, tag = "3")]
        Read(super::ReadInput),
        #[prost(message, tag = "4")]
        Extract(super::ExtractInput),
        #[prost(message, tag = "5")]
        Classify(super::ClassifyInput),
        #[prost(message, tag = "6")]
        Rerank(super::RerankInput),
        #[prost(message, tag = "7")]
        Moderate(super::ModerateInput),
        #[prost(message, tag = "8")]
        Image(super::ImageInput),
    }
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct EmbedInput {
    #[prost(string, repeated, tag = "1")]
    pub texts: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// 0: the model's own
    #[prost(uint32, tag = "2")]
    pub dimensions: u32,
    /// query, document; may be empty
    #[prost(string, tag = "3")]
    pub input_type: ::prost::alloc::string::String,
}
/// Bytes and a media type in, typed content out: images, sound, documents, text, structured data.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReadInput {
    #[prost(message, optional, tag = "1")]
    pub blob: ::core::option::Option<BlobRef>,
    /// JSON Schema for structured input; may be empty
    #[prost(string, tag = "2")]
    pub schema_json: ::prost::alloc::string::String,
    /// hint for speech; may be empty
    #[prost(string, tag = "3")]
    pub language: ::prost::alloc::string::String,
    /// speech becomes English text, whatever the language
    #[prost(bool, tag = "4")]
    pub translate: bool,
    /// of speech: what came before, for spelling; may be empty
    #[prost(string, tag = "5")]
    pub prompt: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ExtractInput {
    /// Content documents as returned by read
    #[prost(string, repeated, tag = "1")]
    pub contents_json: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// the field schema
    #[prost(string, tag = "2")]
    pub schema_json: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ClassifyInput {
    #[prost(string, tag = "1")]
    pub text: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "2")]
    pub labels: ::prost::alloc::vec::Vec<Label>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RerankInput {
    #[prost(string, tag = "1")]
    pub query: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "2")]
    pub documents: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// 0: all
    #[prost(uint32, tag = "3")]
    pub top_n: u32,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ModerateInput {
    #[prost(string, repeated, tag = "1")]
    pub texts: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ImageInput {
    /// generate, edit, vary
    #[prost(string, tag = "1")]
    pub operation: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub prompt: ::prost::alloc::string::String,
    /// for edit and vary
    #[prost(message, repeated, tag = "3")]
    pub images: ::prost::alloc::vec::Vec<BlobRef>,
    #[prost(message, optional, tag = "4")]
    pub mask: ::core::option::Option<BlobRef>,
    /// 0 is 1
    #[prost(uint32, tag = "5")]
    pub n: u32,
    #[prost(string, tag = "6")]
    pub size: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub quality: ::prost::alloc::string::String,
    #[prost(string, tag = "8")]
    pub style: ::prost::alloc::string::String,
    #[prost(string, tag = "9")]
    pub background: ::prost::alloc::string::String,
    /// png, jpeg, webp; may be empty
    #[prost(string, tag = "10")]
    pub output_format: ::prost::alloc::string::String,
    #[prost(string, tag = "11")]
    pub user: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Label {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub description: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ModelOutput {
    #[prost(oneof = "model_output::Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub kind: ::core::option::Option<model_output::Kind>,
}
/// Nested message and enum types in `ModelOutput`.
pub mod model_output {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Kind {
        #[prost(message, tag = "1")]
        Chat(super::ChatOutput),
        #[prost(message, tag = "2")]
        Embed(super::EmbedOutput),
        /// read: a Content document
        #[prost(string, tag = "3")]
        ContentJson(::prost::alloc::string::String),
        /// extract: fields with value, confidence, source
        #[prost(string, tag = "4")]
        ExtractionJson(::prost::alloc::string::String),
        /// classify: label, score, scores
        #[prost(string, tag = "5")]
        ClassificationJson(::prost::alloc::string::String),
        #[prost(message, tag = "6")]
        Rerank(super::RerankOutput),
        #[prost(message, tag = "7")]
        Moderate(super::ModerateOutput),
        #[prost(message, tag = "8")]
        Image(super::ImageOutput),
    }
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct EmbedOutput {
    #[prost(uint32, tag = "1")]
    pub dimensions: u32,
    /// texts x dimensions, row by row, unit length
    #[prost(float, repeated, tag = "2")]
    pub values: ::prost::alloc::vec::Vec<f32>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RerankOutput {
    /// best first
    #[prost(message, repeated, tag = "1")]
    pub results: ::prost::alloc::vec::Vec<Ranked>,
}
#[derive(Clone, Copy, PartialEq, ::prost::Message)]
pub struct Ranked {
    /// into the documents
    #[prost(uint32, tag = "1")]
    pub index: u32,
    /// 0 to 1, higher is better
    #[prost(float, tag = "2")]
    pub score: f32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ModerateOutput {
    /// one for each text
    #[prost(message, repeated, tag = "1")]
    pub results: ::prost::alloc::vec::Vec<Moderation>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Moderation {
    #[prost(bool, tag = "1")]
    pub flagged: bool,
    #[prost(map = "string, bool", tag = "2")]
    pub categories: ::std::collections::HashMap<::prost::alloc::string::String, bool>,
    #[prost(map = "string, float", tag = "3")]
    pub scores: ::std::collections::HashMap<::prost::alloc::string::String, f32>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ImageOutput {
    #[prost(message, repeated, tag = "1")]
    pub images: ::prost::alloc::vec::Vec<GeneratedImage>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct GeneratedImage {
    #[prost(string, tag = "1")]
    pub media_type: ::prost::alloc::string::String,
    #[prost(bytes = "vec", tag = "2")]
    pub data: ::prost::alloc::vec::Vec<u8>,
    /// where the provider gave an address instead
    #[prost(string, tag = "3")]
    pub url: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub revised_prompt: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InferenceRequest {
    /// name in the repository; empty: the default for the kind
    #[prost(string, tag = "1")]
    pub model: ::prost::alloc::string::String,
    /// empty: the newest loaded
    #[prost(string, tag = "2")]
    pub version: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "3")]
    pub input: ::core::option::Option<ModelInput>,
    /// 0 normal, higher is more urgent
    #[prost(uint32, tag = "4")]
    pub priority: u32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InferenceReply {
    #[prost(message, optional, tag = "1")]
    pub output: ::core::option::Option<ModelOutput>,
    /// every model that took part
    #[prost(message, repeated, tag = "2")]
    pub models: ::prost::alloc::vec::Vec<ModelIdentity>,
    #[prost(message, optional, tag = "3")]
    pub usage: ::core::option::Option<Usage>,
    #[prost(uint64, tag = "4")]
    pub queue_ms: u64,
}
/// One message of a streamed answer. Numbered from 0; `done` or `error` is the last.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InferenceFrame {
    #[prost(oneof = "inference_frame::Kind", tags = "1, 2")]
    pub kind: ::core::option::Option<inference_frame::Kind>,
}
/// Nested message and enum types in `InferenceFrame`.
pub mod inference_frame {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Kind {
        #[prost(message, tag = "1")]
        Delta(super::ChatDelta),
        #[prost(message, tag = "2")]
        Done(super::InferenceReply),
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListLoadedModelsRequest {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct LoadedModel {
    #[prost(message, optional, tag = "1")]
    pub identity: ::core::option::Option<ModelIdentity>,
    /// generate, embed, transcribe, vad, ocr-detect, ocr-recognise
    #[prost(string, tag = "2")]
    pub task: ::prost::alloc::string::String,
    /// cpu, cuda:0
    #[prost(string, tag = "3")]
    pub device: ::prost::alloc::string::String,
    /// loading, ready, failed
    #[prost(string, tag = "4")]
    pub state: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub error: ::prost::alloc::string::String,
    #[prost(uint64, tag = "6")]
    pub weights_bytes: u64,
    #[prost(string, tag = "7")]
    pub limits_json: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListLoadedModelsReply {
    #[prost(message, repeated, tag = "1")]
    pub models: ::prost::alloc::vec::Vec<LoadedModel>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct IngestRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub collection: ::prost::alloc::string::String,
    /// name unique in the collection, for example "home-policy.md"
    #[prost(string, tag = "3")]
    pub document: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "4")]
    pub blob: ::core::option::Option<BlobRef>,
    /// roles that may see it; empty: all of the tenant
    #[prost(string, repeated, tag = "5")]
    pub access: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct IngestReply {
    #[prost(string, tag = "1")]
    pub collection: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub document: ::prost::alloc::string::String,
    /// sha256 of the bytes
    #[prost(string, tag = "3")]
    pub document_digest: ::prost::alloc::string::String,
    #[prost(uint32, tag = "4")]
    pub chunks: u32,
    /// false: the same bytes were already there
    #[prost(bool, tag = "5")]
    pub changed: bool,
    /// grows with each change
    #[prost(uint64, tag = "6")]
    pub collection_version: u64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SearchFilter {
    /// any of; empty: all
    #[prost(string, repeated, tag = "1")]
    pub documents: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// any heading on the path contains one of these, case-insensitive
    #[prost(string, repeated, tag = "2")]
    pub sections: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SearchRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub step: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub collection: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub query: ::prost::alloc::string::String,
    /// 1 to 100; 0: 5
    #[prost(uint32, tag = "6")]
    pub top_k: u32,
    #[prost(message, optional, tag = "7")]
    pub filter: ::core::option::Option<SearchFilter>,
    /// 0 to 1, of the fused score; default by the service
    #[prost(float, optional, tag = "8")]
    pub dense_weight: ::core::option::Option<f32>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Hit {
    #[prost(string, tag = "1")]
    pub chunk_id: ::prost::alloc::string::String,
    /// sha256 of the chunk's text
    #[prost(string, tag = "2")]
    pub chunk_digest: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub document: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub document_digest: ::prost::alloc::string::String,
    /// of the document
    #[prost(string, tag = "5")]
    pub title: ::prost::alloc::string::String,
    /// headings from the top
    #[prost(string, repeated, tag = "6")]
    pub section_path: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// clause number, for example "H-2.1"; may be empty
    #[prost(string, tag = "7")]
    pub clause: ::prost::alloc::string::String,
    #[prost(string, tag = "8")]
    pub text: ::prost::alloc::string::String,
    /// character span in the document's text
    #[prost(uint64, tag = "9")]
    pub start: u64,
    #[prost(uint64, tag = "10")]
    pub end: u64,
    /// 1-based; 0: not paged
    #[prost(uint32, tag = "11")]
    pub page: u32,
    #[prost(double, tag = "12")]
    pub score: f64,
    #[prost(double, tag = "13")]
    pub dense_score: f64,
    #[prost(double, tag = "14")]
    pub lexical_score: f64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SearchReply {
    #[prost(message, repeated, tag = "1")]
    pub hits: ::prost::alloc::vec::Vec<Hit>,
    #[prost(uint64, tag = "2")]
    pub collection_version: u64,
    #[prost(message, optional, tag = "3")]
    pub embedding_model: ::core::option::Option<ModelIdentity>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListCollectionsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Collection {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(uint64, tag = "2")]
    pub version: u64,
    #[prost(uint32, tag = "3")]
    pub documents: u32,
    #[prost(uint32, tag = "4")]
    pub chunks: u32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListCollectionsReply {
    #[prost(message, repeated, tag = "1")]
    pub collections: ::prost::alloc::vec::Vec<Collection>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListDocumentsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub collection: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Document {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub digest: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub media_type: ::prost::alloc::string::String,
    #[prost(uint32, tag = "4")]
    pub chunks: u32,
    #[prost(uint64, tag = "5")]
    pub added_at_ms: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListDocumentsReply {
    #[prost(message, repeated, tag = "1")]
    pub documents: ::prost::alloc::vec::Vec<Document>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DeleteDocumentRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub collection: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub document: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DeleteDocumentReply {
    #[prost(uint64, tag = "1")]
    pub collection_version: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InvokeRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    /// empty for a direct call
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
    /// pointer of the workflow step; empty for a direct call
    #[prost(string, tag = "3")]
    pub step: ::prost::alloc::string::String,
    /// a model or route name; empty or "auto": the router chooses
    #[prost(string, tag = "4")]
    pub model: ::prost::alloc::string::String,
    /// for example "personal"
    #[prost(string, repeated, tag = "5")]
    pub data_classes: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(string, tag = "6")]
    pub purpose: ::prost::alloc::string::String,
    /// 0: no limit beyond the budget
    #[prost(uint64, tag = "7")]
    pub cost_nanos_max: u64,
    #[prost(message, optional, tag = "8")]
    pub input: ::core::option::Option<ModelInput>,
    /// calls of one session stay with one deployment where the route is sticky; may be empty
    #[prost(string, tag = "9")]
    pub session: ::prost::alloc::string::String,
    /// under overload the lowest is shed first: batch, normal (also when empty), interactive
    #[prost(string, tag = "10")]
    pub priority: ::prost::alloc::string::String,
    /// empty: as configured; off, refresh
    #[prost(string, tag = "11")]
    pub cache: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InvokeReply {
    #[prost(message, optional, tag = "1")]
    pub output: ::core::option::Option<ModelOutput>,
    #[prost(message, repeated, tag = "2")]
    pub models: ::prost::alloc::vec::Vec<ModelIdentity>,
    #[prost(message, optional, tag = "3")]
    pub usage: ::core::option::Option<Usage>,
    #[prost(message, optional, tag = "4")]
    pub decision: ::core::option::Option<RouteDecision>,
    /// miss, exact, semantic, stale; empty where no cache took part
    #[prost(string, tag = "5")]
    pub cache: ::prost::alloc::string::String,
    /// of a semantic hit
    #[prost(float, tag = "6")]
    pub similarity: f32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct InvokeFrame {
    #[prost(oneof = "invoke_frame::Kind", tags = "1, 2")]
    pub kind: ::core::option::Option<invoke_frame::Kind>,
}
/// Nested message and enum types in `InvokeFrame`.
pub mod invoke_frame {
    #[derive(Clone, PartialEq, ::prost::Oneof)]
    pub enum Kind {
        #[prost(message, tag = "1")]
        Delta(super::ChatDelta),
        #[prost(message, tag = "2")]
        Done(super::InvokeReply),
    }
}
/// Why this model: every candidate, taken or dropped, with the reason.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RouteDecision {
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    /// of the Cedar policy set that decided
    #[prost(string, tag = "2")]
    pub policy_digest: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub catalogue_digest: ::prost::alloc::string::String,
    #[prost(message, repeated, tag = "4")]
    pub candidates: ::prost::alloc::vec::Vec<Candidate>,
    #[prost(string, tag = "5")]
    pub chosen: ::prost::alloc::string::String,
    #[prost(uint32, tag = "6")]
    pub attempts: u32,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Candidate {
    #[prost(string, tag = "1")]
    pub model: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub provider: ::prost::alloc::string::String,
    #[prost(bool, tag = "3")]
    pub eligible: bool,
    /// why taken, or why dropped
    #[prost(string, tag = "4")]
    pub reason: ::prost::alloc::string::String,
    /// determining policy ids
    #[prost(string, repeated, tag = "5")]
    pub policies: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(uint64, tag = "6")]
    pub price_nanos_estimate: u64,
    #[prost(uint64, tag = "7")]
    pub latency_ms_estimate: u64,
    /// lower is better
    #[prost(double, tag = "8")]
    pub score: f64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListModelsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CatalogueModel {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub provider: ::prost::alloc::string::String,
    /// local, external
    #[prost(string, tag = "3")]
    pub location: ::prost::alloc::string::String,
    #[prost(string, repeated, tag = "4")]
    pub capabilities: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(string, repeated, tag = "5")]
    pub data_classes: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    #[prost(uint64, tag = "6")]
    pub input_nanos_per_token: u64,
    #[prost(uint64, tag = "7")]
    pub output_nanos_per_token: u64,
    /// unix seconds
    #[prost(uint64, tag = "8")]
    pub created: u64,
    #[prost(bool, tag = "9")]
    pub healthy: bool,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListModelsReply {
    #[prost(message, repeated, tag = "1")]
    pub models: ::prost::alloc::vec::Vec<CatalogueModel>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SpendRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    /// empty: the tenant as a whole
    #[prost(string, tag = "2")]
    pub task_id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SpendRow {
    #[prost(string, tag = "1")]
    pub model: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub provider: ::prost::alloc::string::String,
    #[prost(uint64, tag = "3")]
    pub calls: u64,
    #[prost(uint64, tag = "4")]
    pub input_tokens: u64,
    #[prost(uint64, tag = "5")]
    pub output_tokens: u64,
    #[prost(uint64, tag = "6")]
    pub cost_nanos: u64,
    #[prost(uint64, tag = "7")]
    pub latency_ms_p50: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct SpendReply {
    #[prost(message, repeated, tag = "1")]
    pub rows: ::prost::alloc::vec::Vec<SpendRow>,
    /// for example "2026-11"
    #[prost(string, tag = "2")]
    pub window: ::prost::alloc::string::String,
    /// 0: no limit
    #[prost(uint64, tag = "3")]
    pub limit_nanos: u64,
    #[prost(uint64, tag = "4")]
    pub spent_nanos: u64,
    #[prost(uint64, tag = "5")]
    pub reserved_nanos: u64,
    #[prost(string, tag = "6")]
    pub currency: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SetBudgetRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    /// per calendar month; 0 lifts the limit
    #[prost(uint64, tag = "2")]
    pub limit_nanos: u64,
    /// "closed" (default) or "open"
    #[prost(string, tag = "3")]
    pub when_unavailable: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SetBudgetReply {}
/// A limit on what one subject may use in one window of time. Limits hold together: a call passes all that meet it.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Limit {
    /// unique within the tenant
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    /// tenant, team, user, key
    #[prost(string, tag = "2")]
    pub scope: ::prost::alloc::string::String,
    /// the one that is limited; empty: each of the scope has an account of its own
    #[prost(string, tag = "3")]
    pub subject: ::prost::alloc::string::String,
    /// the one model that is counted; empty: all together; "*": each has an account of its own
    #[prost(string, tag = "4")]
    pub model: ::prost::alloc::string::String,
    /// cost (nano-units), tokens, requests
    #[prost(string, tag = "5")]
    pub metric: ::prost::alloc::string::String,
    /// minute, hour, day, week, month (UTC), total
    #[prost(string, tag = "6")]
    pub window: ::prost::alloc::string::String,
    #[prost(uint64, tag = "7")]
    pub amount: u64,
    /// exceeding it raises alerts and refuses nothing
    #[prost(bool, tag = "8")]
    pub soft: bool,
    /// an event is published when so much is used; 100 always is one
    #[prost(uint32, repeated, tag = "9")]
    pub alert_percents: ::prost::alloc::vec::Vec<u32>,
    /// closed (also when empty), open: what happens when the router cannot be asked
    #[prost(string, tag = "10")]
    pub when_unavailable: ::prost::alloc::string::String,
}
/// What one subject has used of one limit in one window.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Account {
    #[prost(string, tag = "1")]
    pub tenant: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub limit_id: ::prost::alloc::string::String,
    /// empty where the limit names one
    #[prost(string, tag = "3")]
    pub subject: ::prost::alloc::string::String,
    /// empty where the limit counts all together
    #[prost(string, tag = "4")]
    pub model: ::prost::alloc::string::String,
    #[prost(uint64, tag = "5")]
    pub window_start_ms: u64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListLimitsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct LimitStanding {
    #[prost(message, optional, tag = "1")]
    pub limit: ::core::option::Option<Limit>,
    /// absent where nothing was used in the present window
    #[prost(message, optional, tag = "2")]
    pub account: ::core::option::Option<Account>,
    #[prost(uint64, tag = "3")]
    pub spent: u64,
    /// leased to those who make calls, not yet accounted for
    #[prost(uint64, tag = "4")]
    pub held: u64,
    /// 0: never
    #[prost(uint64, tag = "5")]
    pub resets_at_ms: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListLimitsReply {
    #[prost(message, repeated, tag = "1")]
    pub standings: ::prost::alloc::vec::Vec<LimitStanding>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SetLimitRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(message, optional, tag = "2")]
    pub limit: ::core::option::Option<Limit>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SetLimitReply {}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RemoveLimitRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub id: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RemoveLimitReply {}
/// The limits of a tenant, for those who make its calls.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct TenantLimitsRequest {
    #[prost(string, tag = "1")]
    pub tenant: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct TenantLimitsReply {
    #[prost(message, repeated, tag = "1")]
    pub limits: ::prost::alloc::vec::Vec<Limit>,
}
/// Asks for amounts to spend from, and says what is still held. Requests of one holder are taken in the order of their
/// numbers; one that comes late is refused.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct LeaseRequest {
    #[prost(string, tag = "1")]
    pub holder: ::prost::alloc::string::String,
    #[prost(uint64, tag = "2")]
    pub number: u64,
    #[prost(message, repeated, tag = "3")]
    pub lines: ::prost::alloc::vec::Vec<LeaseLine>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct LeaseLine {
    #[prost(message, optional, tag = "1")]
    pub account: ::core::option::Option<Account>,
    /// what the holder still answers for, this request aside
    #[prost(uint64, tag = "2")]
    pub held: u64,
    /// at least, or nothing; 0: only giving back
    #[prost(uint64, tag = "3")]
    pub need: u64,
    /// for all who wait
    #[prost(uint64, tag = "4")]
    pub want: u64,
    /// beyond that, for calls to come
    #[prost(uint64, tag = "5")]
    pub ahead: u64,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct LeaseReply {
    /// in the order of the lines
    #[prost(message, repeated, tag = "1")]
    pub grants: ::prost::alloc::vec::Vec<LeaseGrant>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct LeaseGrant {
    /// 0: refused
    #[prost(uint64, tag = "1")]
    pub amount: u64,
    #[prost(uint64, tag = "2")]
    pub limit: u64,
    #[prost(uint64, tag = "3")]
    pub spent: u64,
    /// by all holders
    #[prost(uint64, tag = "4")]
    pub held: u64,
}
/// What a call was charged to one account.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Charge {
    #[prost(message, optional, tag = "1")]
    pub account: ::core::option::Option<Account>,
    #[prost(uint64, tag = "2")]
    pub amount: u64,
    /// of it, or more: what was set aside for the call and is now no longer held
    #[prost(uint64, tag = "3")]
    pub leased: u64,
}
/// A call that is over, as the ledger has it.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CallRecord {
    /// of the decision
    #[prost(string, tag = "1")]
    pub id: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "2")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "3")]
    pub task_id: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub step: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub capability: ::prost::alloc::string::String,
    /// who answered or failed last; empty when nobody was called
    #[prost(string, tag = "6")]
    pub model: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub provider: ::prost::alloc::string::String,
    /// ok, an error code, or in_doubt
    #[prost(string, tag = "8")]
    pub outcome: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "9")]
    pub usage: ::core::option::Option<Usage>,
    #[prost(uint32, tag = "10")]
    pub attempts: u32,
    #[prost(string, tag = "11")]
    pub idempotency_key: ::prost::alloc::string::String,
    /// what the decision is replayed from
    #[prost(string, tag = "12")]
    pub decision_json: ::prost::alloc::string::String,
    #[prost(uint64, tag = "13")]
    pub at_ms: u64,
    /// of a stream; 0 otherwise
    #[prost(uint64, tag = "14")]
    pub first_token_ms: u64,
    #[prost(message, repeated, tag = "15")]
    pub charges: ::prost::alloc::vec::Vec<Charge>,
    /// of the audit record
    #[prost(string, tag = "16")]
    pub facts_json: ::prost::alloc::string::String,
    /// exact, semantic, stale; empty: a model answered
    #[prost(string, tag = "17")]
    pub cache: ::prost::alloc::string::String,
    /// who made the call
    #[prost(string, tag = "18")]
    pub holder: ::prost::alloc::string::String,
    /// SHA-256 over the decision as it was made
    #[prost(string, tag = "19")]
    pub decision_digest: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RecordCallsRequest {
    #[prost(message, repeated, tag = "1")]
    pub calls: ::prost::alloc::vec::Vec<CallRecord>,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RecordCallsReply {}
/// Told to all who make calls, when somebody was refused what others hold and may not need, or when limits changed.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BudgetNotice {
    #[prost(string, tag = "1")]
    pub tenant: ::prost::alloc::string::String,
    /// give back what is free of it
    #[prost(message, optional, tag = "2")]
    pub recalled: ::core::option::Option<Account>,
    #[prost(bool, tag = "3")]
    pub limits_changed: bool,
}
/// A holder that has started again: what earlier lives of it held and did not account for is free again. Sent once all that
/// they recorded was taken.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RetireHoldersRequest {
    /// holders are named <instance>/<life>
    #[prost(string, tag = "1")]
    pub instance: ::prost::alloc::string::String,
    /// the life that goes on
    #[prost(string, tag = "2")]
    pub present: ::prost::alloc::string::String,
}
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RetireHoldersReply {}
/// How deployments do, over all who call them.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct RoutingSnapshot {
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    #[prost(string, tag = "2")]
    pub catalogue_json: ::prost::alloc::string::String,
    /// Cedar, by file name
    #[prost(map = "string, string", tag = "3")]
    pub policies: ::std::collections::HashMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
    #[prost(string, tag = "4")]
    pub statistics_json: ::prost::alloc::string::String,
    /// those of the store that providers are to have
    #[prost(message, repeated, tag = "5")]
    pub secrets: ::prost::alloc::vec::Vec<SealedSecret>,
    /// providers that the router cannot set up for lack of a secret, and why
    #[prost(map = "string, string", tag = "6")]
    pub without_key: ::std::collections::HashMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
/// A secret as it is stored: only processes with the sealing key can open it.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SealedSecret {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    /// counts up with each value, also over removals
    #[prost(uint64, tag = "2")]
    pub version: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub sealed: ::prost::alloc::vec::Vec<u8>,
}
/// What there is to know of a secret, beside its value.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SecretInfo {
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
    /// 0: it is not there, and providers want it
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// of the key that seals it
    #[prost(string, tag = "3")]
    pub key_id: ::prost::alloc::string::String,
    #[prost(uint64, tag = "4")]
    pub set_at_ms: u64,
    /// <tenant>/<principal>
    #[prost(string, tag = "5")]
    pub set_by: ::prost::alloc::string::String,
    /// whose entries in the catalogue name it
    #[prost(string, repeated, tag = "6")]
    pub providers: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CatalogueRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
/// How the catalogue stands that calls are decided by.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct CatalogueReply {
    #[prost(string, tag = "1")]
    pub digest: ::prost::alloc::string::String,
    /// in this router
    #[prost(uint64, tag = "2")]
    pub since_ms: u64,
    /// empty: the one that comes with Orrery
    #[prost(string, tag = "3")]
    pub file: ::prost::alloc::string::String,
    #[prost(uint64, tag = "4")]
    pub models: u64,
    #[prost(uint64, tag = "5")]
    pub routes: u64,
    /// of the changed file that was refused; empty: none was
    #[prost(string, tag = "6")]
    pub fault: ::prost::alloc::string::String,
    #[prost(uint64, tag = "7")]
    pub refused_at_ms: u64,
    /// providers that lack a secret, and what to do
    #[prost(map = "string, string", tag = "8")]
    pub without_key: ::std::collections::HashMap<
        ::prost::alloc::string::String,
        ::prost::alloc::string::String,
    >,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ListSecretsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct ListSecretsReply {
    #[prost(message, repeated, tag = "1")]
    pub secrets: ::prost::alloc::vec::Vec<SecretInfo>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SetSecretRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub name: ::prost::alloc::string::String,
    /// the value, sealed by the sender for its way here
    #[prost(bytes = "vec", tag = "3")]
    pub sealed: ::prost::alloc::vec::Vec<u8>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct SetSecretReply {
    #[prost(message, optional, tag = "1")]
    pub secret: ::core::option::Option<SecretInfo>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RemoveSecretRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub name: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct RemoveSecretReply {
    /// as it was
    #[prost(message, optional, tag = "1")]
    pub secret: ::core::option::Option<SecretInfo>,
}
/// Seals what other keys have sealed with the present one.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResealSecretsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ResealSecretsReply {
    #[prost(string, tag = "1")]
    pub key_id: ::prost::alloc::string::String,
    /// names
    #[prost(string, repeated, tag = "2")]
    pub resealed: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// sealed with keys that the router does not have
    #[prost(string, repeated, tag = "3")]
    pub unopened: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ModelStatsRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ModelStatsReply {
    /// by model: over the last minute, hour and day; amounts only for operators
    #[prost(string, tag = "1")]
    pub models_json: ::prost::alloc::string::String,
    /// of the statistics that decisions know now
    #[prost(uint64, tag = "2")]
    pub revision: u64,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReplayDecisionRequest {
    #[prost(message, optional, tag = "1")]
    pub caller: ::core::option::Option<Caller>,
    #[prost(string, tag = "2")]
    pub id: ::prost::alloc::string::String,
}
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ReplayDecisionReply {
    /// made again from its record: every candidate with its numbers and reason, and the plan
    #[prost(string, tag = "1")]
    pub decision_json: ::prost::alloc::string::String,
    /// the same, one line each
    #[prost(string, tag = "2")]
    pub explanation: ::prost::alloc::string::String,
    /// it equals the decision as it was made
    #[prost(bool, tag = "3")]
    pub verified: bool,
    /// who answered or failed last
    #[prost(string, tag = "4")]
    pub model: ::prost::alloc::string::String,
    #[prost(string, tag = "5")]
    pub outcome: ::prost::alloc::string::String,
    #[prost(uint32, tag = "6")]
    pub attempts: u32,
}
/// orrery.v1.worker.<tenant>.open: where the announcements of a task queue are pulled from.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct OpenWorkRequest {
    #[prost(string, tag = "1")]
    pub queue: ::prost::alloc::string::String,
}
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct OpenWorkReply {
    #[prost(string, tag = "1")]
    pub stream: ::prost::alloc::string::String,
    /// a durable pull consumer of that stream
    #[prost(string, tag = "2")]
    pub consumer: ::prost::alloc::string::String,
    /// an announcement that is not acknowledged by then comes again
    #[prost(uint64, tag = "3")]
    pub ack_wait_ms: u64,
    /// of one message
    #[prost(uint64, tag = "4")]
    pub payload_bytes_max: u64,
    /// of a result in the message that completes the step
    #[prost(uint64, tag = "5")]
    pub result_bytes_max: u64,
    /// of one that is stored in parts
    #[prost(uint64, tag = "6")]
    pub content_bytes_max: u64,
    /// of one part
    #[prost(uint64, tag = "7")]
    pub part_bytes_max: u64,
}
/// orrery.v1.worker.<tenant>.lease: takes the step of a queue whose turn it is.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct LeaseWorkRequest {
    #[prost(string, tag = "1")]
    pub queue: ::prost::alloc::string::String,
    /// as it calls itself, for the history
    #[prost(string, tag = "2")]
    pub worker: ::prost::alloc::string::String,
}
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct LeaseWorkReply {
    /// none: nothing waits, or a limit is reached
    #[prost(message, optional, tag = "1")]
    pub work: ::core::option::Option<Work>,
    /// above 0: something waits but may not begin yet
    #[prost(uint64, tag = "2")]
    pub retry_after_ms: u64,
}
/// One attempt of a step.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Work {
    /// of the step; the same for every attempt, so good as an idempotency key
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    /// of the attempt; the lease, and goes with everything that is said of it
    #[prost(string, tag = "2")]
    pub token: ::prost::alloc::string::String,
    #[prost(uint32, tag = "3")]
    pub attempt: u32,
    #[prost(string, tag = "4")]
    pub task_id: ::prost::alloc::string::String,
    /// "name:version"
    #[prost(string, tag = "5")]
    pub workflow: ::prost::alloc::string::String,
    #[prost(string, tag = "6")]
    pub pointer: ::prost::alloc::string::String,
    #[prost(string, tag = "7")]
    pub queue: ::prost::alloc::string::String,
    #[prost(uint32, tag = "8")]
    pub priority: u32,
    #[prost(string, tag = "9")]
    #[serde(rename = "input", with = "crate::json_text")]
    pub input_json: ::prost::alloc::string::String,
    /// the last that an earlier attempt gave; empty: none
    #[prost(string, tag = "10")]
    #[serde(rename = "heartbeat_details", with = "crate::json_text")]
    pub heartbeat_details_json: ::prost::alloc::string::String,
    /// when the step began
    #[prost(uint64, tag = "11")]
    pub scheduled_at_ms: u64,
    /// when the attempt must be over
    #[prost(uint64, tag = "12")]
    pub close_at_ms: u64,
    /// a sign of life is due this often; 0: none
    #[prost(uint64, tag = "13")]
    pub heartbeat_ms: u64,
    #[prost(string, tag = "14")]
    pub traceparent: ::prost::alloc::string::String,
    /// in place of an input that is too long for this message
    #[prost(message, optional, tag = "15")]
    pub input_content: ::core::option::Option<WorkContent>,
}
/// JSON text that is too long for a message, cut into parts that lie in the tenant's object store.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct WorkContent {
    /// their SHA-256 in lower-case hex, in order
    #[prost(string, repeated, tag = "1")]
    pub parts: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// of the whole text
    #[prost(uint64, tag = "2")]
    pub size_bytes: u64,
    /// of the whole text, in lower-case hex
    #[prost(string, tag = "3")]
    pub sha256: ::prost::alloc::string::String,
}
/// orrery.v1.worker.<tenant>.fetch: reads a part of a content.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FetchWorkRequest {
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub token: ::prost::alloc::string::String,
    /// of the part
    #[prost(string, tag = "3")]
    pub sha256: ::prost::alloc::string::String,
}
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FetchWorkReply {
    #[prost(string, tag = "1")]
    pub text: ::prost::alloc::string::String,
}
/// orrery.v1.worker.<tenant>.store: stores a part of a content. Doing it again does nothing.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StoreWorkRequest {
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub token: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    pub text: ::prost::alloc::string::String,
}
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct StoreWorkReply {
    #[prost(string, tag = "1")]
    pub sha256: ::prost::alloc::string::String,
}
/// orrery.v1.worker.<tenant>.heartbeat
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HeartbeatWorkRequest {
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub token: ::prost::alloc::string::String,
    /// handed to the next attempt; empty: as they were
    #[prost(string, tag = "3")]
    #[serde(rename = "details", with = "crate::json_text")]
    pub details_json: ::prost::alloc::string::String,
}
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct HeartbeatWorkReply {
    /// nobody wants the result any more: stop
    #[prost(bool, tag = "1")]
    pub cancelled: bool,
}
/// orrery.v1.worker.<tenant>.complete
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CompleteWorkRequest {
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub token: ::prost::alloc::string::String,
    #[prost(string, tag = "3")]
    #[serde(rename = "output", with = "crate::json_text")]
    pub output_json: ::prost::alloc::string::String,
    /// in place of `output_json`
    #[prost(message, optional, tag = "4")]
    pub output_content: ::core::option::Option<WorkContent>,
}
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct CompleteWorkReply {}
/// orrery.v1.worker.<tenant>.fail
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FailWorkRequest {
    #[prost(string, tag = "1")]
    pub key: ::prost::alloc::string::String,
    #[prost(string, tag = "2")]
    pub token: ::prost::alloc::string::String,
    #[prost(message, optional, tag = "3")]
    pub error: ::core::option::Option<WorkError>,
    #[prost(bool, tag = "4")]
    pub non_retryable: bool,
}
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct FailWorkReply {
    /// when the next attempt comes; 0: the step has failed
    #[prost(uint64, tag = "1")]
    pub retry_at_ms: u64,
}
/// An error as the DSL shapes it.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct WorkError {
    /// a URI; empty: the standard runtime error
    #[prost(string, tag = "1")]
    pub r#type: ::prost::alloc::string::String,
    /// 0: 500
    #[prost(uint32, tag = "2")]
    pub status: u32,
    #[prost(string, tag = "3")]
    pub title: ::prost::alloc::string::String,
    #[prost(string, tag = "4")]
    pub detail: ::prost::alloc::string::String,
}
