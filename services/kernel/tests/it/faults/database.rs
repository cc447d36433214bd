//! The database is lost: by one kernel, or by all.

use orrery_testkit::Link;

use super::{Pair, WITHIN, check, published, submit};

#[tokio::test]
async fn a_kernel_that_loses_the_database_loses_its_partitions_and_comes_back() {
    let mut pair = Pair::start().await;
    pair.survives("no database", |pair| pair.database.set(Link::Refuse), |pair| pair.database.set(Link::Pass)).await;
    let silent = |pair: &Pair| pair.database.set(Link::Silent);
    // What was held back goes on its way: old statements of a kernel that is no longer the owner.
    pair.survives("silent database", silent, |pair| pair.database.set(Link::Pass)).await;
    // As when a firewall has forgotten the connections.
    let reset = |pair: &Pair| {
        pair.database.cut();
        pair.database.set(Link::Pass);
    };
    pair.survives("silent database, then reset", silent, reset).await;
}

#[tokio::test]
async fn connections_that_are_reset_under_load_harm_nothing() {
    let mut pair = Pair::start().await;
    let before = pair.owners.now();
    let mut tasks = Vec::new();
    for round in 0..8 {
        tasks.extend(submit(&pair.system, &format!("round {round}"), 3).await);
        pair.database.cut();
    }
    check(&pair.system, &tasks).await;
    // On a busy machine a kernel may be missed meanwhile; then it takes its share again.
    assert!(pair.owners.until(WITHIN, |owners| *owners == before).await.is_some(), "{:?}", pair.owners.now());
}

#[tokio::test]
async fn a_database_that_is_aborted_and_started_again_under_load_harms_nothing() {
    let mut pair = Pair::start().await;
    let mut tasks = Vec::new();
    for round in 0..2 {
        tasks.extend(submit(&pair.system, &format!("round {round}"), 8).await);
        pair.postgres.abort().await.unwrap();
        pair.postgres.restart().await.unwrap();
    }
    check(&pair.system, &tasks).await;
    published(&pair.system, tasks.len()).await;
}
