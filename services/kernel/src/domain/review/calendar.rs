//! Business time: the hours of a week in which people work, in their own time zone, without holidays. What is due after
//! four hours on Friday at three is due on Monday.
//!
//! An interval of open hours is measured as it passes, so a night that daylight saving cuts short counts short. A whole day
//! is a working day: the same time of day on the next day that has open hours.

use std::collections::BTreeSet;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};
use orrery_types::UnixMillis;
use serde::Deserialize;
use serde_json::Value;

/// Days that are looked through for open hours: ten years.
const DAYS_MAX: usize = 3_660;
/// Holidays of one calendar.
const HOLIDAYS_MAX: usize = 1_000;
/// Intervals of one day.
const INTERVALS_MAX: usize = 8;

/// The hours in which people work.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    days: BTreeSet<i8>,
    /// In order; no end: midnight.
    hours: Vec<(Time, Option<Time>)>,
    holidays: BTreeSet<Date>,
}

/// Business time to pass: whole working days, then open hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    days: u32,
    ms: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    time_zone: String,
    days: Option<Vec<String>>,
    hours: Option<Hours>,
    #[serde(default)]
    holidays: Vec<Date>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Hours {
    One(Interval),
    Many(Vec<Interval>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Interval {
    from: String,
    to: String,
}

impl Calendar {
    /// From its description in a definition.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let spec = Spec::deserialize(value).map_err(|error| error.to_string())?;
        let zone = TimeZone::get(&spec.time_zone).map_err(|_| {
            format!("{:?} is no time zone of this machine: use a name such as Europe/Berlin", spec.time_zone)
        })?;
        let named = spec.days.unwrap_or_else(|| ["mon", "tue", "wed", "thu", "fri"].map(str::to_owned).to_vec());
        let days = named.iter().map(|name| weekday(name)).collect::<Result<BTreeSet<_>, _>>()?;
        let intervals = match spec.hours {
            None => vec![Interval { from: "09:00".to_owned(), to: "17:00".to_owned() }],
            Some(Hours::One(interval)) => vec![interval],
            Some(Hours::Many(intervals)) => intervals,
        };
        let mut hours = intervals.iter().map(Interval::parse).collect::<Result<Vec<_>, _>>()?;
        hours.sort();
        let overlap =
            hours.windows(2).any(|pair| matches!(pair, [(_, end), (next, _)] if end.is_none_or(|end| end > *next)));
        if days.is_empty() || hours.is_empty() || hours.len() > INTERVALS_MAX || overlap {
            return Err(format!(
                "a calendar needs a day, and 1 to {INTERVALS_MAX} intervals of hours that do not overlap"
            ));
        }
        if spec.holidays.len() > HOLIDAYS_MAX {
            return Err(format!("a calendar takes {HOLIDAYS_MAX} holidays at most"));
        }
        Ok(Self { zone, days, hours, holidays: spec.holidays.into_iter().collect() })
    }

    /// The point in time when so much business time has passed after `from`.
    pub fn after(&self, from: UnixMillis, amount: Amount) -> Result<UnixMillis, String> {
        let mut at = self.open_from(timestamp(from)?)?;
        for _ in 0..amount.days {
            at = self.same_time(at, 1)?;
        }
        let mut left = amount.ms;
        let mut date = self.date(at);
        for _ in 0..DAYS_MAX {
            for (open, close) in self.open_on(date)? {
                let open = open.max(at);
                let available = close.as_millisecond() - open.as_millisecond();
                if available >= left && available >= 0 {
                    return millis(open.as_millisecond() + left);
                }
                left -= available.max(0);
            }
            date = date.tomorrow().map_err(|error| error.to_string())?;
        }
        Err(never_open())
    }

    /// The point in time after which so much business time remains until `until`.
    pub fn before(&self, until: UnixMillis, amount: Amount) -> Result<UnixMillis, String> {
        let mut at = timestamp(until)?;
        for _ in 0..amount.days {
            at = self.same_time(at, -1)?;
        }
        let mut left = amount.ms;
        let mut date = self.date(at);
        for _ in 0..DAYS_MAX {
            for (open, close) in self.open_on(date)?.into_iter().rev() {
                let close = close.min(at);
                let available = close.as_millisecond() - open.as_millisecond();
                if available >= left && available >= 0 {
                    return millis(close.as_millisecond() - left);
                }
                left -= available.max(0);
            }
            date = date.yesterday().map_err(|error| error.to_string())?;
        }
        Err(never_open())
    }

    fn date(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    fn is_open_day(&self, date: Date) -> bool {
        self.days.contains(&date.weekday().to_monday_zero_offset()) && !self.holidays.contains(&date)
    }

    /// The open intervals of a day. A local time that a change of the clocks skips is the moment after the change.
    fn open_on(&self, date: Date) -> Result<Vec<(Timestamp, Timestamp)>, String> {
        if !self.is_open_day(date) {
            return Ok(Vec::new());
        }
        let moment = |date: Date, time: Time| {
            let zoned = date.to_datetime(time).to_zoned(self.zone.clone());
            zoned.map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
        };
        let interval = |(from, to): &(Time, Option<Time>)| {
            let close = match to {
                Some(to) => moment(date, *to)?,
                None => moment(date.tomorrow().map_err(|error| error.to_string())?, Time::midnight())?,
            };
            Ok((moment(date, *from)?, close))
        };
        self.hours.iter().map(interval).collect()
    }

    /// The first open moment at or after `at`.
    fn open_from(&self, at: Timestamp) -> Result<Timestamp, String> {
        let mut date = self.date(at);
        for _ in 0..DAYS_MAX {
            if let Some((open, _)) = self.open_on(date)?.into_iter().find(|(_, close)| *close > at) {
                return Ok(open.max(at));
            }
            date = date.tomorrow().map_err(|error| error.to_string())?;
        }
        Err(never_open())
    }

    /// The same time of day on the next open day, forwards (1) or backwards (-1).
    fn same_time(&self, at: Timestamp, step: i64) -> Result<Timestamp, String> {
        let time = at.to_zoned(self.zone.clone()).time();
        let mut date = self.date(at);
        for _ in 0..DAYS_MAX {
            date = date.checked_add(step.days()).map_err(|error| error.to_string())?;
            if self.is_open_day(date) {
                let zoned = date.to_datetime(time).to_zoned(self.zone.clone()).map_err(|error| error.to_string())?;
                return Ok(zoned.timestamp());
            }
        }
        Err(never_open())
    }
}

impl Interval {
    fn parse(&self) -> Result<(Time, Option<Time>), String> {
        let time = |text: &str| {
            let parsed: Result<Time, _> = text.parse();
            parsed.map_err(|_| format!("{text:?} is no time of day: write hours and minutes such as 09:00"))
        };
        let from = time(&self.from)?;
        let to = if self.to == "24:00" { None } else { Some(time(&self.to)?) };
        match to {
            Some(to) if to <= from => Err(format!("the hours end at {} before they begin at {}", self.to, self.from)),
            to => Ok((from, to)),
        }
    }
}

impl Amount {
    /// From an ISO 8601 duration or a mapping of units; weeks, months and years have no meaning in business time.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let unclear = || format!("{value} is no business time: write days, hours, minutes and seconds, such as P1DT4H");
        let (days, rest) = match value {
            Value::String(text) => {
                let span: Span = text.parse().map_err(|_| unclear())?;
                let days = u32::try_from(span.get_days()).map_err(|_| unclear())?;
                if span.get_years() != 0 || span.get_months() != 0 || span.get_weeks() != 0 {
                    return Err(unclear());
                }
                let ms = span.days(0).total(jiff::Unit::Millisecond).map_err(|_| unclear())?;
                (days, ms as i64)
            }
            Value::Object(units) => {
                let mut clock = units.clone();
                let days = clock.remove("days").map_or(Some(0), |days| days.as_u64()).ok_or_else(unclear)?;
                let ms = match clock.is_empty() {
                    true => 0,
                    false => crate::domain::definition::duration::parse(&Value::Object(clock))
                        .map_err(|error| error.to_string())?
                        .as_millis(),
                };
                (u32::try_from(days).map_err(|_| unclear())?, i64::try_from(ms).map_err(|_| unclear())?)
            }
            _ => return Err(unclear()),
        };
        match rest >= 0 && usize::try_from(days).is_ok_and(|days| days <= DAYS_MAX) {
            true => Ok(Self { days, ms: rest }),
            false => Err(unclear()),
        }
    }
}

fn weekday(name: &str) -> Result<i8, String> {
    let day = match name.to_lowercase().get(..3) {
        Some("mon") => Weekday::Monday,
        Some("tue") => Weekday::Tuesday,
        Some("wed") => Weekday::Wednesday,
        Some("thu") => Weekday::Thursday,
        Some("fri") => Weekday::Friday,
        Some("sat") => Weekday::Saturday,
        Some("sun") => Weekday::Sunday,
        _ => return Err(format!("{name:?} is no day of the week: write mon, tue, wed, thu, fri, sat or sun")),
    };
    Ok(day.to_monday_zero_offset())
}

fn timestamp(at: UnixMillis) -> Result<Timestamp, String> {
    let ms = i64::try_from(at.0).map_err(|error| error.to_string())?;
    Timestamp::from_millisecond(ms).map_err(|error| error.to_string())
}

fn millis(ms: i64) -> Result<UnixMillis, String> {
    u64::try_from(ms).map(UnixMillis).map_err(|error| error.to_string())
}

fn never_open() -> String {
    "the calendar has no open hours for ten years".to_owned()
}
