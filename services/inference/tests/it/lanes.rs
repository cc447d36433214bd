//! A lane answers everything that it took in, whatever becomes of its thread.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_inference::domain::queue::{BatchLimits, QueueLimits};
use orrery_inference::lanes::{Backend, Lane, LaneActor, Ticket};
use orrery_supervise::{ActorSpec, Root, SupervisorSpec};
use orrery_testkit::eventually;
use orrery_types::UnixMillis;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Echoes; `panic` panics, `wait` waits until the test opens the gate.
struct Echo {
    gate: Semaphore,
    batches: Mutex<Vec<Vec<&'static str>>>,
}

impl Backend for Echo {
    type Request = &'static str;
    type Reply = &'static str;

    fn cost(&self, _request: &Self::Request) -> u64 {
        1
    }

    fn batch_limits(&self) -> BatchLimits {
        BatchLimits { requests_max: 2, cost_max: 10 }
    }

    fn queue_limits(&self) -> QueueLimits {
        QueueLimits { requests_max: 3, cost_max: 10 }
    }

    fn run(&self, batch: Vec<Ticket<&'static str, &'static str>>) {
        self.batches.lock().push(batch.iter().map(|ticket| ticket.request).collect());
        for ticket in batch {
            match ticket.request {
                "panic" => panic!("the backend was told to"),
                "wait" => futures::executor::block_on(self.gate.acquire()).unwrap().forget(),
                _ => {}
            }
            ticket.answer_with(|request, _cancelled| Ok(request));
        }
    }
}

async fn lane() -> (Root, Lane<Echo>, Arc<Echo>) {
    let echo = Arc::new(Echo { gate: Semaphore::new(0), batches: Mutex::default() });
    let shared = echo.clone();
    let spec = ActorSpec::new("echo", move || LaneActor::new("echo", shared.clone()));
    let lane = Lane::new(spec.handle());
    let root = Root::start(SupervisorSpec::new("models").child(spec)).await.unwrap();
    (root, lane, echo)
}

fn soon() -> UnixMillis {
    UnixMillis::now().saturating_add(Duration::from_secs(20))
}

async fn until_running(echo: &Echo, batches: usize) {
    eventually(|| async { (echo.batches.lock().len() >= batches).then_some(()) }).await.expect("the batch began");
}

#[actix::test]
async fn requests_that_wait_are_run_together_up_to_the_batch_limit() {
    let (_root, lane, echo) = lane().await;
    let submit = |request| lane.submit(request, 0, soon());
    let first = actix::spawn({
        let lane = lane.clone();
        async move { lane.submit("wait", 0, soon()).await }
    });
    until_running(&echo, 1).await;
    // Asked in this order, so that the fourth finds the queue full of the three before it.
    let (a, b, c, full) = tokio::join!(biased; submit("a"), submit("b"), submit("c"), async {
        let refused = submit("d").await;
        echo.gate.add_permits(1);
        refused
    });
    let full = full.unwrap_err();
    assert_eq!(full.code, ErrorCode::Overloaded);
    assert!(full.retry_after.is_some());
    assert_eq!(first.await.unwrap(), Ok("wait"));
    assert_eq!([a, b, c], [Ok("a"), Ok("b"), Ok("c")]);
    let batches = echo.batches.lock().clone();
    assert_eq!(batches, [vec!["wait"], vec!["a", "b"], vec!["c"]]);
}

#[actix::test]
async fn a_panic_is_told_to_its_caller_and_the_next_request_is_answered() {
    let (root, lane, _echo) = lane().await;
    let error = lane.submit("panic", 0, soon()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ModelFailed, "{error}");
    let answered = eventually(|| async { lane.submit("after", 0, soon()).await.ok() }).await;
    assert_eq!(answered, Some("after"));
    let tree = serde_json::to_string(&root.snapshot()).unwrap();
    assert!(tree.contains("\"restarts\":1"), "{tree}");
}

#[actix::test]
async fn what_expires_or_is_given_up_while_it_waits_is_never_run() {
    let (_root, lane, echo) = lane().await;
    let busy = actix::spawn({
        let lane = lane.clone();
        async move { lane.submit("wait", 0, soon()).await }
    });
    until_running(&echo, 1).await;
    let deadline = UnixMillis::now().saturating_add(Duration::from_millis(50));
    let late: Result<_, Error> = lane.submit("late", 0, deadline).await;
    assert_eq!(late.unwrap_err().code, ErrorCode::DeadlineExceeded);
    let given_up = tokio::time::timeout(Duration::from_millis(50), lane.submit("given up", 0, soon())).await;
    assert!(given_up.is_err());
    echo.gate.add_permits(1);
    assert_eq!(busy.await.unwrap(), Ok("wait"));
    assert_eq!(lane.submit("last", 0, soon()).await, Ok("last"));
    let run: Vec<_> = echo.batches.lock().iter().flatten().copied().collect();
    assert_eq!(run, ["wait", "last"]);
}

#[actix::test]
async fn who_gives_up_leaves_a_place_in_a_full_queue() {
    let (_root, lane, echo) = lane().await;
    let busy = actix::spawn({
        let lane = lane.clone();
        async move { lane.submit("wait", 0, soon()).await }
    });
    until_running(&echo, 1).await;
    // Each is asked with the first poll, so the fourth finds the queue full of the three before it.
    let mut waiting = ["a", "b", "c"].map(|request| Box::pin(lane.submit(request, 0, soon())));
    for request in &mut waiting {
        assert!(futures::poll!(request).is_pending());
    }
    let full = lane.submit("d", 0, soon()).await.unwrap_err();
    assert_eq!(full.code, ErrorCode::Overloaded);
    drop(waiting);
    let mut last = Box::pin(lane.submit("last", 0, soon()));
    assert!(futures::poll!(&mut last).is_pending());
    echo.gate.add_permits(1);
    assert_eq!(busy.await.unwrap(), Ok("wait"));
    assert_eq!(last.await, Ok("last"));
    let run: Vec<_> = echo.batches.lock().iter().flatten().copied().collect();
    assert_eq!(run, ["wait", "last"]);
}
