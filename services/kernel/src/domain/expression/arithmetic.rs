//! Arithmetic as jq has it, in bounds. `jaq` tells integers from floating-point numbers and shows them differently: there
//! `4 / 2` is `2.0`, in jq `2`, which matters wherever a number becomes text. And nothing is divided by zero.

use jaq_core::native::{Filter, bome, v};
use jaq_core::ops::Math;
use jaq_core::{Error, RunPtr, ValR};
use jaq_json::{Num, Val};

use super::budget::{Bounded, Exhausted, WEIGHT_MAX, spent};

/// Shows a number that is whole as one.
pub const WHOLE: &str = "orrery_whole";
/// Integers up to this are exact as floating-point numbers.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// Integers are exact up to this.
const BITS_MAX: u64 = 128;
/// Natives that give a floating-point number whatever they get.
const FLOATING: &[&str] = &[
    "sqrt",
    "cbrt",
    "pow",
    "pow10",
    "exp",
    "exp2",
    "exp10",
    "log",
    "log2",
    "log10",
    "fabs",
    "trunc",
    "rint",
    "nearbyint",
    "ldexp",
    "scalb",
    "scalbln",
    "significand",
    "logb",
    "fmin",
    "fmax",
    "fmod",
    "fma",
    "gamma",
    "tgamma",
    "lgamma",
];

/// The native that stands for an operator.
pub fn operator(math: Math) -> &'static str {
    match math {
        Math::Add => "orrery_plus",
        Math::Sub => "orrery_minus",
        Math::Mul => "orrery_times",
        Math::Div => "orrery_divide",
        Math::Rem => "orrery_remainder",
    }
}

/// Whether what a native gives has to be made whole.
pub fn is_floating(name: &str) -> bool {
    FLOATING.contains(&name)
}

/// All of them.
pub fn natives() -> [Filter<RunPtr<Bounded>>; 6] {
    [
        (WHOLE, v(0), |cv| bome(Ok(whole(cv.1)))),
        (operator(Math::Add), v(2), |mut cv| {
            let right = cv.0.pop_var();
            let left = cv.0.pop_var();
            if text_bytes(&left) + text_bytes(&right) > WEIGHT_MAX {
                spent(Exhausted::Weight);
            }
            let sum = left + right;
            bome(sum.map(whole).inspect(|sum| cv.0.data().budget.weigh(sum)))
        }),
        (operator(Math::Sub), v(2), |mut cv| {
            let right = cv.0.pop_var();
            let left = cv.0.pop_var();
            cv.0.data().budget.weigh(&left);
            bome((left - right).map(whole))
        }),
        (operator(Math::Mul), v(2), |mut cv| {
            let right = cv.0.pop_var();
            let left = cv.0.pop_var();
            if text_bytes(&left).saturating_mul(times(&right)) > WEIGHT_MAX
                || text_bytes(&right).saturating_mul(times(&left)) > WEIGHT_MAX
            {
                spent(Exhausted::Weight);
            }
            let product = left * right;
            bome(product.map(whole).inspect(|product| cv.0.data().budget.weigh(product)))
        }),
        (operator(Math::Div), v(2), |mut cv| {
            let right = cv.0.pop_var();
            let left = cv.0.pop_var();
            cv.0.data().budget.weigh(&left);
            bome(divide(left, right).map(whole))
        }),
        (operator(Math::Rem), v(2), |mut cv| {
            let right = cv.0.pop_var();
            let left = cv.0.pop_var();
            bome(remainder(left, right))
        }),
    ]
}

fn divide(left: Val, right: Val) -> ValR<Val> {
    match (&left, &right) {
        (Val::Num(_), Val::Num(by)) if is_zero(by) => Err(by_zero(&left, &right)),
        _ => left / right,
    }
}

/// jq counts with the whole parts.
fn remainder(left: Val, right: Val) -> ValR<Val> {
    let (left, right) = (truncated(left), truncated(right));
    match (&left, &right) {
        (Val::Num(_), Val::Num(by)) if is_zero(by) => Err(by_zero(&left, &right)),
        _ => left % right,
    }
}

fn by_zero(left: &Val, right: &Val) -> Error<Val> {
    Error::str(format_args!("{left} and {right} cannot be divided because the divisor is zero"))
}

fn is_zero(number: &Num) -> bool {
    *number == Num::Int(0)
}

fn truncated(value: Val) -> Val {
    match value {
        Val::Num(Num::Float(float)) if float.is_finite() => whole(Val::Num(Num::Float(float.trunc()))),
        Val::Num(Num::Dec(text)) => truncated(Val::Num(Num::from_dec_str(&text))),
        other => other,
    }
}

fn whole(value: Val) -> Val {
    match value {
        Val::Num(Num::Float(float)) if float.fract() == 0.0 && float.abs() <= EXACT_MAX => {
            Val::Num(Num::Int(float as isize))
        }
        // To jq they are floating-point numbers, whose cost does not grow.
        Val::Num(Num::BigInt(big)) if big.bits() > BITS_MAX => Val::Num(Num::from_dec_str(&big.to_string())),
        other => other,
    }
}

fn text_bytes(value: &Val) -> u64 {
    match value {
        Val::BStr(bytes) | Val::TStr(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

fn times(value: &Val) -> u64 {
    match value {
        Val::Num(Num::Int(times)) => u64::try_from(*times).unwrap_or(0),
        Val::Num(Num::BigInt(_)) => u64::MAX,
        _ => 0,
    }
}
