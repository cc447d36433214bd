//! Spans end, quantiles are close to exact ones, and what two routers counted adds up.

use proptest::prelude::*;

use super::*;

const T0: u64 = 1_700_000_000_000 / 7_200_000 * 7_200_000; // the beginning of a step of every length

fn answered(latency_ms: u64) -> Sample<'static> {
    Sample { latency_ms: Some(latency_ms), ..Sample::default() }
}

fn summary(rolling: &Rolling, span: Span, now: u64) -> Summary {
    rolling.summary(span, UnixMillis(now)).unwrap()
}

#[test]
fn each_span_forgets_what_lies_before_it() {
    let mut rolling = Rolling::default();
    rolling.record(&answered(5), UnixMillis(T0));
    let calls = |now: u64| [Span::Minute, Span::Hour, Span::Day].map(|span| summary(&rolling, span, now).calls);
    let (minute, hour, day) = (60_000, 3_600_000, 86_400_000);
    for (after, expected) in [
        (0, [1, 1, 1]),
        (minute - 1, [1, 1, 1]),
        (minute, [0, 1, 1]),
        (hour - 1, [0, 1, 1]),
        (hour, [0, 0, 1]),
        (day - 1, [0, 0, 1]),
        (day, [0, 0, 0]),
    ] {
        assert_eq!(calls(T0 + after), expected, "{after} ms");
    }
}

#[test]
fn memory_is_bounded_over_any_time() {
    let mut rolling = Rolling::default();
    for step in 0..5_000u64 {
        rolling.record(&answered(step), UnixMillis(T0 + step * 60_000));
    }
    let slots = [&rolling.minute, &rolling.hour, &rolling.day].map(|ring| ring.slots.len() as u64);
    assert!(slots[0] <= 7 && slots[1] <= 13 && slots[2] <= 13, "{slots:?}");
    // A clock that was far ahead leaves nothing behind.
    rolling.record(&answered(1), UnixMillis(T0 * 2));
    rolling.record(&answered(1), UnixMillis(T0));
    rolling.record(&answered(1), UnixMillis(T0 + 7_200_000));
    assert_eq!(rolling.day.slots.len(), 2);
}

#[test]
fn everything_that_is_counted_is_told() {
    let mut rolling = Rolling::default();
    let sample = Sample {
        latency_ms: Some(1_100),
        ttft_ms: Some(100),
        output_tokens: 50,
        cost: Nanos::new(7).unwrap(),
        error: None,
    };
    (0..5).for_each(|_| rolling.record(&sample, UnixMillis(T0)));
    for kind in ["unavailable", "rate_limited", "unavailable"] {
        rolling.record(&Sample { error: Some(kind), ..Sample::default() }, UnixMillis(T0));
    }
    let told = summary(&rolling, Span::Minute, T0);
    assert_eq!((told.calls, told.failed(), told.errors["unavailable"]), (8, 3, 2));
    assert_eq!((told.spent.get(), told.output_tokens), (35, 250));
    let near = |found: Option<u64>, exact: u64| found.unwrap().abs_diff(exact) <= exact * 3 / 100 + 1;
    assert!(near(told.latency.p50_ms, 1_100) && near(told.ttft.p50_ms, 100) && near(told.tokens_per_second, 50));
    assert_eq!((told.latency.p95_ms, told.latency.p99_ms), (None, None), "five answers tell no tail");
    let statistics = rolling.model_statistics(UnixMillis(T0)).unwrap();
    assert_eq!((statistics.error_ppm, statistics.latency), (375_000, told.latency));
}

#[test]
fn a_quiet_minute_is_judged_by_its_hour() {
    let mut rolling = Rolling::default();
    (0..30).for_each(|_| rolling.record(&answered(1_000), UnixMillis(T0)));
    rolling.record(&answered(1), UnixMillis(T0 + 600_000));
    let hour = rolling.model_statistics(UnixMillis(T0 + 600_000)).unwrap();
    assert!(hour.latency.p50_ms.unwrap() > 900, "{hour:?}");
    (0..30).for_each(|_| rolling.record(&answered(1), UnixMillis(T0 + 600_000)));
    let minute = rolling.model_statistics(UnixMillis(T0 + 600_000)).unwrap();
    assert!(minute.latency.p50_ms.unwrap() < 10, "{minute:?}");
}

#[test]
fn many_kinds_of_errors_are_counted_together() {
    let mut rolling = Rolling::default();
    for kind in 0..100 {
        rolling.record(&Sample { error: Some(&format!("kind {kind}")), ..Sample::default() }, UnixMillis(T0));
    }
    let told = summary(&rolling, Span::Day, T0);
    assert_eq!((told.failed(), told.errors.len(), told.errors[OTHER_KINDS]), (100, ERROR_KINDS_MAX + 1, 84));
}

proptest! {
    /// However calls are spread over two routers, both together tell what one alone would have.
    #[test]
    fn routers_add_up(calls in prop::collection::vec((any::<bool>(), 1u64..60_000, 0u64..90_000), 1..400)) {
        let (mut one, mut a, mut b) = (Rolling::default(), Rolling::default(), Rolling::default());
        let mut now = T0;
        for (left, latency_ms, wait) in calls {
            now += wait;
            let sample = Sample { ttft_ms: Some(latency_ms / 2), output_tokens: 9, ..answered(latency_ms) };
            one.record(&sample, UnixMillis(now));
            if left { &mut a } else { &mut b }.record(&sample, UnixMillis(now));
        }
        let sent: Rolling = serde_json::from_str(&serde_json::to_string(&b).unwrap()).unwrap();
        prop_assert!(a.merge(&sent, UnixMillis(now)).is_ok());
        for span in [Span::Minute, Span::Hour, Span::Day] {
            prop_assert_eq!(summary(&a, span, now), summary(&one, span, now));
        }
    }
}
