//! Every call on the bus, by service.

macro_rules! calls {
    ($service:ident { $($(#[$doc:meta])* $kind:ident $constant:ident $name:literal ($request:ident) -> $reply:ident;)* }) => {
        #[doc = concat!("Calls answered by the ", stringify!($service), " service.")]
        pub mod $service {
            #[allow(unused_imports)] // not every service streams
            use crate::{StreamVerb, Verb};
            use orrery_proto::v1::*;

            $(
                $(#[$doc])*
                pub const $constant: $kind<$request, $reply> = $kind::new(
                    stringify!($service),
                    $name,
                    concat!("orrery.v1.", stringify!($service), ".", $name),
                );
            )*
            /// State of the service's actor tree.
            pub const HEALTH: Verb<HealthRequest, HealthReport> =
                Verb::new(stringify!($service), "health", concat!("orrery.v1.", stringify!($service), ".health"));
        }
    };
}

calls!(gateway {});

calls!(kernel {
    /// Stores a definition after validating it.
    Verb DEPLOY "deploy" (DeployRequest) -> DeployReply;
    /// Lists the definitions of a tenant.
    Verb DEFINITIONS "definitions" (ListDefinitionsRequest) -> ListDefinitionsReply;
    /// Starts a run.
    Verb START "start" (StartTaskRequest) -> Task;
    /// One run.
    Verb GET "get" (GetTaskRequest) -> Task;
    /// One run, once it is over.
    Verb WAIT "wait" (WaitTaskRequest) -> Task;
    /// Runs of a tenant, newest first.
    Verb LIST "list" (ListTasksRequest) -> ListTasksReply;
    /// Stops a run.
    Verb CANCEL "cancel" (CancelTaskRequest) -> Task;
    /// The events of a run.
    Verb HISTORY "history" (TaskHistoryRequest) -> TaskHistoryReply;
    /// Reviews that the caller may see.
    Verb REVIEWS "reviews" (ListReviewsRequest) -> ListReviewsReply;
    /// One review.
    Verb REVIEW "review" (GetReviewRequest) -> Review;
    /// Takes a review, so that nobody else does.
    Verb CLAIM "claim" (ClaimReviewRequest) -> Review;
    /// Decides a review.
    Verb DECIDE "decide" (DecideReviewRequest) -> Review;
    /// Gives a review back.
    Verb RELEASE "release" (ReleaseReviewRequest) -> Review;
    /// Hands a review to someone else.
    Verb DELEGATE "delegate" (DelegateReviewRequest) -> Review;
    /// Gives a review other candidates.
    Verb REASSIGN "reassign" (ReassignReviewRequest) -> Review;
    /// Says something about a review.
    Verb COMMENT "comment" (CommentReviewRequest) -> Review;
    /// How much work a person has.
    Verb REVIEW_WORK "review_work" (ReviewWorkRequest) -> ReviewWorkReply;
    /// The public keys that decisions are signed with.
    Verb REVIEW_KEYS "review_keys" (ReviewKeysRequest) -> ReviewKeysReply;
    /// Ends a run at once, with nothing undone.
    Verb TERMINATE "terminate" (CancelTaskRequest) -> Task;
    /// Sends a run a signal.
    Verb SIGNAL "signal" (SignalTaskRequest) -> Task;
    /// Sends a run a signal that is checked first.
    Verb UPDATE "update" (SignalTaskRequest) -> UpdateTaskReply;
    /// Asks a run for its state.
    Verb QUERY "query" (QueryTaskRequest) -> QueryTaskReply;
    /// Schedules nothing new of a run, a workflow or a tenant.
    Verb PAUSE "pause" (PauseRequest) -> PauseReply;
    /// Goes on with what was paused.
    Verb RESUME "resume" (ResumeRequest) -> PauseReply;
    /// What is paused.
    Verb PAUSES "pauses" (ListPausesRequest) -> PauseReply;
    /// Begins a run anew from a step, in place of the old one.
    Verb RESET "reset" (RestartTaskRequest) -> Task;
    /// Begins a second run from a step.
    Verb FORK "fork" (RestartTaskRequest) -> Task;
    /// Begins a failed run anew from the step that failed.
    Verb RETRY "retry" (RestartTaskRequest) -> Task;
    /// Moves a run to another version of its workflow.
    Verb MIGRATE "migrate" (MigrateTaskRequest) -> Task;
    /// Does one operation on every run that a filter meets.
    Verb BATCH_CREATE "batch_create" (CreateBatchRequest) -> Batch;
    /// One batch, with its failures.
    Verb BATCH "batch" (GetBatchRequest) -> Batch;
    /// The batches of a tenant, newest first.
    Verb BATCHES "batches" (ListBatchesRequest) -> ListBatchesReply;
    /// Begins nothing more of a batch until it is resumed.
    Verb BATCH_PAUSE "batch_pause" (ControlBatchRequest) -> Batch;
    /// Goes on with a batch.
    Verb BATCH_RESUME "batch_resume" (ControlBatchRequest) -> Batch;
    /// Ends a batch; what it has done stays done.
    Verb BATCH_CANCEL "batch_cancel" (ControlBatchRequest) -> Batch;
    /// How long runs are kept after their end.
    Verb RETENTION "retention" (ListRetentionRequest) -> RetentionReply;
    /// Sets it for the tenant or a workflow.
    Verb RETENTION_SET "retention_set" (SetRetentionRequest) -> RetentionReply;
    /// Takes a rule away.
    Verb RETENTION_REMOVE "retention_remove" (RemoveRetentionRequest) -> RetentionReply;
    /// Where a run that was removed is archived.
    Verb ARCHIVE "archive" (GetArchiveRequest) -> Archive;
});

calls!(router {
    /// One model call.
    Verb INVOKE "invoke" (InvokeRequest) -> InvokeReply;
    /// One model call with a streamed answer.
    StreamVerb STREAM "stream" (InvokeRequest) -> InvokeFrame;
    /// The catalogue.
    Verb MODELS "models" (ListModelsRequest) -> ListModelsReply;
    /// What was spent.
    Verb SPEND "spend" (SpendRequest) -> SpendReply;
    /// Sets a tenant's budget.
    Verb SET_BUDGET "set_budget" (SetBudgetRequest) -> SetBudgetReply;
    /// The limits of a tenant and how they stand.
    Verb LIMITS "limits" (ListLimitsRequest) -> ListLimitsReply;
    /// Sets a limit.
    Verb SET_LIMIT "set_limit" (SetLimitRequest) -> SetLimitReply;
    /// Lifts a limit.
    Verb REMOVE_LIMIT "remove_limit" (RemoveLimitRequest) -> RemoveLimitReply;
    /// The limits that meet a tenant's calls, for those who make them.
    Verb TENANT_LIMITS "tenant_limits" (TenantLimitsRequest) -> TenantLimitsReply;
    /// Amounts to spend from.
    Verb LEASE "lease" (LeaseRequest) -> LeaseReply;
    /// Calls that are over.
    Verb RECORD "record" (RecordCallsRequest) -> RecordCallsReply;
    /// Frees what earlier lives of a holder held.
    Verb RETIRE "retire" (RetireHoldersRequest) -> RetireHoldersReply;
    /// How models do.
    Verb STATS "stats" (ModelStatsRequest) -> ModelStatsReply;
    /// A decision, made again from its record.
    Verb DECISION "decision" (ReplayDecisionRequest) -> ReplayDecisionReply;
    /// How the catalogue stands.
    Verb CATALOGUE "catalogue" (CatalogueRequest) -> CatalogueReply;
    /// The secrets of providers, without their values.
    Verb SECRETS "secrets" (ListSecretsRequest) -> ListSecretsReply;
    /// Sets a secret.
    Verb SET_SECRET "set_secret" (SetSecretRequest) -> SetSecretReply;
    /// Removes a secret.
    Verb REMOVE_SECRET "remove_secret" (RemoveSecretRequest) -> RemoveSecretReply;
    /// Seals secrets with the present key.
    Verb RESEAL_SECRETS "reseal_secrets" (ResealSecretsRequest) -> ResealSecretsReply;
});

calls!(inference {
    /// Runs a model.
    Verb INVOKE "invoke" (InferenceRequest) -> InferenceReply;
    /// Runs a model and streams its answer.
    StreamVerb STREAM "stream" (InferenceRequest) -> InferenceFrame;
    /// The models that are loaded.
    Verb MODELS "models" (ListLoadedModelsRequest) -> ListLoadedModelsReply;
});

calls!(retrieval {
    /// Adds or replaces a document.
    Verb INGEST "ingest" (IngestRequest) -> IngestReply;
    /// Searches a collection.
    Verb SEARCH "search" (SearchRequest) -> SearchReply;
    /// Lists the collections of a tenant.
    Verb COLLECTIONS "collections" (ListCollectionsRequest) -> ListCollectionsReply;
    /// Lists the documents of a collection.
    Verb DOCUMENTS "documents" (ListDocumentsRequest) -> ListDocumentsReply;
    /// Removes a document.
    Verb DELETE "delete" (DeleteDocumentRequest) -> DeleteDocumentReply;
});

calls!(audit {
    /// How an outcome came about.
    Verb EXPLAIN "explain" (ExplainRequest) -> ExplainReply;
    /// The proof of an outcome.
    Verb PROOF "proof" (ProofRequest) -> ProofReply;
    /// The newest signed checkpoint.
    Verb CHECKPOINT "checkpoint" (CheckpointRequest) -> CheckpointReply;
    /// The records of a tenant.
    Verb EXPORT "export" (ExportRequest) -> ExportReply;
});

/// Calls of workers outside, answered by the kernel. `proto/WORKERS.md` is their contract.
pub mod worker {
    use crate::TenantVerb;
    use orrery_proto::v1::*;

    /// Where the tenant stands in the subjects.
    const TENANT: usize = 3;

    /// Where the announcements of a task queue are pulled from.
    pub const OPEN: TenantVerb<OpenWorkRequest, OpenWorkReply> =
        TenantVerb::new("work_open", "orrery.v1.worker.*.open", TENANT);
    /// Takes the step whose turn it is.
    pub const LEASE: TenantVerb<LeaseWorkRequest, LeaseWorkReply> =
        TenantVerb::new("work_lease", "orrery.v1.worker.*.lease", TENANT);
    /// A sign of life.
    pub const HEARTBEAT: TenantVerb<HeartbeatWorkRequest, HeartbeatWorkReply> =
        TenantVerb::new("work_heartbeat", "orrery.v1.worker.*.heartbeat", TENANT);
    /// A part of an input that is too long for a message.
    pub const FETCH: TenantVerb<FetchWorkRequest, FetchWorkReply> =
        TenantVerb::new("work_fetch", "orrery.v1.worker.*.fetch", TENANT);
    /// A part of a result that is too long for a message.
    pub const STORE: TenantVerb<StoreWorkRequest, StoreWorkReply> =
        TenantVerb::new("work_store", "orrery.v1.worker.*.store", TENANT);
    /// The result.
    pub const COMPLETE: TenantVerb<CompleteWorkRequest, CompleteWorkReply> =
        TenantVerb::new("work_complete", "orrery.v1.worker.*.complete", TENANT);
    /// Why there is none.
    pub const FAIL: TenantVerb<FailWorkRequest, FailWorkReply> =
        TenantVerb::new("work_fail", "orrery.v1.worker.*.fail", TENANT);
}

/// The health call of the service by that name.
pub fn health(service: &str) -> Option<crate::Verb<orrery_proto::v1::HealthRequest, orrery_proto::v1::HealthReport>> {
    match service {
        "gateway" => Some(gateway::HEALTH),
        "kernel" => Some(kernel::HEALTH),
        "router" => Some(router::HEALTH),
        "inference" => Some(inference::HEALTH),
        "retrieval" => Some(retrieval::HEALTH),
        "audit" => Some(audit::HEALTH),
        _ => None,
    }
}
