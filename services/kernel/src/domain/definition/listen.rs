//! `listen` and `schedule.on`: which events are consumed, and what becomes of each.

use regex::Regex;
use serde_json::{Map, Value};

use super::Pointer;
use super::build::{Builder, Scope};
use super::model::{Kind, Outcome, Transform};
use super::source::escape;
use crate::domain::expression::{Program, Template, written};

/// What makes a text a pattern rather than a plain value: event types and sources are full of dots.
const PATTERN: &[char] = &['*', '+', '?', '[', '(', '|', '^', '$', '\\', '{'];
/// Bytes that one compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// A `listen` task.
#[derive(Debug)]
pub struct Listen {
    /// The events.
    pub to: Consumption,
    /// What is kept of each.
    pub read: Read,
    /// What is done with each; none: they are only gathered.
    pub each: Option<Each>,
}

/// What a listener keeps of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Its data, decoded.
    Data,
    /// All of it.
    Envelope,
    /// Its data as they stand in it.
    Raw,
}

/// `foreach`: what is done with each event, one after the other.
#[derive(Debug)]
pub struct Each {
    /// The variable of the event.
    pub item: String,
    /// The variable of its number, from 0.
    pub at: String,
    /// What runs.
    pub body: Option<Pointer>,
    /// What becomes of its output.
    pub output: Outcome,
    /// What it exports.
    pub export: Option<Transform>,
}

/// An event consumption strategy.
#[derive(Debug)]
pub struct Consumption {
    /// How many of the filters must be met.
    pub strategy: Strategy,
    /// The filters; none: any event.
    pub filters: Vec<EventFilter>,
    /// Until when `any` listens; none: until the first event.
    pub until: Option<Until>,
}

/// How many filters must be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Each of them.
    All,
    /// One of them.
    Any,
    /// The only one.
    One,
}

/// When `any` stops.
#[derive(Debug)]
pub enum Until {
    /// When this holds of the events consumed so far.
    Condition(Program),
    /// When these events have come; they are no part of the output.
    Consumed(Box<Consumption>),
}

/// Events that have certain attributes.
#[derive(Debug)]
pub struct EventFilter {
    /// By attribute.
    pub with: Vec<(String, Matcher)>,
    /// What events must have in common, by name.
    pub correlate: Vec<Correlation>,
}

/// What an attribute must be.
#[derive(Debug)]
pub enum Matcher {
    /// An expression over the attribute: a truth value decides, anything else must equal the attribute.
    Expression(Program),
    /// A text, or a pattern of the whole text.
    Text(String, Option<Regex>),
    /// A value; of an object, the fields that are named.
    Shape(Template),
}

/// What links events to each other and to the run.
#[derive(Debug)]
pub struct Correlation {
    /// Its name.
    pub name: String,
    /// Takes the value out of the event.
    pub from: Program,
    /// What it must be; none: what the first event gave.
    pub expect: Option<Template>,
}

impl Consumption {
    /// The types of event that it may consume; empty: any.
    pub fn types(&self) -> Vec<String> {
        let Some(mut types) = self.filters.iter().map(EventFilter::kind).collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        if types.is_empty() {
            return types;
        }
        if let Some(Until::Consumed(until)) = &self.until {
            let of_until = until.types();
            if of_until.is_empty() {
                return of_until;
            }
            types.extend(of_until);
        }
        types.sort();
        types.dedup();
        types
    }

    /// Whether it listens for ever, so that nobody will ask for what it gathered.
    pub fn is_endless(&self) -> bool {
        matches!(&self.until, Some(Until::Condition(condition)) if condition.source().trim() == "false")
    }
}

impl EventFilter {
    /// The one type that its events have; none: it names none, or a pattern.
    pub fn kind(&self) -> Option<String> {
        self.with.iter().find_map(|(attribute, matcher)| match matcher {
            Matcher::Text(text, None) if attribute == "type" => Some(text.clone()),
            _ => None,
        })
    }

    /// Whether it says from where or of which type its events are.
    pub fn names_its_source(&self) -> bool {
        self.with.iter().any(|(attribute, _)| attribute == "type" || attribute == "source")
    }
}

impl Builder<'_> {
    pub(super) fn listen_task(
        &mut self,
        at: &str,
        value: &Value,
        foreach: Option<&Value>,
        scope: &Scope,
        depth: usize,
    ) -> Option<Kind> {
        let to = self.consumption(&format!("{at}/listen/to"), value.get("to")?, scope)?;
        let read = match value.get("read").and_then(Value::as_str) {
            Some("envelope") => Read::Envelope,
            Some("raw") => Read::Raw,
            _ => Read::Data,
        };
        let each = foreach.map(|foreach| self.each(&format!("{at}/foreach"), foreach, scope, depth));
        Some(Kind::Listen(Box::new(Listen { to, read, each })))
    }

    fn each(&mut self, at: &str, value: &Value, scope: &Scope, depth: usize) -> Each {
        let nothing = Map::new();
        let fields = value.as_object().unwrap_or(&nothing);
        let name = |field: &str, default: &str| value.get(field).and_then(Value::as_str).unwrap_or(default).to_owned();
        let (item, index) = (name("item", "item"), name("at", "index"));
        let (at_item, at_index) = (format!("{at}/item"), format!("{at}/at"));
        let inner = self.variables(scope, &[(at_item.as_str(), item.as_str()), (at_index.as_str(), index.as_str())]);
        Each {
            body: value.get("do").map(|list| self.list(&format!("{at}/do"), Some(list), &inner, depth + 1)),
            output: self.outcome(at, fields, &inner),
            export: self.export(at, fields, &inner),
            item,
            at: index,
        }
    }

    /// Compiles an event consumption strategy.
    pub(super) fn consumption(&mut self, at: &str, value: &Value, scope: &Scope) -> Option<Consumption> {
        let (strategy, key) = match value {
            value if value.get("all").is_some() => (Strategy::All, "all"),
            value if value.get("one").is_some() => (Strategy::One, "one"),
            _ => (Strategy::Any, "any"),
        };
        let at_filters = format!("{at}/{key}");
        let filters = match value.get(key)? {
            Value::Array(items) => {
                let filter =
                    |(index, item): (usize, &Value)| self.filter(&format!("{at_filters}/{index}"), item, scope);
                items.iter().enumerate().map(filter).collect::<Option<Vec<_>>>()?
            }
            single => vec![self.filter(&at_filters, single, scope)?],
        };
        if filters.is_empty() && strategy == Strategy::All {
            self.problem(&at_filters, "`all` needs at least one event: to listen to any event write `any: []`");
        }
        let until = match value.get("until").filter(|_| strategy == Strategy::Any) {
            None => None,
            Some(condition @ Value::String(_)) => {
                Some(Until::Condition(self.program(&format!("{at}/until"), Some(condition), scope)?))
            }
            Some(events) => Some(Until::Consumed(Box::new(self.consumption(&format!("{at}/until"), events, scope)?))),
        };
        Some(Consumption { strategy, filters, until })
    }

    fn filter(&mut self, at: &str, value: &Value, scope: &Scope) -> Option<EventFilter> {
        let mut with = Vec::new();
        for (attribute, wanted) in value.get("with").and_then(Value::as_object).into_iter().flatten() {
            with.push((attribute.clone(), self.matcher(&format!("{at}/with/{}", escape(attribute)), wanted, scope)?));
        }
        let mut correlate = Vec::new();
        for (name, link) in value.get("correlate").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}/correlate/{}", escape(name));
            let from = self.program(&format!("{at}/from"), link.get("from"), scope)?;
            let expect = match link.get("expect") {
                Some(expect) => Some(self.template(&format!("{at}/expect"), expect, scope, Template::compile)?),
                None => None,
            };
            correlate.push(Correlation { name: name.clone(), from, expect });
        }
        Some(EventFilter { with, correlate })
    }

    fn matcher(&mut self, at: &str, wanted: &Value, scope: &Scope) -> Option<Matcher> {
        match wanted {
            Value::String(text) if written(text).is_some() => {
                let source = written(text).map(|source| Value::from(source.into_owned()));
                self.program(at, source.as_ref(), scope).map(Matcher::Expression)
            }
            Value::String(text) if text.contains(PATTERN) => {
                let whole = regex::RegexBuilder::new(&format!("^(?:{text})$")).size_limit(PATTERN_BYTES_MAX).build();
                // A text that is no pattern, such as a URI with a query, is meant as it stands.
                Some(Matcher::Text(text.clone(), whole.ok()))
            }
            Value::String(text) => Some(Matcher::Text(text.clone(), None)),
            shape => self.template(at, shape, scope, Template::compile).map(Matcher::Shape),
        }
    }
}
