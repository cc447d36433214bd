//! Disks that are slow to sync, stall, or are full.

use std::time::{Duration, Instant};

use orrery_errors::{Error, ErrorCode};
use orrery_testkit::{Disk, PostgresServer, Process, eventually_within};

use super::{FLOW, Pair, check, submit};
use crate::system::{System, WITHIN};

const SLOW: Duration = Duration::from_millis(300);
/// Longer than a process may be silent before its partitions are taken.
const STALL: Duration = Duration::from_secs(4);

/// Runs on a disk that is slow and stalls, and on one that is well again.
async fn through_stalls(system: &System, disk: &Disk) {
    disk.sync_takes(SLOW).unwrap();
    let mut tasks = submit(system, "slow", 4).await;
    disk.sync_takes(STALL).unwrap();
    // The first commit meets the stall; it is acknowledged when the disk has it.
    let stalled = async { submit(system, "stalled", 2).await };
    let end = async {
        tokio::time::sleep(SLOW).await;
        disk.mend().unwrap();
    };
    let (more, ()) = tokio::join!(stalled, end);
    tasks.extend(more);
    check(system, &tasks).await;
    let since = Instant::now();
    let tasks = submit(system, "well", 1).await;
    check(system, &tasks).await;
    println!("a run on the disk that is well again took {:?}", since.elapsed());
}

#[tokio::test]
async fn a_slow_disk_under_postgresql_moves_no_partition() {
    let postgres = PostgresServer::start_on(Disk::new().unwrap()).await.unwrap();
    let mut pair = Pair::start_on(postgres).await;
    let before = (pair.owners.now(), pair.owners.epochs());
    through_stalls(&pair.system, pair.postgres.disk().unwrap()).await;
    assert_eq!(
        (pair.owners.now(), pair.owners.epochs()),
        before,
        "nothing was taken from or taken up again by anybody"
    );
}

async fn on_sqlite(disk: &Disk) -> (System, Process) {
    let system = System::without_kernel(None, "").await;
    let mut command = system.command();
    disk.of(&mut command);
    let kernel = system.run("kernel", command);
    system.ready().await;
    system.deploy("flow", FLOW).await.unwrap();
    (system, kernel)
}

#[tokio::test]
async fn a_slow_disk_under_sqlite_takes_nothing_from_the_kernel() {
    let disk = Disk::new().unwrap();
    let (system, kernel) = on_sqlite(&disk).await;
    through_stalls(&system, &disk).await;
    assert!(!kernel.log().contains("let go"), "{}", kernel.log());
    assert_eq!(kernel.log().matches("taken up").count(), 64, "nothing was taken up again");
}

/// What somebody who submits is told while there is no room.
fn is_told(error: &Error) {
    assert_eq!(error.code, ErrorCode::Unavailable, "{error:?}");
    assert!(error.retry_after.is_some(), "{error:?}");
    assert!(error.message.contains("make room"), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_under_sqlite_is_told_and_survived() {
    let disk = Disk::new().unwrap();
    let (system, mut kernel) = on_sqlite(&disk).await;
    system.router.set_delay(Duration::from_millis(50));
    // Under way when the room ends, and acknowledged.
    let mut tasks = submit(&system, "before", 4).await;
    disk.fill(&system.database_path()).unwrap();
    for index in 0..3 {
        is_told(&system.submit("flow", "{}", &format!("full-{index}")).await.unwrap_err());
    }
    disk.mend().unwrap();
    tasks.extend(submit(&system, "full", 3).await);
    check(&system, &tasks).await;
    assert!(kernel.is_running(), "it went on by itself");
    // What was acknowledged is on the disk.
    tasks.extend(submit(&system, "durable", 3).await);
    kernel.kill().unwrap();
    let _again = system.spawn("again");
    check(&system, &tasks).await;
}

#[tokio::test]
async fn a_full_disk_under_postgresql_is_told_and_survived() {
    let postgres = PostgresServer::start_on(Disk::new().unwrap()).await.unwrap();
    let system = System::start_on(Some(postgres.url())).await;
    system.deploy("flow", FLOW).await.unwrap();
    let mut tasks = submit(&system, "before", 2).await;
    let disk = postgres.disk().unwrap();
    disk.fill(&postgres.tables()).unwrap();
    // Until the tables have to grow.
    let large = serde_json::json!({"text": "0123456789abcdef".repeat(2_000)}).to_string();
    let mut taken = Vec::new();
    let refused = loop {
        match system.submit("flow", &large, &format!("full-{}", taken.len())).await {
            Ok(task) => taken.push(task.id),
            Err(error) => break error,
        }
        assert!(taken.len() < 1_000, "the disk is not full");
    };
    is_told(&refused);
    disk.mend().unwrap();
    tasks.extend(taken);
    let next = format!("full-{}", tasks.len() - 2);
    let again = || async { system.submit("flow", &large, &next).await.ok() };
    tasks.push(eventually_within(WITHIN, again).await.expect("a start").id);
    check(&system, &tasks).await;
}
