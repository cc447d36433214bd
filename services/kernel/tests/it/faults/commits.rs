//! Commits of which nobody learns whether they were made.

use std::time::Duration;

use orrery_config::env;
use orrery_testkit::{LostAnswers, PostgresServer, Proxy};

use super::{FLOW, check, published, submit};
use crate::system::System;

/// What marks the statement that fences and appends in one.
const APPEND: &str = "WITH owned";

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_made_once() {
    let postgres = PostgresServer::start().await.unwrap();
    let proxy = Proxy::to(postgres.port()).await.unwrap();
    let system = System::without_kernel(Some(postgres.url()), "").await;
    let mut command = system.command();
    command.env(env::DATABASE_URL, PostgresServer::url_at(proxy.port()));
    let _kernel = system.run("kernel", command);
    system.ready().await;
    system.deploy("flow", FLOW).await.unwrap();
    system.router.set_delay(Duration::from_millis(20));
    let mut tasks = Vec::new();
    // Each third, so that the commit that is made again often loses its answer as well.
    for (round, every) in [3, 2, 3, 5].into_iter().enumerate() {
        proxy.lose_answers(Some(LostAnswers { every, statement: APPEND }));
        tasks.extend(submit(&system, &format!("round {round}"), 8).await);
    }
    check(&system, &tasks).await;
    proxy.lose_answers(None);
    published(&system, tasks.len()).await;
    println!("{} answers to commits were lost", proxy.lost());
    assert!(proxy.lost() >= 30, "only {} answers were lost", proxy.lost());
}
