//! under `kill -9`: every record is in the log exactly once, and the log only ever grew.

use std::collections::BTreeSet;

use orrery_bus::subjects;
use orrery_proof::{Record, consistency};
use prost::Message as _;
use serde_json::json;

use crate::system::{System, wire};

const RECORDS: u64 = 600;

fn record(number: u64) -> Record {
    Record {
        id: format!("crash-{number}"),
        tenant: "acme".to_owned(),
        task_id: format!("task_{}", number / 10),
        service: "kernel".to_owned(),
        kind: "step.completed".to_owned(),
        at_ms: number,
        facts: json!({"pointer": "/do/0", "attempt": 1}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_survive_a_killed_service_once_each() {
    let mut system = System::start().await;
    let kernel = system.nats.connect("kernel").await.unwrap();
    let publishing = tokio::spawn(async move {
        for number in 0..RECORDS {
            let record = wire(&record(number));
            kernel.audit(&record).await.unwrap();
            // Every fifth comes a second time, under a message id that the stream does not recognise.
            if number % 5 == 0 {
                let again = format!("again-{number}");
                let subject = subjects::audit_record("kernel");
                kernel.publish_durable(subject, &again, record.encode_to_vec()).await.unwrap();
            }
        }
    });
    let mut checkpoints = Vec::new();
    for size in [50, 200, 400] {
        system.grown_to(size).await;
        system.audit.kill().unwrap();
        system.restart();
        checkpoints.push(system.checkpoint().await.0);
    }
    publishing.await.unwrap();
    checkpoints.push(system.grown_to(RECORDS + 1).await);

    let exported = system.export("acme", 500).await;
    let ids: BTreeSet<_> = exported.iter().map(|exported| exported.record.clone().unwrap().id).collect();
    assert_eq!((exported.len() as u64, ids.len() as u64), (RECORDS, RECORDS));
    let log = system.log().await;
    for pair in checkpoints.windows(2) {
        let path = log.consistency_path(pair[0].size, pair[1].size).await.unwrap();
        consistency::verify((pair[0].size, pair[0].root), (pair[1].size, pair[1].root), &path).unwrap();
    }
}
