//! How events meet a consumption strategy (specification, "Event Consumption Strategy", "Event Filter", "Correlation"): for
//! `listen` inside a run and for `schedule.on` outside of one.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use orrery_types::{Sha256Digest, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::command::Signal;
use super::definition::{Consumption, Correlation, EventFilter, Matcher, Read, Strategy, Until};
use super::expression::Variables;

/// Source of the events that the platform publishes about tasks, steps and reviews.
const PLATFORM: &str = "/orrery/";
/// How the type of a signal to a run begins, as a `listen` of that run hears it.
const SIGNAL: &str = "orrery.signal.";

/// What a listener has taken in so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Filters that an event has met.
    pub met: BTreeSet<u32>,
    /// Filters of `until` that an event has met.
    #[serde(default)]
    pub until_met: BTreeSet<u32>,
    /// What events must have in common, by the name of the correlation.
    #[serde(default)]
    pub correlations: BTreeMap<String, Value>,
}

/// An event that a listener takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// The filter that it met.
    pub filter: u32,
    /// Whether it is one of `until`, which is no part of the output.
    pub by_until: bool,
    /// Correlations that it settled.
    pub correlations: BTreeMap<String, Value>,
}

/// Where the expressions of filters are evaluated.
#[allow(missing_debug_implementations)] // what is in sight has none
pub struct Place<'a> {
    /// The listener's input: `.` of what is expected.
    pub input: &'a Value,
    /// What is in sight.
    pub variables: &'a dyn Variables,
}

impl Progress {
    /// What taking an event would mean; none: it is none of the listener's.
    pub fn offer(&self, to: &Consumption, event: &Value, place: &Place<'_>) -> Option<Taken> {
        if let Some(Until::Consumed(until)) = &to.until
            && let Some((filter, correlations)) = self.first_met(until, &self.until_met, event, place)
        {
            return Some(Taken { filter, by_until: true, correlations });
        }
        let (filter, correlations) = self.first_met(to, &self.met, event, place)?;
        Some(Taken { filter, by_until: false, correlations })
    }

    /// Takes an event in.
    pub fn take(&mut self, taken: &Taken) {
        if taken.by_until { &mut self.until_met } else { &mut self.met }.insert(taken.filter);
        self.correlations.extend(taken.correlations.clone());
    }

    /// Whether enough has come; a condition in `until` is the caller's to ask.
    pub fn is_met(&self, to: &Consumption) -> bool {
        match &to.until {
            Some(Until::Condition(_)) => false,
            Some(Until::Consumed(until)) => enough(until, &self.until_met),
            None => enough(to, &self.met),
        }
    }

    fn first_met(
        &self,
        to: &Consumption,
        met: &BTreeSet<u32>,
        event: &Value,
        place: &Place<'_>,
    ) -> Option<(u32, BTreeMap<String, Value>)> {
        if to.filters.is_empty() {
            return (!is_of_the_platform(event) && !is_signal(event)).then(|| (0, BTreeMap::new()));
        }
        let open = (0_u32..).zip(&to.filters).filter(|(index, _)| to.strategy != Strategy::All || !met.contains(index));
        open.into_iter().find_map(|(index, filter)| Some((index, self.meets(filter, event, place)?)))
    }

    /// The correlations that the event settles, if it meets a filter.
    fn meets(&self, filter: &EventFilter, event: &Value, place: &Place<'_>) -> Option<BTreeMap<String, Value>> {
        if is_of_the_platform(event) && !filter.names_its_source() {
            return None;
        }
        if let Some(kind) = signal_type(event)
            && filter.kind().as_deref() != Some(kind)
        {
            return None;
        }
        if !filter.with.iter().all(|(attribute, matcher)| matches(matcher, attribute, event, place)) {
            return None;
        }
        let mut settled = BTreeMap::new();
        for correlation in &filter.correlate {
            let value = extract(correlation, event, place)?;
            let fits = match (&correlation.expect, self.correlations.get(&correlation.name)) {
                (Some(expect), _) => same(&value, &expect.evaluate(place.input, place.variables).ok()?),
                (None, Some(first)) => same(&value, first),
                (None, None) => true,
            };
            if !fits {
                return None;
            }
            settled.insert(correlation.name.clone(), value);
        }
        Some(settled)
    }
}

fn enough(to: &Consumption, met: &BTreeSet<u32>) -> bool {
    match to.strategy {
        Strategy::All => met.len() >= to.filters.len(),
        Strategy::Any | Strategy::One => !met.is_empty(),
    }
}

/// Whoever listens to anything must not hear what its own steps make the platform say.
pub fn is_of_the_platform(event: &Value) -> bool {
    event.get("source").and_then(Value::as_str).is_some_and(|source| source.starts_with(PLATFORM))
}

fn signal_type(event: &Value) -> Option<&str> {
    event.get("type").and_then(Value::as_str).filter(|kind| kind.starts_with(SIGNAL))
}

/// Whether it has the type of a signal: those come from the run itself, and to filters that name them.
pub fn is_signal(event: &Value) -> bool {
    signal_type(event).is_some()
}

/// A signal as the event that a `listen` hears.
pub fn of_signal(signal: &Signal, id: &str, at: UnixMillis) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": signal.by, "type": format!("{SIGNAL}{}", signal.name),
        "time": at.to_string(), "data": &*signal.payload,
    })
}

/// An expression that fails does not match: a foreign event must not end the run.
fn matches(matcher: &Matcher, attribute: &str, event: &Value, place: &Place<'_>) -> bool {
    let found = if attribute == "data" { data(event) } else { event.get(attribute).cloned().unwrap_or(Value::Null) };
    match matcher {
        Matcher::Expression(expression) => match expression.evaluate(&found, place.variables) {
            Ok(Value::Bool(holds)) => holds,
            Ok(wanted) => !found.is_null() && wanted == found,
            Err(_) => false,
        },
        Matcher::Text(text, pattern) => found
            .as_str()
            .is_some_and(|found| found == text || pattern.as_ref().is_some_and(|pattern| pattern.is_match(found))),
        Matcher::Shape(shape) => shape.evaluate(place.input, place.variables).is_ok_and(|shape| covers(&shape, &found)),
    }
}

/// Whether a value is what is wanted; of an object, whether it has the wanted fields.
fn covers(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| covers(wanted, found)))
        }
        (wanted, found) => wanted == found,
    }
}

/// The value of a correlation: of the event, or of its data when the event itself has none there.
fn extract(correlation: &Correlation, event: &Value, place: &Place<'_>) -> Option<Value> {
    let of = |value: &Value| correlation.from.evaluate(value, place.variables).ok().filter(|value| !value.is_null());
    of(event).or_else(|| of(&data(event)))
}

/// Expectations are written as text, attributes are text: a number equals its digits.
fn same(left: &Value, right: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    left == right || text(left) == text(right)
}

/// An event's data: text in base64 is decoded, and read as JSON if it is.
fn data(event: &Value) -> Value {
    if let Some(data) = event.get("data") {
        return data.clone();
    }
    let encoded = event.get("data_base64").and_then(Value::as_str);
    let Some(bytes) = encoded.and_then(|text| BASE64.decode(text).ok()) else {
        return Value::Null;
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// What a listener keeps of an event.
pub fn read(event: &Value, read: Read) -> Value {
    match read {
        Read::Envelope => event.clone(),
        Read::Data => data(event),
        Read::Raw => event.get("data").or_else(|| event.get("data_base64")).cloned().unwrap_or(Value::Null),
    }
}

/// Identifies an event: CloudEvents are the same when source and id are.
pub fn key(event: &Value) -> String {
    let text = |attribute: &str| event.get(attribute).and_then(Value::as_str).unwrap_or_default();
    let digest = Sha256Digest::of(format!("{}\n{}", text("source"), text("id")).as_bytes()).to_hex();
    digest.chars().take(24).collect()
}

/// Why something is no CloudEvent (CloudEvents 1.0, "Required Attributes").
pub fn check(event: &Value) -> Result<(), String> {
    for attribute in ["id", "source", "type"] {
        if event.get(attribute).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("a CloudEvent needs the attribute {attribute:?}"));
        }
    }
    Ok(())
}
