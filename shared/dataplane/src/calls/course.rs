//! What a call has tried, holds and has paid so far; recorded however it ends. Attempts that run at once share it.

use orrery_proto::v1::{Charge, ModelIdentity, Usage};
use orrery_routing::catalogue::Model;
use parking_lot::Mutex;

use crate::budget::{Amounts, Budgets, Hold};

/// Of one call. Locks are held for a moment only.
#[derive(Debug, Default)]
pub(super) struct Course(Mutex<Tally>);

/// What there is to record.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub attempts: u32,
    /// Who answered, or was asked last.
    pub model: String,
    pub provider: String,
    /// That a provider is about to be asked was written down.
    pub began: bool,
    /// Every model whose answer was paid for.
    pub models: Vec<ModelIdentity>,
    /// What all of them used and cost the caller.
    pub usage: Usage,
    pub charges: Vec<Charge>,
    /// What a copy cost beyond what its tenant pays.
    pub operator_nanos: u64,
    open: Vec<Open>,
    opened: u64,
    request_counted: bool,
}

/// An attempt under way, at the most that it can cost.
#[derive(Debug, Clone)]
struct Open {
    number: u64,
    cost_nanos: u64,
    charges: Vec<Charge>,
}

impl Course {
    pub fn tally(&self) -> Tally {
        self.0.lock().clone()
    }

    /// A provider is asked now. Returns how many were, this one included.
    pub fn asks(&self, model: &Model) -> u32 {
        let mut tally = self.0.lock();
        tally.attempts += 1;
        tally.name(model);
        tally.attempts
    }

    /// This model's answer counts.
    pub fn answered_by(&self, model: &Model) {
        self.0.lock().name(model);
    }

    /// The number of the attempt that is about to be made, and what the call costs if all that is under way costs the most
    /// that it can.
    pub fn about_to_ask(&self) -> (u32, u64, Vec<Charge>) {
        let mut tally = self.0.lock();
        tally.began = true;
        let (mut cost, mut charges) = (tally.usage.cost_nanos, tally.charges.clone());
        for open in &tally.open {
            cost = cost.saturating_add(open.cost_nanos);
            merge(&mut charges, open.charges.clone());
        }
        (tally.attempts + 1, cost, charges)
    }

    /// What one answer used.
    pub fn paid(&self, usage: &Usage, charges: Vec<Charge>, models: &[ModelIdentity]) {
        let mut tally = self.0.lock();
        add(&mut tally.usage, usage);
        merge(&mut tally.charges, charges);
        for model in models {
            if !tally.models.contains(model) {
                tally.models.push(model.clone());
            }
        }
    }

    /// What the operator pays of a copy.
    pub fn paid_by_operator(&self, nanos: u64) {
        self.0.lock().operator_nanos += nanos;
    }

    /// A call is one request, however many are asked for it: 1 the first time.
    pub fn requests(&self) -> u64 {
        let counted = std::mem::replace(&mut self.0.lock().request_counted, true);
        u64::from(!counted)
    }

    /// Keeps what is set aside for an attempt.
    pub fn holds<'a>(&'a self, budgets: &'a Budgets, hold: Hold, most: &Amounts) -> Held<'a> {
        let mut tally = self.0.lock();
        tally.opened += 1;
        let number = tally.opened;
        tally.open.push(Open { number, cost_nanos: most.cost_nanos, charges: hold.at_most(most) });
        Held { budgets, course: self, hold: Some(hold), number }
    }
}

impl Tally {
    fn name(&mut self, model: &Model) {
        self.model.clone_from(&model.name);
        self.provider.clone_from(&model.provider);
    }
}

/// What is set aside for one attempt; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    budgets: &'a Budgets,
    course: &'a Course,
    hold: Option<Hold>,
    number: u64,
}

impl Held<'_> {
    /// Charges what was used.
    pub fn settle(mut self, used: &Amounts) -> Vec<Charge> {
        self.hold.take().map(|hold| self.budgets.settle(hold, used)).unwrap_or_default()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.course.0.lock().open.retain(|open| open.number != self.number);
        if let Some(hold) = self.hold.take() {
            self.budgets.release(hold);
        }
    }
}

/// One charge an account.
fn merge(into: &mut Vec<Charge>, charges: Vec<Charge>) {
    for charge in charges {
        match into.iter_mut().find(|known| known.account == charge.account) {
            Some(known) => {
                known.amount = known.amount.saturating_add(charge.amount);
                known.leased = known.leased.saturating_add(charge.leased);
            }
            None => into.push(charge),
        }
    }
}

fn add(sum: &mut Usage, usage: &Usage) {
    let pairs = [
        (&mut sum.input_tokens, usage.input_tokens),
        (&mut sum.output_tokens, usage.output_tokens),
        (&mut sum.audio_ms, usage.audio_ms),
        (&mut sum.pages, usage.pages),
        (&mut sum.cost_nanos, usage.cost_nanos),
        (&mut sum.cached_input_tokens, usage.cached_input_tokens),
        (&mut sum.cache_write_tokens, usage.cache_write_tokens),
        (&mut sum.reasoning_tokens, usage.reasoning_tokens),
        (&mut sum.images, usage.images),
    ];
    for (sum, part) in pairs {
        *sum = sum.saturating_add(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_proto::v1::Account;

    fn charge(limit: &str, amount: u64) -> Charge {
        let account = Account { limit_id: limit.into(), ..Account::default() };
        Charge { account: Some(account), amount, leased: amount }
    }

    #[test]
    fn all_that_was_paid_adds_up() {
        let course = Course::default();
        let usage = |tokens, cost_nanos| Usage { output_tokens: tokens, cost_nanos, ..Usage::default() };
        let model = |name: &str| ModelIdentity { name: name.into(), ..ModelIdentity::default() };
        course.paid(&usage(3, 30), vec![charge("month", 30)], &[model("a")]);
        course.paid(&usage(4, 50), vec![charge("month", 50), charge("day", 50)], &[model("b"), model("a")]);
        let tally = course.tally();
        assert_eq!(tally.usage, usage(7, 80));
        assert_eq!(tally.charges, [charge("month", 80), charge("day", 50)]);
        assert_eq!(tally.models, [model("a"), model("b")]);
        assert_eq!((course.requests(), course.requests()), (1, 0));
        assert_eq!(course.about_to_ask(), (1, 80, tally.charges));
    }
}
