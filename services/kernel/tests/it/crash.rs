//! `kill -9` of the real process at chosen and at random moments. K-4: no model runs twice for one key, no key is replaced
//! by another, no review is asked twice, no timer fires early, and every task ends as if nothing had happened.

use std::time::{Duration, Instant};

use orrery_bus::{CallContext, verbs};
use orrery_proto::v1::{DecideReviewRequest, ReviewStatus, TaskStatus};
use orrery_testkit::{PostgresServer, eventually_within};
use serde_json::{Value, json};

use crate::system::{System, WITHIN, bob};

pub const WORK: &str = "do:
  - first: {call: orrery.generate, with: {messages: [{role: user, content: a}]}}
  - both:
      fork:
        branches:
          - left: {call: orrery.generate, with: {messages: [{role: user, content: l}]}}
          - right: {call: orrery.generate, with: {messages: [{role: user, content: r}]}}
  - pause: {wait: {milliseconds: 700}}
  - ask: {call: orrery.human, with: {title: Go on?, roles: [adjuster]}}
  - last: {call: orrery.generate, with: {messages: [{role: user, content: z}]}}
";

pub async fn decide(system: &System, review: &str) {
    let request = DecideReviewRequest {
        caller: Some(bob()),
        review_id: review.into(),
        decision: "approve".into(),
        reason: "fine".into(),
        edits_json: String::new(),
    };
    // The kernel may be down: whoever decides asks again until it is taken.
    let context = || CallContext::within(Duration::from_secs(2));
    let decided = || async { system.bus.call(verbs::kernel::DECIDE, &context(), &request).await.ok() };
    eventually_within(WITHIN, decided).await.expect("a decision");
}

pub async fn check(system: &System, task: &str) {
    let done = system.finished(task).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{}", done.error_json);
    let output: Value = serde_json::from_str(&done.output_json).unwrap();
    assert_eq!(output["text"], json!("answer to /do/4/last"));
    let keys: Vec<String> =
        ["/do/0/first", "/do/1/both/fork/branches/0/left", "/do/1/both/fork/branches/1/right", "/do/4/last"]
            .map(|pointer| format!("{task}{pointer}/0/1"))
            .to_vec();
    let runs = system.router.runs();
    let mine: Vec<&String> = runs.keys().filter(|key| key.starts_with(task)).collect();
    assert_eq!(mine.len(), keys.len(), "other keys were used: {mine:?}");
    for key in keys {
        assert_eq!(runs.get(&key), Some(&1), "the model behind {key}");
    }
    let reviews = system.reviews(bob(), task).await.unwrap();
    assert_eq!(reviews.len(), 1, "the review was asked more than once");
    assert_eq!(reviews[0].status(), ReviewStatus::Decided);
    let history = system.history(task).await;
    let at = |kind: &str, pointer: &str| {
        let found = history.iter().find(|event| event.kind == kind && event.pointer == pointer);
        found.unwrap_or_else(|| panic!("no {kind} of {pointer}")).at_ms
    };
    let waited = at("step.completed", "/do/2/pause") - at("step.started", "/do/2/pause");
    assert!(waited >= 700, "the timer fired after {waited} ms");
    assert!(history.iter().enumerate().all(|(index, event)| event.seq == index as u64 + 1), "a gap in the history");
}

#[tokio::test]
async fn killed_at_each_kind_of_moment_the_task_still_ends_right() {
    let mut system = System::start().await;
    system.deploy("work", WORK).await.unwrap();
    system.router.set_delay(Duration::from_millis(300));
    let task = system.submit("work", "{}", "k").await.unwrap().id;
    // The moment after the start was acknowledged: the call may or may not be out.
    system.kill_kernel();
    system.start_kernel().await;
    // During a call.
    eventually_within(WITHIN, || async { (system.router.asked() > 0).then_some(()) }).await.expect("a call");
    system.kill_kernel();
    system.start_kernel().await;
    // After replies of the fork, before or in its commit.
    eventually_within(WITHIN, || async { (system.router.runs().len() >= 3).then_some(()) }).await.expect("the fork");
    system.kill_kernel();
    system.start_kernel().await;
    // While it waits for the timer or has just been woken, and while it waits for a person.
    system.kill_kernel();
    system.start_kernel().await;
    let review = system.review(&task).await;
    system.kill_kernel();
    system.start_kernel().await;
    decide(&system, &review.id).await;
    // Right after the decision was acknowledged.
    system.kill_kernel();
    system.start_kernel().await;
    check(&system, &task).await;
}

#[tokio::test]
async fn killed_at_random_moments_many_tasks_end_right() {
    let mut system = System::start().await;
    random_kills(&mut system, 6).await;
}

#[tokio::test]
async fn killed_at_random_moments_on_postgresql() {
    let postgres = PostgresServer::start().await.unwrap();
    let mut system = System::start_on(Some(postgres.url())).await;
    random_kills(&mut system, 3).await;
}

async fn random_kills(system: &mut System, kills: u32) {
    system.deploy("work", WORK).await.unwrap();
    system.router.set_delay(Duration::from_millis(80));
    let mut tasks = Vec::new();
    for index in 0..4 {
        tasks.push(system.submit("work", "{}", &format!("k{index}")).await.unwrap().id);
    }
    // Moments differ from run to run; the seed is printed so that a failure can be repeated.
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut chance = u64::from(seed) | 1;
    for _ in 0..kills {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let until = Instant::now() + Duration::from_millis((chance >> 33) % 500);
        // People go on deciding what they see in between.
        while Instant::now() < until {
            for task in &tasks {
                let open = system.reviews(bob(), task).await.unwrap_or_default();
                if let Some(review) = open.into_iter().find(|review| review.status() == ReviewStatus::Open) {
                    decide(system, &review.id).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        system.kill_kernel();
        system.start_kernel().await;
    }
    for task in &tasks {
        let review = system.review(task).await;
        if review.status() != ReviewStatus::Decided {
            decide(system, &review.id).await;
        }
        check(system, task).await;
    }
}
