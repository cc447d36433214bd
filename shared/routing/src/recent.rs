//! Calls of the last seconds, and how many of them were of one kind: failed, tried again, made twice.

use orrery_types::UnixMillis;
use serde::{Deserialize, Serialize};

/// Slots of a window: it moves in steps of a tenth.
const SLOTS: usize = 10;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    number: u64,
    calls: u32,
    marked: u32,
}

/// Counts over a sliding window. A plain value of fixed size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    slot_ms: u64,
    slots: [Slot; SLOTS],
}

impl Recent {
    /// Nothing yet; a window of this length, at least ten milliseconds.
    pub const fn over_ms(window_ms: u64) -> Self {
        let slot_ms = window_ms / SLOTS as u64;
        Self {
            slot_ms: if slot_ms == 0 { 1 } else { slot_ms },
            slots: [Slot { number: 0, calls: 0, marked: 0 }; SLOTS],
        }
    }

    /// Counts so many calls and marked ones.
    pub fn add(&mut self, calls: u32, marked: u32, now: UnixMillis) {
        let number = self.number(now);
        let place = usize::try_from(number % SLOTS as u64).unwrap_or(0);
        if let Some(slot) = self.slots.get_mut(place) {
            // Another number is of a round before, or of a clock that has been set back since.
            if slot.number != number {
                *slot = Slot { number, ..Slot::default() };
            }
            slot.calls = slot.calls.saturating_add(calls);
            slot.marked = slot.marked.saturating_add(marked);
        }
    }

    /// Calls and marked ones in the window that ends now.
    pub fn counts(&self, now: UnixMillis) -> (u64, u64) {
        let number = self.number(now);
        let inside = self.slots.iter().filter(|slot| slot.number <= number && number - slot.number < SLOTS as u64);
        inside.fold((0, 0), |(calls, marked), slot| (calls + u64::from(slot.calls), marked + u64::from(slot.marked)))
    }

    fn number(&self, now: UnixMillis) -> u64 {
        now.0 / self.slot_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut recent = Recent::over_ms(1_000);
        recent.add(1, 1, UnixMillis(10_000));
        recent.add(2, 0, UnixMillis(10_950));
        for (now, expected) in
            [(10_999, (3, 1)), (11_000, (2, 0)), (11_899, (2, 0)), (11_900, (0, 0)), (99_000, (0, 0))]
        {
            assert_eq!(recent.counts(UnixMillis(now)), expected, "{now}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_starts_anew() {
        let mut recent = Recent::over_ms(1_000);
        recent.add(5, 5, UnixMillis(1_000_000));
        assert_eq!(recent.counts(UnixMillis(500_000)), (0, 0));
        recent.add(1, 0, UnixMillis(500_000));
        assert_eq!(recent.counts(UnixMillis(500_000)), (1, 0));
    }
}
