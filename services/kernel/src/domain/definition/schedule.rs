//! `schedule`: when a workflow starts by itself. Pure: points in time come from outside.

use std::time::Duration;

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions};
use orrery_types::UnixMillis;
use serde_json::{Map, Value};

use super::build::{Builder, Scope};
use super::duration;
use super::listen::Consumption;

/// The shortest interval between two starts.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// How far back the last firing before a point in time is looked for, the nearest first.
const LOOK_BACK: [Duration; 4] = [
    Duration::from_secs(3_600),
    Duration::from_secs(26 * 3_600),
    Duration::from_secs(32 * 86_400),
    Duration::from_secs(4 * 366 * 86_400),
];

/// When a workflow starts by itself.
#[derive(Debug, Default)]
pub struct Schedule {
    /// At an interval, whatever became of the run before.
    pub every: Option<Duration>,
    /// At the times of a cron expression.
    pub cron: Option<Cron>,
    /// A time after the run before is over.
    pub after: Option<Duration>,
    /// When events come.
    pub on: Option<Consumption>,
}

/// A cron expression: minute, hour, day, month, weekday, and perhaps a time zone, else UTC.
#[derive(Debug)]
pub struct Cron(Crontab);

impl Cron {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let cron = Self(cronexpr::parse_crontab_with(text, options).map_err(|error| error.to_string())?);
        match cron.next(UnixMillis(0)) {
            Some(_) => Ok(cron),
            None => Err("it never fires".to_owned()),
        }
    }

    fn next(&self, after: UnixMillis) -> Option<UnixMillis> {
        let after = MakeTimestamp::from_millisecond(i64::try_from(after.0).ok()?).ok()?;
        let next = self.0.find_next(after).ok()?;
        u64::try_from(next.timestamp().as_millisecond()).ok().map(UnixMillis)
    }
}

impl Schedule {
    /// The next firing by the clock after a point in time; `anchor` is when the schedule began.
    pub fn next(&self, anchor: UnixMillis, after: UnixMillis) -> Option<UnixMillis> {
        let every = self.every.map(|every| {
            let every = ms(every);
            UnixMillis(anchor.0 + (after.0.saturating_sub(anchor.0) / every + 1) * every)
        });
        every.into_iter().chain(self.cron.as_ref().and_then(|cron| cron.next(after))).min()
    }

    /// The last firing that was due by now, given one that was: what was missed in between is not made up for.
    pub fn latest(&self, anchor: UnixMillis, due: UnixMillis, now: UnixMillis) -> UnixMillis {
        let starts = LOOK_BACK.iter().map(|back| UnixMillis(now.0.saturating_sub(ms(*back)).max(due.0)));
        let mut found = due;
        for start in starts {
            let mut at = start;
            while let Some(next) = self.next(anchor, at).filter(|next| *next <= now) {
                (at, found) = (next, next);
            }
            if found > due || start == due {
                break;
            }
        }
        found
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Builder<'_> {
    pub(super) fn schedule(&mut self, root: &Map<String, Value>, scope: &Scope) -> Option<Schedule> {
        let value = root.get("schedule")?;
        let clocks = ["every", "cron", "after"].into_iter().filter(|field| value.get(field).is_some()).count();
        if clocks > 1 || value.as_object().is_none_or(Map::is_empty) {
            self.problem(
                "/schedule",
                "a schedule has one of `every`, `cron` and `after`, or `on`, or `on` beside one of them",
            );
        }
        let cron = value.get("cron").and_then(Value::as_str).and_then(|text| match Cron::parse(text) {
            Ok(cron) => Some(cron),
            Err(reason) => {
                self.problem(
                    "/schedule/cron",
                    format!("{text:?} is not a cron expression such as `0 0 * * *`: {reason}"),
                );
                None
            }
        });
        Some(Schedule {
            every: self.interval("/schedule/every", value.get("every")),
            cron,
            after: self.interval("/schedule/after", value.get("after")),
            on: value.get("on").and_then(|on| self.consumption("/schedule/on", on, scope)),
        })
    }

    /// A duration that is known when the definition is deployed.
    fn interval(&mut self, at: &str, value: Option<&Value>) -> Option<Duration> {
        match duration::parse(value?) {
            Ok(interval) if interval >= INTERVAL_MIN => Some(interval),
            Ok(_) => {
                self.problem(at, format!("the shortest interval is {} ms", INTERVAL_MIN.as_millis()));
                None
            }
            Err(error) => {
                self.problem(at, error.to_string());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn intervals_count_from_their_beginning_and_only_the_last_missed_firing_is_made_up_for() {
        let schedule = Schedule { every: Some(Duration::from_secs(10)), ..Schedule::default() };
        let at = UnixMillis;
        assert_eq!(schedule.next(at(5_000), at(5_000)), Some(at(15_000)));
        assert_eq!(schedule.next(at(5_000), at(15_000)), Some(at(25_000)));
        assert_eq!(schedule.latest(at(5_000), at(15_000), at(99_999)), at(95_000));
        assert_eq!(schedule.latest(at(5_000), at(15_000), at(15_000)), at(15_000));
    }

    /// "'0 0 * * *' for daily at midnight".
    #[test]
    fn cron_expressions_are_read_in_utc_unless_they_name_a_zone() {
        let schedule = |text| Schedule { cron: Some(Cron::parse(text).unwrap()), ..Schedule::default() };
        let utc = schedule("0 0 * * *");
        assert_eq!(utc.next(UnixMillis(0), UnixMillis(1)), Some(UnixMillis(DAY)));
        assert_eq!(utc.latest(UnixMillis(0), UnixMillis(DAY), UnixMillis(900 * DAY + 5)), UnixMillis(900 * DAY));
        let berlin = schedule("0 0 * * * Europe/Berlin");
        assert_eq!(berlin.next(UnixMillis(0), UnixMillis(1)), Some(UnixMillis(DAY - 3_600_000)));
        for bad in ["", "never", "61 * * * *", "0 0 31 2 *", "* * * * * Mars/Base"] {
            assert!(Cron::parse(bad).is_err(), "{bad}");
        }
    }
}
