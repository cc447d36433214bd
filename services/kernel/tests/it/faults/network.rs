//! The bus is lost: by one kernel, or by all.

use orrery_testkit::{Link, eventually_within};

use super::{FLOW, Pair, check, published, submit};
use crate::system::{System, WITHIN};

#[tokio::test]
async fn a_kernel_that_loses_the_bus_loses_its_partitions_and_comes_back() {
    let mut pair = Pair::start().await;
    pair.survives("no bus", |pair| pair.bus.set(Link::Refuse), |pair| pair.bus.set(Link::Pass)).await;
    pair.survives("silent bus", |pair| pair.bus.set(Link::Silent), |pair| pair.bus.set(Link::Pass)).await;
}

#[tokio::test]
async fn a_bus_server_that_is_killed_and_started_again_moves_no_partition() {
    let mut pair = Pair::start().await;
    let before = pair.owners.now();
    let tasks = submit(&pair.system, "before", 8).await;
    pair.system.nats.kill().unwrap();
    // Long enough for both to miss their beats.
    for kernel in &pair.processes {
        let missed = || async { kernel.log().contains("let go").then_some(()) };
        assert!(eventually_within(WITHIN, missed).await.is_some(), "{}", kernel.log());
    }
    pair.system.nats.restart().await.unwrap();
    check(&pair.system, &tasks).await;
    published(&pair.system, tasks.len()).await;
    assert_eq!(pair.owners.now(), before, "each has taken up its own again, and nobody another's");
}

#[tokio::test]
async fn what_a_bus_server_lost_with_its_disk_is_published_again() {
    let mut system = System::start().await;
    system.deploy("flow", FLOW).await.unwrap();
    let mut tasks = submit(&system, "kept", 3).await;
    check(&system, &tasks).await;
    published(&system, tasks.len()).await;
    system.nats.kill().unwrap();
    system.nats.remember().unwrap();
    system.nats.restart().await.unwrap();
    tasks.extend(submit(&system, "lost", 5).await);
    check(&system, &tasks).await;
    published(&system, tasks.len()).await;
    // What came after is not on its disk any more, although it was acknowledged.
    system.nats.kill().unwrap();
    system.nats.forget().unwrap();
    system.nats.restart().await.unwrap();
    published(&system, tasks.len()).await;
}
