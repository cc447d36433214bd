//! The calendar month, in UTC, that a budget covers.

use std::fmt;

use orrery_types::UnixMillis;

const DAY_MS: u64 = 86_400_000;

/// One month. Part of every budget key, so that a new month starts at nothing with no reset that could race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    year: u64,
    month: u64,
}

impl Window {
    /// The month in which a moment lies.
    pub fn at(now: UnixMillis) -> Self {
        // Howard Hinnant's civil_from_days, https://howardhinnant.github.io/date_algorithms.html, for days from 1970 on.
        let days = now.0 / DAY_MS + 719_468;
        let day_of_era = days % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + days / 146_097 * 400 + u64::from(month <= 2);
        Self { year, month }
    }
}

impl fmt::Display for Window {
    /// As `2026-11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_change_at_midnight_utc() {
        let cases = [
            (0, "1970-01"),
            (951_782_399_999, "2000-02"), // 28 February 2000, last millisecond
            (951_868_799_999, "2000-02"), // 29 February 2000, last millisecond
            (951_868_800_000, "2000-03"),
            (1_796_083_199_999, "2026-11"),
            (1_796_083_200_000, "2026-12"),
            (1_798_761_599_999, "2026-12"),
            (1_798_761_600_000, "2027-01"),
        ];
        for (ms, month) in cases {
            assert_eq!(Window::at(UnixMillis(ms)).to_string(), month, "{ms}");
        }
    }
}
