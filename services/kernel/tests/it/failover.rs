//! Several kernels on one database. One that dies, or stops and comes back as a zombie, loses its partitions to the others
//! within seconds; nothing is lost and nothing is done twice.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::Subscriber;
use futures::StreamExt as _;
use futures::future::join_all;
use nix::sys::signal::Signal;
use orrery_bus::subjects;
use orrery_proto::v1::{ReviewStatus, TaskStatus};
use orrery_testkit::{PostgresServer, Process, eventually_within};

use crate::crash::{WORK, check, decide};
use crate::system::{System, WITHIN, bob};

/// Until when the partitions of a kernel that is gone must be with the others; twice that, on a machine that is busy with
/// other tests.
const MOVED: Duration = Duration::from_secs(10);

/// Runs in all partitions, so that whichever kernel is hit, some are its own.
const TASKS: usize = 24;
const NAP: &str = "do:\n  - nap: {wait: {milliseconds: 1500}}\n  - done: {set: {woken: true}}\n";

async fn cluster(kernels: usize) -> (PostgresServer, System, Vec<Process>) {
    let postgres = PostgresServer::start().await.unwrap();
    let system = System::start_on(Some(postgres.url())).await;
    let names: Vec<String> = (1..kernels).map(|index| format!("kernel-{index}")).collect();
    let others = join_all(names.iter().map(|name| system.joined_by(name))).await;
    (postgres, system, others)
}

async fn submit(system: &System, workflow: &str, prefix: &str) -> Vec<String> {
    let mut tasks = Vec::new();
    for index in 0..TASKS {
        let key = format!("{prefix}-{index}");
        // A kernel that was asked may just be going: the key makes asking again the same.
        let started = || async { system.submit(workflow, "{}", &key).await.ok() };
        tasks.push(eventually_within(WITHIN, started).await.expect("a start").id);
    }
    tasks
}

/// The ends of tasks from now on, as any system sees them that listens on the bus.
async fn ends(system: &System) -> Subscriber {
    let ends = system.bus.subscribe(subjects::event("acme", "task", "completed")).await.unwrap();
    system.bus.client().flush().await.unwrap();
    ends
}

/// Whether all of these tasks end in time.
async fn all_end(mut ends: Subscriber, tasks: &[String], within: Duration) -> bool {
    let mut left: BTreeSet<&String> = tasks.iter().collect();
    let all = async {
        while let Some(end) = ends.next().await {
            let event: serde_json::Value = serde_json::from_slice(&end.payload).unwrap();
            left.retain(|task| event["data"]["task_id"] != ***task);
            if left.is_empty() {
                return;
            }
        }
    };
    tokio::time::timeout(within, all).await.is_ok()
}

#[tokio::test]
async fn partitions_of_a_dead_or_stopped_kernel_move_and_the_zombie_is_fenced() {
    let (_postgres, mut system, others) = cluster(3).await;
    system.deploy("nap", NAP).await.unwrap();

    // kill -9: its timers fire elsewhere.
    let killed = ends(&system).await;
    let tasks = submit(&system, "nap", "kill").await;
    system.kill_kernel();
    assert!(all_end(killed, &tasks, MOVED).await, "timers of the dead kernel did not fire within {MOVED:?}");

    // A process that stops holds its connections, so only its silence tells.
    let stopped = ends(&system).await;
    let tasks = submit(&system, "nap", "stop").await;
    others[0].signal(Signal::SIGSTOP).unwrap();
    assert!(all_end(stopped, &tasks, MOVED).await, "timers of the stopped kernel did not fire within {MOVED:?}");
    others[0].signal(Signal::SIGCONT).unwrap();

    // Back as a zombie it learns that it owns nothing, and takes part again.
    let tasks = submit(&system, "nap", "zombie").await;
    for task in &tasks {
        let done = system.finished(task).await;
        assert_eq!(done.status(), TaskStatus::Completed);
        let history = system.history(task).await;
        assert!(history.iter().enumerate().all(|(index, event)| event.seq == index as u64 + 1), "{history:?}");
    }
}

#[tokio::test]
async fn chaos_among_three_kernels_loses_nothing_and_repeats_nothing() {
    let (_postgres, mut system, mut others) = cluster(3).await;
    system.deploy("work", WORK).await.unwrap();
    system.router.set_delay(Duration::from_millis(80));
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut chance = u64::from(seed) | 1;
    let mut draw = |below: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let mut tasks = Vec::new();
    for index in 0..6 {
        let started = || async { system.submit("work", "{}", &format!("c{index}")).await.ok() };
        tasks.push(eventually_within(WITHIN, started).await.expect("a start").id);
    }
    for round in 0..5 {
        let victim = usize::try_from(draw(2)).unwrap();
        match draw(3) {
            0 => {
                system.kill_kernel();
                system.launch();
            }
            1 => {
                others[victim].kill().unwrap();
                others[victim] = system.spawn(&format!("again-{round}"));
            }
            _ => {
                others[victim].signal(Signal::SIGSTOP).unwrap();
                tokio::time::sleep(Duration::from_millis(2_000 + draw(2_000))).await;
                others[victim].signal(Signal::SIGCONT).unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(draw(800))).await;
        for task in &tasks {
            let open = system.reviews(bob(), task).await.unwrap_or_default();
            if let Some(review) = open.into_iter().find(|review| review.status() == ReviewStatus::Open) {
                decide(&system, &review.id).await;
            }
        }
    }
    for task in &tasks {
        let review = system.review(task).await;
        if review.status() != ReviewStatus::Decided {
            decide(&system, &review.id).await;
        }
        check(&system, task).await;
    }
}
