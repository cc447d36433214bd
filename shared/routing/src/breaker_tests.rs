//! Tables for the breaker, and that neither a rest nor a pause is without end or without effect.

use proptest::prelude::*;

use super::*;

const T0: UnixMillis = UnixMillis(1_000_000);
const ANSWERED: Outcome = Outcome::Answered { latency_ms: 50 };

fn at(ms: u64) -> UnixMillis {
    UnixMillis(T0.0 + ms)
}

fn failed(times: u32) -> Breaker {
    (0..times).fold(Breaker::default(), |breaker, _| breaker.after(Outcome::Failed, T0))
}

fn pause(seconds: u64) -> Outcome {
    Outcome::PauseAsked { pause: Duration::from_secs(seconds) }
}

#[test]
fn opens_after_five_failures_in_a_row_and_probes_after_the_rest() {
    assert_eq!(failed(4).admission(T0), Admission::Open);
    assert_eq!(failed(5).admission(T0), Admission::Resting { until: at(2000) });
    assert_eq!(failed(5).admission(at(2000)), Admission::Probe);
}

#[test]
fn a_failed_probe_rests_longer_and_an_answer_closes() {
    let again = failed(5).after(Outcome::Failed, at(2000));
    assert_eq!(again.admission(at(2000)), Admission::Resting { until: at(6000) });
    let early = again.after(ANSWERED, at(5999));
    assert_eq!(early.admission(at(5999)), Admission::Resting { until: at(6000) }, "it was under way before");
    let healed = again.after(ANSWERED, at(6000));
    assert_eq!(healed.admission(at(6000)), Admission::Open);
    assert_eq!(healed.after(Outcome::Failed, at(6000)).admission(at(6000)), Admission::Open);
}

#[test]
fn opens_when_half_of_enough_calls_in_the_window_fail() {
    // An answer after every failure: never two in a row.
    let alternate = |pairs: u64, apart_ms: u64| {
        (0..pairs).fold(Breaker::default(), |breaker, pair| {
            breaker.after(ANSWERED, at(pair * apart_ms)).after(Outcome::Failed, at(pair * apart_ms))
        })
    };
    assert_eq!(alternate(9, 100).admission(at(900)), Admission::Open, "too few to judge");
    assert!(matches!(alternate(10, 100).admission(at(900)), Admission::Resting { .. }));
    assert_eq!(alternate(1000, 4_000).admission(at(4_000_000)), Admission::Open, "never enough at a time");
    let mostly_good = (0..1000).fold(Breaker::default(), |breaker, call| {
        breaker.after(if call % 3 == 0 { Outcome::Failed } else { ANSWERED }, at(call))
    });
    assert_eq!(mostly_good.admission(at(1000)), Admission::Open);
    let healed = alternate(10, 100).after(ANSWERED, at(10_000)).after(Outcome::Failed, at(10_001));
    assert_eq!(healed.admission(at(10_001)), Admission::Open, "it is judged anew after the rest");
}

#[test]
fn failures_of_calls_already_under_way_do_not_prolong_a_rest() {
    assert_eq!(failed(500), failed(5));
}

#[test]
fn the_rest_never_exceeds_a_minute_nor_the_cool_down_five() {
    let moment = |round: u64| at(round * 120_000);
    let worst = (0..20).fold(failed(5), |breaker, round| breaker.after(Outcome::Failed, moment(round)));
    assert_eq!(worst.admission(moment(19)), Admission::Resting { until: at(19 * 120_000 + 60_000) });
    let paused = Breaker::default().after(pause(1 << 40), T0);
    assert_eq!(paused.admission(T0), Admission::Cooling { until: at(300_000) });
}

#[test]
fn a_pause_is_no_failure_and_needs_no_probe() {
    let refused = (0..500).fold(Breaker::default(), |breaker, _| breaker.after(pause(7), T0));
    assert_eq!(refused.admission(T0), Admission::Cooling { until: at(7000) });
    assert_eq!(refused.admission(at(7000)), Admission::Open);
}

#[test]
fn a_pause_starts_whatever_else_ends_and_however_it_is_asked_for() {
    let paused = Breaker::default().after(pause(7), T0);
    for outcome in [ANSWERED, Outcome::Failed, pause(0), pause(1)] {
        let still = paused.after(outcome, at(1));
        assert_eq!(still.admission(at(6999)), Admission::Cooling { until: at(7000) }, "{outcome:?}");
    }
    let longer = paused.after(pause(9), at(1000));
    assert_eq!(longer.admission(at(1000)), Admission::Cooling { until: at(10_000) });
}

#[test]
fn a_pause_of_no_length_doubles_until_an_answer() {
    let mut breaker = Breaker::default();
    let mut now = 0;
    for expected in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        breaker = breaker.after(pause(0), at(now)).after(pause(0), at(now));
        assert_eq!(breaker.admission(at(now)), Admission::Cooling { until: at(now + expected) });
        now += expected;
    }
    let healed = breaker.after(ANSWERED, at(now)).after(pause(0), at(now));
    assert_eq!(healed.admission(at(now)), Admission::Cooling { until: at(now + 1_000) });
}

#[test]
fn a_rest_outlasts_a_pause_and_a_pause_a_rest() {
    let both = failed(5).after(pause(1), T0);
    assert_eq!(both.admission(at(1500)), Admission::Resting { until: at(2000) });
    let both = failed(5).after(pause(9), T0);
    assert_eq!(both.admission(at(2000)), Admission::Cooling { until: at(9000) });
    assert_eq!(both.admission(at(9000)), Admission::Probe);
}

#[test]
fn a_pause_does_not_follow_on_a_rest_when_the_clock_was_put_back() {
    let both = failed(5).after(pause(300), at(90_000));
    assert_eq!(both.admission(T0), Admission::Probe);
    assert_eq!(both.after(ANSWERED, T0).admission(T0), Admission::Open);
}

#[test]
fn latency_follows_the_newest_by_a_fifth() {
    let breaker = Breaker::default().after(Outcome::Answered { latency_ms: 100 }, T0);
    assert_eq!(breaker.after(Outcome::Answered { latency_ms: 200 }, T0).latency_ms(), Some(120));
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (0u64..5000).prop_map(|latency_ms| Outcome::Answered { latency_ms }),
        Just(Outcome::Failed),
        any::<u64>().prop_map(|ms| Outcome::PauseAsked { pause: Duration::from_millis(ms) }),
        Just(pause(0)),
    ]
}

proptest! {
    /// Whatever happened, in whatever order and whatever the clock did, five minutes later a call is let through, and
    /// its answer makes everything as before.
    #[test]
    fn it_always_ends(story in prop::collection::vec((outcomes(), 0u32..700_000), 0..60), now in 0u32..700_000) {
        let breaker = story.into_iter().fold(Breaker::default(), |breaker, (outcome, time)| {
            breaker.after(outcome, UnixMillis(u64::from(time)))
        });
        // The clock may be put back to any time.
        let now = UnixMillis(u64::from(now));
        let later = now.saturating_add(COOL_DOWN_MAX);
        let waits = matches!(breaker.admission(now), Admission::Resting { .. } | Admission::Cooling { .. });
        let lets_through = |now| matches!(breaker.admission(now), Admission::Open | Admission::Probe);
        if waits {
            prop_assert!(lets_through(later));
        }
        if lets_through(now) {
            prop_assert_eq!(breaker.after(ANSWERED, now).admission(now), Admission::Open);
        }
    }

    /// Whatever happened before, a pause that is asked for begins, and five failures in a row let it rest.
    #[test]
    fn it_always_starts(story in prop::collection::vec((outcomes(), 0u32..700_000), 0..60), now in 0u32..700_000) {
        let now = UnixMillis(u64::from(now));
        let breaker = story.into_iter().fold(Breaker::default(), |breaker, (outcome, time)| {
            breaker.after(outcome, UnixMillis(u64::from(time)))
        });
        let closed = |breaker: Breaker| !matches!(breaker.admission(now), Admission::Open | Admission::Probe);
        prop_assert!(closed(breaker.after(pause(0), now)));
        prop_assert!(closed(breaker.after(pause(30), now)));
        let failing = (0..5).fold(breaker, |breaker, _| breaker.after(Outcome::Failed, now));
        prop_assert!(closed(failing));
    }
}
