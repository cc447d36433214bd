//! What this process may spend of one account: amounts that it was granted, and what of them is set aside or on its way into
//! the ledger. Pure; the clock is handed in.

use std::time::{Duration, Instant};

/// An amount that nobody used for so long goes back.
const IDLE: Duration = Duration::from_secs(2);
/// What is leased ahead covers about this time of the present demand.
const AHEAD: Duration = Duration::from_secs(1);

/// One account as this process holds it. `free + set_aside + unrecorded` is what it answers for.
#[derive(Debug, Clone, Default)]
pub(super) struct Local {
    free: u64,
    set_aside: u64,
    unrecorded: u64,
    demand: Demand,
}

/// How fast an account is used, smoothed over a second.
#[derive(Debug, Clone, Default)]
struct Demand {
    since: Option<Instant>,
    amount: u64,
    last_second: u64,
}

impl Local {
    /// Sets an amount aside, if it is there.
    pub fn take(&mut self, amount: u64, now: Instant) -> bool {
        if self.free < amount {
            return false;
        }
        self.free -= amount;
        self.set_aside += amount;
        self.demand.note(amount, now);
        true
    }

    /// Gives an amount that was set aside back unused.
    pub fn untake(&mut self, amount: u64) {
        self.set_aside = self.set_aside.saturating_sub(amount);
        self.free += amount;
    }

    /// Of `reserved`, `used` was spent and the rest is free again. What was spent beyond it was never held.
    pub fn settle(&mut self, reserved: u64, used: u64) -> u64 {
        let leased = used.min(reserved);
        self.set_aside = self.set_aside.saturating_sub(reserved);
        self.free += reserved - leased;
        self.unrecorded += leased;
        leased
    }

    /// The ledger has it.
    pub fn recorded(&mut self, leased: u64) {
        self.unrecorded = self.unrecorded.saturating_sub(leased);
    }

    /// The router granted more.
    pub fn granted(&mut self, amount: u64) {
        self.free += amount;
    }

    /// What may be set aside.
    pub fn free(&self) -> u64 {
        self.free
    }

    /// What this process answers for.
    pub fn held(&self) -> u64 {
        self.free + self.set_aside + self.unrecorded
    }

    /// What to lease beyond what is needed now.
    pub fn ahead(&self) -> u64 {
        self.demand.amount.max(self.demand.last_second)
    }

    /// Lets go of what is free. Says whether there was anything.
    pub fn give_back(&mut self) -> bool {
        std::mem::take(&mut self.free) > 0
    }

    /// Whether what is free was not needed for a while.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.free > 0 && self.demand.since.is_none_or(|since| now.duration_since(since) >= IDLE)
    }

    /// Whether nothing is left of it here.
    pub fn is_empty(&self) -> bool {
        self.held() == 0
    }
}

impl Demand {
    fn note(&mut self, amount: u64, now: Instant) {
        match self.since {
            Some(since) if now.duration_since(since) < AHEAD => self.amount += amount,
            _ => {
                self.last_second = std::mem::replace(&mut self.amount, amount);
                self.since = Some(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_set_aside_is_spent_or_free_again() {
        let now = Instant::now();
        let mut local = Local::default();
        assert!(!local.take(1, now));
        local.granted(100);
        assert!(local.take(60, now) && !local.take(60, now));
        assert_eq!(local.settle(60, 10), 10);
        assert_eq!(local.held(), 100);
        assert!(local.take(90, now));
        local.untake(90);
        local.recorded(10);
        assert_eq!(local.held(), 90);
        assert!(local.give_back() && !local.give_back() && local.is_empty());
    }

    #[test]
    fn a_provider_that_charges_too_much_never_makes_the_lease_larger() {
        let mut local = Local::default();
        local.granted(10);
        assert!(local.take(10, Instant::now()));
        assert_eq!(local.settle(10, 25), 10);
        assert_eq!(local.held(), 10);
    }

    #[test]
    fn an_amount_goes_back_when_it_was_not_needed_for_a_while() {
        let now = Instant::now();
        let mut local = Local::default();
        local.granted(10);
        assert!(local.take(3, now));
        assert!(!local.is_idle(now + Duration::from_secs(1)));
        assert!(local.is_idle(now + IDLE));
        assert_eq!(local.ahead(), 3);
    }

    proptest! {
        /// L: what was granted is always free, set aside, unrecorded or recorded.
        #[test]
        fn nothing_is_lost_or_made(steps in proptest::collection::vec((0u8..4, 0u64..50), 0..60)) {
            let now = Instant::now();
            let (mut local, mut granted, mut recorded, mut under_way, mut unrecorded) = (Local::default(), 0, 0, vec![], vec![]);
            for (what, amount) in steps {
                match what {
                    0 => { local.granted(amount); granted += amount; }
                    1 => if local.take(amount, now) { under_way.push(amount); },
                    2 => if let Some(reserved) = under_way.pop() { unrecorded.push(local.settle(reserved, amount)); },
                    _ => if let Some(leased) = unrecorded.pop() { local.recorded(leased); recorded += leased; },
                }
                prop_assert_eq!(local.held() + recorded, granted);
            }
        }
    }
}
