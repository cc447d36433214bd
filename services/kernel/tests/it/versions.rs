//! Which version of a workflow a start by name gets.

use orrery_testkit::PostgresServer;

use crate::system::System;

/// Deploys a version and starts the workflow by its name, until the version has this number.
async fn each_is_the_newest_at_once(system: &System, minors: std::ops::Range<u32>) {
    for minor in minors {
        let version = format!("1.{minor}.0");
        system.deploy_version("say", &version, "do:\n  - say: {set: {said: true}}\n").await.unwrap();
        for _ in 0..4 {
            for (reference, expected) in
                [("say", &version), ("say:latest", &version), ("say:1.0.0", &"1.0.0".to_owned())]
            {
                let task = system.submit(reference, "{}", "").await.unwrap();
                assert_eq!(task.workflow, format!("say:{expected}"), "{reference}");
            }
        }
    }
}

#[tokio::test]
async fn a_start_by_name_gets_what_was_just_deployed() {
    each_is_the_newest_at_once(&System::start().await, 0..8).await;
}

#[tokio::test]
async fn a_start_by_name_gets_what_was_just_deployed_by_another_kernel() {
    let postgres = PostgresServer::start().await.unwrap();
    let system = System::start_on(Some(postgres.url())).await;
    each_is_the_newest_at_once(&system, 0..3).await;
    let _other = system.joined_by("kernel-1").await;
    each_is_the_newest_at_once(&system, 3..12).await;
}
