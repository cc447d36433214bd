//! Every subject, stream, bucket and header name that is not a call.

/// The six services.
pub const SERVICES: [&str; 6] = ["gateway", "kernel", "router", "inference", "retrieval", "audit"];

/// Durable commands.
pub const STREAM_COMMANDS: &str = "ORRERY_COMMANDS";
/// Public events, CloudEvents 1.0.
pub const STREAM_EVENTS: &str = "ORRERY_EVENTS";
/// Records on their way to the transparency log.
pub const STREAM_AUDIT: &str = "ORRERY_AUDIT";

/// Object store of payloads.
pub const BUCKET_BLOBS: &str = "orrery_blobs";
/// Key-value bucket of control-plane snapshots.
pub const BUCKET_SNAPSHOTS: &str = "orrery_snapshots";
/// Key-value bucket of leases.
pub const BUCKET_LEASES: &str = "orrery_leases";

pub(crate) const COMMANDS: &str = "orrery.v1.commands.>";
pub(crate) const EVENTS: &str = "orrery.v1.events.>";
pub(crate) const AUDIT: &str = "orrery.v1.audit.records.>";

/// Where a service's audit records go.
pub fn audit_record(service: &str) -> String {
    format!("orrery.v1.audit.records.{service}")
}

/// The routing snapshot, in the bucket of snapshots.
pub const SNAPSHOT_ROUTING: &str = "routing";

/// How one model does, in the bucket of snapshots. Keys hold letters, digits, `-` and `_`; other bytes of a name are written
/// as `=` and two hexadecimal digits.
pub fn snapshot_stats(model: &str) -> String {
    let mut key = "stats.".to_owned();
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            key.push(char::from(byte));
        } else {
            key.push_str(&format!("={byte:02x}"));
        }
    }
    key
}

/// Where the router tells all who make calls that budgets want their attention.
pub const BUDGET_NOTICES: &str = "orrery.v1.budget.notices";

/// A public event: `orrery.v1.events.<tenant>.<entity>.<past participle>`.
pub fn event(tenant: &str, entity: &str, what: &str) -> String {
    format!("orrery.v1.events.{tenant}.{entity}.{what}")
}

/// The stream that announces a tenant's steps for workers outside.
pub fn work_stream(tenant: &str) -> String {
    format!("ORRERY_WORK_{tenant}")
}

/// Where a step of a task queue is announced: `orrery.v1.work.<tenant>.<queue>`.
pub fn work(tenant: &str, queue: &str) -> String {
    format!("orrery.v1.work.{tenant}.{queue}")
}

/// All calls of a tenant's workers: `orrery.v1.worker.<tenant>.<call>`.
pub(crate) fn worker_calls(tenant: &str) -> String {
    format!("orrery.v1.worker.{tenant}.*")
}

/// The tenant whose event was published on a subject.
pub fn tenant_of_event(subject: &str) -> Option<&str> {
    subject.strip_prefix("orrery.v1.events.")?.split('.').next()
}

/// All events of a tenant.
pub fn events_of(tenant: &str) -> String {
    format!("orrery.v1.events.{tenant}.>")
}

/// Where a service says how it is, each time that changes and every few seconds.
pub fn health(service: &str) -> String {
    format!("orrery.v1.health.{service}")
}

/// Where one kernel process hears from the others.
pub fn kernel_member(id: &str) -> String {
    format!("{KERNEL_MEMBERS}.{id}")
}

/// Prefix of the subjects of kernel processes among themselves.
pub(crate) const KERNEL_MEMBERS: &str = "orrery.v1.kernel.member";

/// Where callers that left say so.
pub(crate) fn cancel(service: &str, call: &str) -> String {
    format!("orrery.v1.cancel.{service}.{call}")
}

/// Prefix of the inboxes of a user; only that user may listen there.
pub fn inbox_prefix(user: &str) -> String {
    format!("_INBOX.{user}")
}

/// Header: Unix milliseconds after which nobody waits for the answer.
pub(crate) const HEADER_DEADLINE: &str = "Orrery-Deadline-Ms";
/// Header: how many milliseconds are left, for a callee whose clock is another.
pub(crate) const HEADER_LEFT: &str = "Orrery-Left-Ms";
/// Header: calls with the same key have one effect.
pub(crate) const HEADER_IDEMPOTENCY_KEY: &str = "Orrery-Idempotency-Key";
/// Header: names the call, so that it can be cancelled.
pub(crate) const HEADER_CALL: &str = "Orrery-Call";
/// Header: number of a frame in a streamed reply, from 0.
pub(crate) const HEADER_FRAME: &str = "Orrery-Frame";
/// Header: present on the last frame of a streamed reply.
pub(crate) const HEADER_END: &str = "Orrery-End";
