//! Business time: nights, weekends, holidays, breaks and the clocks' changes.

use jiff::Timestamp;
use orrery_types::UnixMillis;
use serde_json::{Value, json};

use crate::domain::review::calendar::{Amount, Calendar};

fn at(text: &str) -> UnixMillis {
    let timestamp: Timestamp = text.parse().unwrap();
    UnixMillis(timestamp.as_millisecond().try_into().unwrap())
}

fn office() -> Value {
    json!({"time_zone": "Europe/Berlin", "hours": {"from": "09:00", "to": "17:00"}, "holidays": ["2026-12-25"]})
}

/// All days, from one to four at night: what a change of the clocks falls into.
fn nights() -> Value {
    json!({
        "time_zone": "Europe/Berlin", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "hours": {"from": "01:00", "to": "04:00"},
    })
}

fn with_break() -> Value {
    json!({
        "time_zone": "UTC", "hours": [{"from": "13:00", "to": "24:00"}, {"from": "08:00", "to": "12:00"}],
    })
}

#[test]
fn business_time_passes_in_open_hours_only() {
    let table = [
        // Calendar, from, business time, then; Berlin is one hour ahead of UTC in winter, two in summer.
        (office(), "2026-01-05T10:00:00+01:00", "PT4H", "2026-01-05T14:00:00+01:00"),
        (office(), "2026-01-05T09:00:00+01:00", "PT8H", "2026-01-05T17:00:00+01:00"),
        (office(), "2026-01-05T15:00:00+01:00", "PT4H", "2026-01-06T11:00:00+01:00"),
        (office(), "2026-01-09T15:00:00+01:00", "PT4H", "2026-01-12T11:00:00+01:00"),
        (office(), "2026-01-10T12:00:00+01:00", "PT1H", "2026-01-12T10:00:00+01:00"),
        (office(), "2026-01-05T03:00:00+01:00", "PT0S", "2026-01-05T09:00:00+01:00"),
        (office(), "2026-01-05T17:00:00+01:00", "PT1S", "2026-01-06T09:00:01+01:00"),
        (office(), "2026-01-05T10:00:00+01:00", "PT40H", "2026-01-12T10:00:00+01:00"),
        (office(), "2026-01-09T16:00:00+01:00", "P1D", "2026-01-12T16:00:00+01:00"),
        (office(), "2026-01-09T16:00:00+01:00", "P1DT2H", "2026-01-13T10:00:00+01:00"),
        // The day after Christmas Eve is a holiday, then comes a weekend.
        (office(), "2026-12-24T16:00:00+01:00", "PT2H", "2026-12-28T10:00:00+01:00"),
        (office(), "2026-12-24T12:00:00+01:00", "P1D", "2026-12-28T12:00:00+01:00"),
        // Summer begins on a Sunday: Monday's nine o'clock is an hour earlier in UTC.
        (office(), "2026-03-27T16:00:00+01:00", "PT2H", "2026-03-30T10:00:00+02:00"),
        (office(), "2026-10-23T16:00:00+02:00", "PT2H", "2026-10-26T10:00:00+01:00"),
        // One to four is two hours long when two o'clock is skipped, four when it comes twice.
        (nights(), "2026-03-29T01:00:00+01:00", "PT2H", "2026-03-29T04:00:00+02:00"),
        (nights(), "2026-03-29T01:00:00+01:00", "PT3H", "2026-03-30T02:00:00+02:00"),
        (nights(), "2026-10-25T01:00:00+02:00", "PT3H", "2026-10-25T03:00:00+01:00"),
        (nights(), "2026-10-25T01:00:00+02:00", "PT4H", "2026-10-25T04:00:00+01:00"),
        // A break, and hours that end at midnight.
        (with_break(), "2026-01-05T11:00:00Z", "PT2H", "2026-01-05T14:00:00Z"),
        (with_break(), "2026-01-05T23:00:00Z", "PT2H", "2026-01-06T09:00:00Z"),
    ];
    for (calendar, from, amount, then) in table {
        let calendar = Calendar::parse(&calendar).unwrap();
        let found = calendar.after(at(from), Amount::parse(&json!(amount)).unwrap()).unwrap();
        assert_eq!(found.to_string(), at(then).to_string(), "{amount} after {from}");
    }
}

#[test]
fn business_time_before_a_moment_mirrors_business_time_after_it() {
    let table = [
        (office(), "2026-01-05T14:00:00+01:00", "PT4H", "2026-01-05T10:00:00+01:00"),
        (office(), "2026-01-12T11:00:00+01:00", "PT4H", "2026-01-09T15:00:00+01:00"),
        (office(), "2026-01-11T12:00:00+01:00", "PT1H", "2026-01-09T16:00:00+01:00"),
        (office(), "2026-12-28T12:00:00+01:00", "P1D", "2026-12-24T12:00:00+01:00"),
        (nights(), "2026-03-29T04:00:00+02:00", "PT2H", "2026-03-29T01:00:00+01:00"),
        (with_break(), "2026-01-05T14:00:00Z", "PT2H", "2026-01-05T11:00:00Z"),
    ];
    for (calendar, until, amount, then) in table {
        let calendar = Calendar::parse(&calendar).unwrap();
        let found = calendar.before(at(until), Amount::parse(&json!(amount)).unwrap()).unwrap();
        assert_eq!(found.to_string(), at(then).to_string(), "{amount} before {until}");
    }
}

#[test]
fn calendars_that_cannot_be_are_refused_with_the_reason() {
    let zone = "Europe/Berlin";
    for (bad, reason) in [
        (json!({}), "time_zone"),
        (json!({"time_zone": "Mars/Olympus"}), "no time zone"),
        (json!({"time_zone": zone, "days": ["someday"]}), "no day of the week"),
        (json!({"time_zone": zone, "days": []}), "needs a day"),
        (json!({"time_zone": zone, "hours": []}), "intervals"),
        (json!({"time_zone": zone, "hours": {"from": "17:00", "to": "09:00"}}), "before they begin"),
        (json!({"time_zone": zone, "hours": {"from": "nine", "to": "17:00"}}), "no time of day"),
        (
            json!({"time_zone": zone, "hours": [{"from": "08:00", "to": "12:00"}, {"from": "11:00", "to": "13:00"}]}),
            "overlap",
        ),
        (json!({"time_zone": zone, "holidays": ["2026-02-30"]}), "date is not valid"),
        (json!({"time_zone": zone, "lunch": true}), "lunch"),
    ] {
        let error = Calendar::parse(&bad).unwrap_err();
        assert!(error.contains(reason), "{bad}: {error}");
    }
    for bad in [json!("P1W"), json!("P1M"), json!("-PT1H"), json!("soon"), json!(5), json!({"weeks": 1})] {
        assert!(Amount::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_year_of_holidays_ends_and_the_end_of_time_is_an_error() {
    let never: Vec<String> = (1..=28).map(|day| format!("2026-02-{day:02}")).collect();
    let calendar = Calendar::parse(&json!({"time_zone": "UTC", "holidays": never})).unwrap();
    let found = calendar.after(at("2026-02-02T09:00:00Z"), Amount::parse(&json!("PT1H")).unwrap()).unwrap();
    assert_eq!(found.to_string(), "2026-03-02T10:00:00.000Z");
    let hour = Amount::parse(&json!({"hours": 1})).unwrap();
    assert!(calendar.after(at("9999-12-30T20:00:00Z"), hour).is_err());
    assert!(calendar.after(UnixMillis(u64::MAX), hour).is_err());
    let long = Amount::parse(&json!("PT90000H")).unwrap();
    assert!(calendar.after(at("2026-02-02T09:00:00Z"), long).is_err(), "more open hours than ten years hold");
}
