//! Who may publish and listen where. NATS enforces it: each service connects as its own user with only these subjects.

use crate::subjects::{
    self, BUCKET_BLOBS, BUCKET_LEASES, BUCKET_SNAPSHOTS, KERNEL_MEMBERS, SERVICES, STREAM_AUDIT, STREAM_EVENTS,
};

/// User that creates streams and buckets, and reads the health of all.
pub const OPERATOR: &str = "operator";

/// Of the users of tenants.
pub(crate) const TENANT_PREFIX: &str = "tenant-";
/// What the platform itself publishes events about.
const PLATFORM_ENTITIES: [&str; 9] =
    ["task", "step", "review", "workflow", "tenant", "signal", "compensation", "batch", "budget"];

/// Subjects that a NATS user may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Where it may publish.
    pub publish: Vec<String>,
    /// Where it may not, although `publish` says so.
    pub publish_denied: Vec<String>,
    /// Where it may listen.
    pub subscribe: Vec<String>,
}

/// Which services each service calls.
fn calls(service: &str) -> &'static [&'static str] {
    match service {
        "gateway" => &["kernel", "router", "retrieval", "audit", "inference"],
        "kernel" => &["router", "retrieval"],
        "router" | "retrieval" => &["inference"],
        _ => &[],
    }
}

/// The permissions of a service; `None` for a name that is none.
pub fn service(name: &str) -> Option<Permissions> {
    let name = *SERVICES.iter().find(|service| **service == name)?;
    let mut publish = vec![
        // Replies go to the inboxes of callers; only their owners can listen there.
        "_INBOX.>".to_owned(),
        format!("orrery.v1.health.{name}"),
        format!("orrery.v1.audit.records.{name}"),
        "$JS.API.INFO".to_owned(),
    ];
    for callee in calls(name) {
        publish.push(format!("orrery.v1.{callee}.>"));
        publish.push(format!("orrery.v1.cancel.{callee}.>"));
    }
    publish.extend(blob_subjects(name));
    let mut subscribe = vec![
        format!("_INBOX.{name}.>"),
        format!("orrery.v1.{name}.>"),
        format!("orrery.v1.cancel.{name}.*"),
        "$SRV.>".to_owned(),
    ];
    match name {
        "kernel" => {
            publish.push("orrery.v1.events.>".to_owned());
            publish.push("orrery.v1.work.>".to_owned());
            subscribe.push(subjects::worker_calls("*"));
            publish.push(format!("{KERNEL_MEMBERS}.*"));
        }
        "gateway" => {
            publish.push("orrery.v1.events.>".to_owned());
            // It asks all services how they are, itself included.
            publish.push("orrery.v1.gateway.health".to_owned());
            subscribe.push("orrery.v1.events.>".to_owned());
            subscribe.push("orrery.v1.health.*".to_owned());
            subscribe.push(subjects::BUDGET_NOTICES.to_owned());
            // It does the steps of batches of calls to models, for every tenant.
            publish.push(subjects::worker_calls("*"));
            // It reads the router's snapshots and never writes one.
            publish.extend(consumer_subjects(&format!("KV_{BUCKET_SNAPSHOTS}")));
            publish.push(format!("$JS.API.DIRECT.GET.KV_{BUCKET_SNAPSHOTS}"));
            publish.push(format!("$JS.API.DIRECT.GET.KV_{BUCKET_SNAPSHOTS}.>"));
        }
        "audit" => publish.extend(consumer_subjects(STREAM_AUDIT)),
        "router" => {
            publish.extend(key_value_subjects(BUCKET_SNAPSHOTS));
            publish.push(subjects::BUDGET_NOTICES.to_owned());
            publish.push("orrery.v1.events.>".to_owned());
            subscribe.push(subjects::BUDGET_NOTICES.to_owned());
        }
        _ => {}
    }
    if name == "kernel" {
        publish.extend(key_value_subjects(BUCKET_LEASES));
        publish.extend(consumer_subjects(STREAM_EVENTS));
    }
    Some(Permissions { publish, publish_denied: Vec::new(), subscribe })
}

/// The permissions of the operator's user.
pub fn operator() -> Permissions {
    Permissions {
        publish: vec!["$JS.API.>".to_owned(), "$SRV.>".to_owned(), "orrery.v1.*.health".to_owned()],
        publish_denied: Vec::new(),
        subscribe: vec![format!("_INBOX.{OPERATOR}.>"), "orrery.v1.health.*".to_owned(), "$SRV.>".to_owned()],
    }
}

/// The permissions of another system that acts for a tenant: its own events, its own task queues as a worker, and nothing
/// else. It may publish events for workflows to listen to, but none in the platform's name.
pub fn tenant(tenant: &str) -> Permissions {
    let user = tenant_user(tenant);
    let events = subjects::events_of(tenant);
    let stream = subjects::work_stream(tenant);
    Permissions {
        publish: vec![
            events.clone(),
            subjects::worker_calls(tenant),
            // Pulls and acknowledges. Consumers are made by the kernel: who may make one may have it deliver anywhere.
            format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.*"),
            format!("$JS.ACK.{stream}.>"),
        ],
        publish_denied: PLATFORM_ENTITIES.iter().map(|of| subjects::event(tenant, of, ">")).collect(),
        subscribe: vec![format!("_INBOX.{user}.>"), events],
    }
}

/// What the kernel may publish so that a tenant can have workers.
pub fn work_of(tenant: &str) -> Vec<String> {
    let stream = subjects::work_stream(tenant);
    vec![
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.>"),
        format!("$JS.API.CONSUMER.INFO.{stream}.*"),
    ]
}

/// NATS user of other systems of a tenant.
pub fn tenant_user(tenant: &str) -> String {
    format!("{TENANT_PREFIX}{tenant}")
}

fn consumer_subjects(stream: &str) -> Vec<String> {
    vec![
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.CONSUMER.*.{stream}.>"),
        format!("$JS.API.CONSUMER.*.{stream}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.>"),
        format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.>"),
        format!("$JS.ACK.{stream}.>"),
    ]
}

fn key_value_subjects(bucket: &str) -> Vec<String> {
    let mut subjects = consumer_subjects(&format!("KV_{bucket}"));
    subjects.push(format!("$KV.{bucket}.>"));
    subjects.push(format!("$JS.API.DIRECT.GET.KV_{bucket}"));
    subjects.push(format!("$JS.API.DIRECT.GET.KV_{bucket}.>"));
    subjects.push(format!("$JS.API.STREAM.MSG.GET.KV_{bucket}"));
    subjects
}

/// All read; only the gateway (uploads), the kernel (large results) and retrieval store.
fn blob_subjects(service: &str) -> Vec<String> {
    let mut subjects = consumer_subjects(&format!("OBJ_{BUCKET_BLOBS}"));
    subjects.push(format!("$JS.API.DIRECT.GET.OBJ_{BUCKET_BLOBS}"));
    subjects.push(format!("$JS.API.DIRECT.GET.OBJ_{BUCKET_BLOBS}.>"));
    subjects.push(format!("$JS.API.STREAM.MSG.GET.OBJ_{BUCKET_BLOBS}"));
    subjects.push(format!("$JS.FC.OBJ_{BUCKET_BLOBS}.>"));
    if matches!(service, "gateway" | "kernel" | "retrieval") {
        subjects.push(format!("$O.{BUCKET_BLOBS}.>"));
        subjects.push(format!("$JS.API.STREAM.PURGE.OBJ_{BUCKET_BLOBS}"));
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_worker_reaches_nothing_of_another_tenant_and_makes_no_consumer() {
        let given = tenant("acme");
        let of_acme = |subject: &String| subject.contains("acme");
        assert!(given.publish.iter().all(of_acme) && given.subscribe.iter().all(of_acme), "{given:?}");
        assert!(!given.publish.iter().any(|subject| subject.contains("CREATE") || subject.contains("DELETE")));
    }

    #[test]
    fn only_inference_has_nothing_to_call_but_everyone_can_answer() {
        for name in SERVICES {
            let permissions = service(name);
            assert!(permissions.is_some_and(|given| given.subscribe.contains(&format!("orrery.v1.{name}.>"))));
        }
        assert_eq!(service("intruder"), None);
    }
}
