//! The bounds of one evaluation: steps, the weight of values, nesting, and stack.
//!
//! `jaq` has no interrupt, but it looks its lookup table up at every step through [`HasLut`]; charging there bounds every
//! loop. What natives build in one step is bounded by weighing each value where it can grow. A spent budget unwinds with
//! [`std::panic::resume_unwind`], which jq's own `try` cannot catch and which runs no panic hook.

use std::cell::Cell;

use jaq_core::Lut;
use jaq_core::data::{DataT, HasLut};
use jaq_json::{Num, Val};

/// Steps that one evaluation may take.
pub const STEPS_MAX: u64 = 2_000_000;
/// Nodes plus bytes of text that one value may have: about 8 MB of JSON.
pub const WEIGHT_MAX: u64 = 8 * 1024 * 1024;
/// How deep a value may nest.
pub const NESTING_MAX: u32 = 200;
/// Stack that one evaluation may use; every thread that evaluates has at least 2 MiB.
const STACK_BYTES_MAX: usize = 768 * 1024;
/// Weight that costs as much as one step.
const WEIGHT_PER_STEP: u64 = 32;

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    /// Most likely an endless loop.
    #[error("the expression took more than {STEPS_MAX} steps: is there an endless loop in it?")]
    Steps,
    /// A value grew too large.
    #[error("the expression built a value of more than {WEIGHT_MAX} bytes and nodes: keep less of the data")]
    Weight,
    /// A value or a recursion is too deep.
    #[error("the expression nests too deeply: recursion and values may be {NESTING_MAX} levels deep")]
    Depth,
}

/// What is left of the bounds, and the instant that `now` shows.
#[derive(Debug)]
pub struct Budget {
    steps_left: Cell<u64>,
    stack_base: usize,
    /// Seconds since 1970: the time of the transition, so that replays agree.
    pub now_seconds: f64,
}

impl Budget {
    /// A full budget, for an evaluation that starts at this depth of the stack.
    pub fn new(now_seconds: f64) -> Self {
        let here = 0u8;
        Self { steps_left: Cell::new(STEPS_MAX), stack_base: std::ptr::from_ref(&here).addr(), now_seconds }
    }

    /// Takes `steps`; unwinds with [`Exhausted`] when they or the stack are spent.
    pub fn charge(&self, steps: u64) {
        let here = 0u8;
        if std::ptr::from_ref(&here).addr().abs_diff(self.stack_base) > STACK_BYTES_MAX {
            spent(Exhausted::Depth);
        }
        match self.steps_left.get().checked_sub(steps) {
            Some(left) => self.steps_left.set(left),
            None => spent(Exhausted::Steps),
        }
    }

    /// Refuses a value that is too heavy; weighing costs steps, so that repeating it is bounded too.
    pub fn weigh(&self, value: &Val) {
        let mut weight = 0;
        add_weight(value, &mut weight, 0);
        self.charge(1 + weight / WEIGHT_PER_STEP);
    }
}

fn add_weight(value: &Val, weight: &mut u64, depth: u32) {
    if depth > NESTING_MAX {
        spent(Exhausted::Depth);
    }
    *weight += match value {
        Val::Null | Val::Bool(_) => 1,
        Val::Num(Num::BigInt(big)) => 1 + big.bits() / 8,
        Val::Num(Num::Dec(text)) => 1 + text.len() as u64,
        Val::Num(_) => 1,
        Val::BStr(bytes) | Val::TStr(bytes) => 1 + bytes.len() as u64,
        Val::Arr(items) => 1 + items.len() as u64,
        Val::Obj(fields) => 1 + fields.len() as u64,
    };
    if *weight > WEIGHT_MAX {
        spent(Exhausted::Weight);
    }
    match value {
        Val::Arr(items) => items.iter().for_each(|item| add_weight(item, weight, depth + 1)),
        Val::Obj(fields) => fields.iter().for_each(|(key, field)| {
            add_weight(key, weight, depth + 1);
            add_weight(field, weight, depth + 1);
        }),
        _ => {}
    }
}

/// Ends the evaluation; [`super::Program::evaluate`] catches it.
pub fn spent(bound: Exhausted) -> ! {
    std::panic::resume_unwind(Box::new(bound))
}

/// The data kind of our evaluations: values as `jaq_json` has them, and the budget beside the lookup table.
#[derive(Debug)]
pub struct Bounded;

/// What natives see.
#[derive(Clone)]
pub struct Data<'a> {
    /// The compiled program.
    pub lut: &'a Lut<Bounded>,
    /// The bounds.
    pub budget: &'a Budget,
}

impl DataT for Bounded {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

impl<'a> HasLut<'a, Bounded> for Data<'a> {
    fn lut(&self) -> &'a Lut<Bounded> {
        self.budget.charge(1);
        self.lut
    }
}
