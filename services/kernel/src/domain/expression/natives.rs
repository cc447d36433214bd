//! The functions that programs may call: jq's standard library without everything that reads the machine or prints, and
//! bounded stand-ins for the operations whose result can be far larger than their input.

use jaq_core::native::{Filter, Fun, bome, run, v};
use jaq_core::{Error, RunPtr, ValR};
use jaq_json::Val;

use super::arithmetic;
use super::budget::Bounded;
use super::value;

/// Checks the weight of the input and returns it.
pub const WEIGH: &str = "orrery_weigh";

/// Definitions that read the machine, print, or end the process.
const DEFINITIONS_BARRED: &[&str] = &["halt", "halt_error", "stderr", "debug", "input_line_number"];
const NATIVES_BARRED: &[&str] = &[
    "halt",
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "debug_empty",
    "stderr_empty",
    "range",
    "tojson",
    "fromjson",
    "input",
    "inputs",
    "input_filename",
];

/// Natives that take as long as their input is large. What they cost is charged before they run, so that a program is bounded
/// in time as it is in steps.
const COSTLY: &[&str] = &[
    "sort",
    "sort_by",
    "group_by",
    "unique",
    "unique_by",
    "min_by",
    "max_by",
    "reverse",
    "contains",
    "inside",
    "indices",
    "split",
    "split_matches",
    "matches",
    "test",
    "trim",
    "ltrim",
    "rtrim",
    "startswith",
    "endswith",
    "ascii_downcase",
    "ascii_upcase",
    "explode",
    "implode",
    "tostring",
    "fromjson",
    "tonumber",
    "tobytes",
    "utf8bytelength",
    "escape_html",
    "escape_sh",
    "escape_uri",
    "encode_base64",
    "decode_base64",
    "keys",
    "keys_unsorted",
    "to_entries",
    "strptime",
    "paths",
    "bsearch",
    "transpose",
];

/// Whether a call is charged for the weight of its input.
pub fn is_costly(name: &str) -> bool {
    COSTLY.contains(&name) || name.starts_with('@')
}

/// Whether a definition of the standard library is kept.
pub fn definition_allowed(name: &str) -> bool {
    !DEFINITIONS_BARRED.contains(&name)
}

/// All native functions.
pub fn natives() -> impl Iterator<Item = Fun<Bounded>> {
    let standard = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let own = own().into_iter().chain(arithmetic::natives());
    standard.filter(|(name, ..)| !NATIVES_BARRED.contains(name)).chain(own.map(run::<Bounded>))
}

fn own() -> [Filter<RunPtr<Bounded>>; 5] {
    [
        (WEIGH, v(0), |cv| {
            cv.0.data().budget.weigh(&cv.1);
            bome(Ok(cv.1))
        }),
        ("tojson", v(0), |cv| {
            cv.0.data().budget.weigh(&cv.1);
            bome(Ok(Val::utf8_str(cv.1.to_string().into_bytes())))
        }),
        // Nests no deeper than any other JSON that comes in.
        ("fromjson", v(0), |cv| bome(from_json(&cv.1))),
        ("now", v(0), |cv| bome(Ok(Val::from(cv.0.data().budget.now_seconds)))),
        ("range", v(3), |mut cv| {
            let by = cv.0.pop_var();
            let to = cv.0.pop_var();
            let from = cv.0.pop_var();
            let budget = cv.0.data().budget;
            let up = by > Val::from(0isize);
            let mut next = Some(from);
            Box::new(std::iter::from_fn(move || {
                budget.charge(1);
                let here = next.take()?;
                if !(if up { here < to } else { by < Val::from(0isize) && here > to }) {
                    return None;
                }
                match here.clone() + by.clone() {
                    Ok(after) => next = Some(after),
                    Err(error) => return Some(Err(Error::into(error))),
                }
                Some(Ok(here))
            }))
        }),
    ]
}

fn from_json(text: &Val) -> ValR<Val> {
    let Val::TStr(bytes) = text else { return Err(Error::str(format_args!("{text} is no text that could be JSON"))) };
    let parsed = serde_json::from_slice(bytes);
    parsed.map(|json| value::from_json(&json)).map_err(|error| Error::str(format_args!("this is no JSON: {error}")))
}
