//! The windows of time over which limits count. In UTC; a week begins on Monday. Every window is part of its account's key,
//! so that a new one begins at nothing with no reset that could race.

use std::fmt;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Unit, Zoned};
use orrery_types::UnixMillis;

/// How long a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A minute of the clock.
    Minute,
    /// An hour of the clock.
    Hour,
    /// A calendar day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// For good.
    Total,
}

impl Period {
    /// All of them, shortest first.
    pub const ALL: [Self; 6] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Total];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.as_str() == text)
    }

    /// Beginning and end of the window in which a moment lies; the lifetime has no end and begins at 0.
    pub fn window(self, now: UnixMillis) -> (UnixMillis, Option<UnixMillis>) {
        const MINUTE: u64 = 60_000;
        let plain = |length: u64| {
            let start = now.0 - now.0 % length;
            (UnixMillis(start), Some(UnixMillis(start + length)))
        };
        match self {
            Self::Minute => plain(MINUTE),
            Self::Hour => plain(60 * MINUTE),
            Self::Day => plain(24 * 60 * MINUTE),
            Self::Week | Self::Month => self.calendar(now).unwrap_or((UnixMillis(0), None)),
            Self::Total => (UnixMillis(0), None),
        }
    }

    /// None for times that no calendar has.
    fn calendar(self, now: UnixMillis) -> Option<(UnixMillis, Option<UnixMillis>)> {
        let at = Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?.to_zoned(TimeZone::UTC);
        let day = at.round(jiff::ZonedRound::new().smallest(Unit::Day).mode(jiff::RoundMode::Trunc)).ok()?;
        let (start, length) = match self {
            Self::Week => {
                let back = i64::from(day.weekday().since(Weekday::Monday));
                (day.checked_sub(back.days()).ok()?, 7.days())
            }
            _ => (day.first_of_month().ok()?, 1.month()),
        };
        let millis = |at: &Zoned| u64::try_from(at.timestamp().as_millisecond()).ok().map(UnixMillis);
        Some((millis(&start)?, millis(&start.checked_add(length).ok()?)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn window(period: Period, at: &str) -> (String, String) {
        let at = UnixMillis(u64::try_from(at.parse::<Timestamp>().unwrap().as_millisecond()).unwrap());
        let (start, end) = period.window(at);
        (start.to_string(), end.map(|end| end.to_string()).unwrap_or_default())
    }

    #[test]
    fn windows_are_those_of_the_calendar() {
        let cases = [
            (Period::Minute, "2026-11-29T00:03:59.999Z", "2026-11-29T00:03:00.000Z", "2026-11-29T00:04:00.000Z"),
            (Period::Day, "2026-11-29T23:59:59.999Z", "2026-11-29T00:00:00.000Z", "2026-11-30T00:00:00.000Z"),
            (Period::Week, "2026-11-29T12:00:00Z", "2026-11-23T00:00:00.000Z", "2026-11-30T00:00:00.000Z"),
            (Period::Week, "2026-11-23T00:00:00Z", "2026-11-23T00:00:00.000Z", "2026-11-30T00:00:00.000Z"),
            (Period::Month, "2024-02-29T23:59:59Z", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            (Period::Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
        ];
        for (period, at, start, end) in cases {
            assert_eq!(window(period, at), (start.to_owned(), end.to_owned()), "{period} at {at}");
        }
        assert_eq!(Period::Total.window(UnixMillis(7)), (UnixMillis(0), None));
    }

    #[test]
    fn names_read_back() {
        for period in Period::ALL {
            assert_eq!(Period::parse(period.as_str()), Some(period));
        }
        assert_eq!(Period::parse("fortnight"), None);
    }
}
