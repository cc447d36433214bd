//! A wall clock that jumps.

use std::time::Duration;

use orrery_testkit::Clock;

use super::{FLOW, check, submit};
use crate::system::System;

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn timers_survive_a_clock_that_jumps_forth_and_back() {
    let clock = Clock::new().unwrap();
    let system = System::without_kernel(None, "").await;
    let mut command = system.command();
    clock.of(&mut command);
    let _kernel = system.run("kernel", command);
    system.ready().await;
    system.deploy("flow", FLOW).await.unwrap();
    system.deploy("long", "do:\n  - nap: {wait: {minutes: 50}}\n").await.unwrap();
    system.router.set_delay(Duration::from_millis(100));
    let long = system.submit("long", "{}", "").await.unwrap().id;
    let before = submit(&system, "before", 4).await;
    clock.shift(HOUR_MS).unwrap();
    // By the clock of the runs it is time; it is noticed within seconds, whatever the alarm was set to.
    check(&system, &before).await;
    system.finished(&long).await;
    let history = system.history(&long).await;
    assert!(history.last().unwrap().at_ms >= history[0].at_ms + 3_000_000, "early by its own clock: {history:?}");
    let during = submit(&system, "during", 4).await;
    check(&system, &during).await;
    clock.shift(0).unwrap();
    // An hour earlier, with timers held that were read an hour later.
    let after = submit(&system, "after", 4).await;
    check(&system, &after).await;
    clock.shift(-HOUR_MS).unwrap();
    let earlier = submit(&system, "earlier", 4).await;
    check(&system, &earlier).await;
}
