//! A review from the arguments of `orrery.human`.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use orrery_types::{ReviewId, UnixMillis};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::calendar::{Amount, Calendar};
use super::candidates::check_candidates;
use super::{CANDIDATES_MAX, Delegation, Escalation, Quorum, Review, USER};
use crate::domain::definition::{duration, violations};
use crate::domain::fault::{Fault, Standard};

const DEFAULT_DECISIONS: [&str; 2] = ["approve", "decline"];
/// Levels of an escalation chain, and reminders.
const LEVELS_MAX: usize = 16;
/// People of one quorum.
const APPROVALS_MAX: u32 = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    after: Value,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    replace: bool,
    #[serde(default)]
    notify: Vec<String>,
}

/// Arguments, with what reading them needs.
struct Arguments<'a> {
    values: &'a Value,
    calendar: Option<Calendar>,
    now: UnixMillis,
}

impl Review {
    /// From the arguments of `orrery.human`; `calendars` are those that the definition names in its metadata.
    pub fn from_arguments(id: ReviewId, arguments: &Value, calendars: &Value, now: UnixMillis) -> Result<Self, Fault> {
        Self::read(id, arguments, calendars, now)
            .map_err(|what| Fault::new(Standard::Validation, format!("orrery.human: {what}")))
    }

    fn read(id: ReviewId, values: &Value, calendars: &Value, now: UnixMillis) -> Result<Self, String> {
        let arguments = Arguments { values, calendar: calendar(given(values, "calendar"), calendars)?, now };
        let roles = arguments.texts("roles")?.unwrap_or_default();
        check_candidates(&roles)
            .map_err(|error| format!("`roles` must be a list of roles or user:<principal>: {error}"))?;
        let decisions = match arguments.texts("decisions")? {
            None => DEFAULT_DECISIONS.map(str::to_owned).to_vec(),
            Some(decisions) if decisions.is_empty() => {
                return Err("`decisions` must be a list of names, with one at least".to_owned());
            }
            Some(decisions) => decisions,
        };
        let one_of = |field: &str| match arguments.text(field)? {
            Some(decision) if !decisions.contains(&decision) => {
                Err(format!("`{field}` names {decision:?}, which is none of the decisions"))
            }
            named => Ok(named),
        };
        let (on_expiry, changes) = (one_of("on_expiry")?, one_of("changes")?);
        let form = given(values, "form").cloned();
        if let Some(form) = &form {
            violations(form, &Value::Null).map_err(|error| format!("`form` is not a JSON Schema: {error}"))?;
        }
        let due_at = arguments.point("due")?;
        let expires_at = arguments.point("expires")?;
        Ok(Self {
            id,
            title: arguments.text("title")?.ok_or("`title` must be text")?,
            instructions: arguments.text("instructions")?.unwrap_or_default(),
            quorum: arguments.quorum(&decisions)?,
            reminders: arguments.reminders(due_at)?,
            escalation: arguments.escalation()?,
            excluded: arguments.excluded()?,
            supervisors: arguments.texts("supervisors")?.unwrap_or_default(),
            delegation: arguments.parsed::<Delegation>("delegation")?.unwrap_or_default(),
            roles,
            form,
            decisions,
            subject: values.get("subject").cloned().unwrap_or(Value::Null),
            created_at: now,
            due_at,
            expires_at,
            on_expiry,
            changes,
            claim: None,
            overdue: false,
            level: 0,
            comments: Vec::new(),
            votes: Vec::new(),
            place: String::new(),
            round: 1,
            previous: Arc::default(),
        })
    }
}

/// An argument that is there.
fn given<'a>(values: &'a Value, field: &str) -> Option<&'a Value> {
    values.get(field).filter(|value| !value.is_null())
}

/// A calendar given in full, or the name of one of the definition's.
fn calendar(value: Option<&Value>, calendars: &Value) -> Result<Option<Calendar>, String> {
    let described = match value {
        None => return Ok(None),
        Some(Value::String(name)) => calendars
            .get(name)
            .ok_or_else(|| format!("`calendar` names {name:?}, which `document.metadata.calendars` does not hold"))?,
        Some(described) => described,
    };
    Calendar::parse(described).map(Some).map_err(|error| format!("`calendar`: {error}"))
}

impl Arguments<'_> {
    fn parsed<T: DeserializeOwned>(&self, field: &str) -> Result<Option<T>, String> {
        let value = given(self.values, field);
        value.map(T::deserialize).transpose().map_err(|error| format!("`{field}`: {error}"))
    }

    fn text(&self, field: &str) -> Result<Option<String>, String> {
        match given(self.values, field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("`{field}` must be text")),
        }
    }

    fn texts(&self, field: &str) -> Result<Option<Vec<String>>, String> {
        let Some(value) = given(self.values, field) else { return Ok(None) };
        let texts = Vec::<String>::deserialize(value).ok().filter(|texts| texts.len() <= CANDIDATES_MAX);
        texts.map(Some).ok_or_else(|| format!("`{field}` must be a list of at most {CANDIDATES_MAX} texts"))
    }

    /// A point in time: given as one, or so long after now, in business time where there is a calendar.
    fn point(&self, field: &str) -> Result<Option<UnixMillis>, String> {
        let Some(value) = given(self.values, field) else { return Ok(None) };
        let wrong = |error: String| format!("`{field}`: {error}");
        let absolute = value.get("at").or(Some(value)).and_then(Value::as_str).and_then(|text| text.parse().ok());
        if let Some(at) = absolute {
            let at: Timestamp = at;
            return Ok(Some(UnixMillis(u64::try_from(at.as_millisecond()).unwrap_or(0))));
        }
        self.after(value).map(Some).map_err(wrong)
    }

    fn after(&self, value: &Value) -> Result<UnixMillis, String> {
        match &self.calendar {
            Some(calendar) => calendar.after(self.now, Amount::parse(value)?),
            None => Ok(self.now.saturating_add(duration::parse(value).map_err(|error| error.to_string())?)),
        }
    }

    fn quorum(&self, decisions: &[String]) -> Result<Quorum, String> {
        let mut quorum = self.parsed::<Quorum>("quorum")?.unwrap_or_default();
        if self.parsed::<bool>("four_eyes")?.unwrap_or(false) {
            quorum.approvals = quorum.approvals.max(2);
            quorum.per_decision.values_mut().for_each(|needed| *needed = (*needed).max(2));
        }
        let numbers = quorum.per_decision.values().chain([&quorum.approvals]);
        if numbers.into_iter().any(|needed| !(1..=APPROVALS_MAX).contains(needed)) {
            return Err(format!("`quorum` takes 1 to {APPROVALS_MAX} people"));
        }
        match quorum.per_decision.keys().find(|decision| !decisions.contains(decision)) {
            Some(unknown) => Err(format!("`quorum.per_decision` names {unknown:?}, which is none of the decisions")),
            None => Ok(quorum),
        }
    }

    /// `exclude` and `not_by`: principals, or outputs of earlier reviews, whose deciders and voters they then mean.
    fn excluded(&self) -> Result<Vec<String>, String> {
        let mut excluded = BTreeSet::new();
        for field in ["exclude", "not_by"] {
            let Some(value) = given(self.values, field) else { continue };
            let one = std::slice::from_ref(value);
            for item in value.as_array().map_or(one, Vec::as_slice) {
                match item {
                    // An earlier review that did not take place excludes nobody.
                    Value::Null => {}
                    Value::String(principal) => {
                        excluded.insert(principal.strip_prefix(USER).unwrap_or(principal).to_owned());
                    }
                    Value::Object(output) => excluded.extend(deciders(output)),
                    _ => return Err(format!("`{field}` must list principals or outputs of earlier reviews")),
                }
            }
        }
        match excluded.len() <= CANDIDATES_MAX {
            true => Ok(excluded.into_iter().collect()),
            false => Err(format!("at most {CANDIDATES_MAX} people may be excluded")),
        }
    }

    /// Each so long before the review is due.
    fn reminders(&self, due_at: Option<UnixMillis>) -> Result<Vec<UnixMillis>, String> {
        let Some(values) = self.parsed::<Vec<Value>>("reminders")? else { return Ok(Vec::new()) };
        let due = due_at.ok_or("`reminders` need `due`: each is so long before it")?;
        let at = |value: &Value| match &self.calendar {
            Some(calendar) => calendar.before(due, Amount::parse(value)?),
            None => {
                let before = duration::parse(value).map_err(|error| error.to_string())?;
                Ok(UnixMillis(due.0.saturating_sub(u64::try_from(before.as_millis()).unwrap_or(u64::MAX))))
            }
        };
        let mut reminders = values
            .iter()
            .map(at)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error: String| format!("`reminders`: {error}"))?;
        if reminders.len() > LEVELS_MAX {
            return Err(format!("`reminders` holds at most {LEVELS_MAX}"));
        }
        reminders.retain(|at| *at > self.now);
        reminders.sort();
        Ok(reminders)
    }

    fn escalation(&self) -> Result<Vec<Escalation>, String> {
        let levels = self.parsed::<Vec<Level>>("escalation")?.unwrap_or_default();
        if levels.len() > LEVELS_MAX {
            return Err(format!("`escalation` has at most {LEVELS_MAX} levels"));
        }
        let level = |level: Level| {
            if level.replace || !level.roles.is_empty() {
                check_candidates(&level.roles).map_err(|error| format!("`escalation.roles`: {error}"))?;
            }
            let at = self.after(&level.after).map_err(|error| format!("`escalation.after`: {error}"))?;
            let Level { roles, replace, notify, .. } = level;
            Ok(Escalation { at, roles, replace, notify })
        };
        let mut levels = levels.into_iter().map(level).collect::<Result<Vec<_>, String>>()?;
        levels.sort_by_key(|level| level.at);
        Ok(levels)
    }
}

/// Who decided, as the output of a review tells it.
fn deciders(output: &Map<String, Value>) -> Vec<String> {
    let voters = output.get("voters").and_then(Value::as_array).into_iter().flatten();
    voters.chain(output.get("decided_by")).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether arguments that hold no expressions where it matters could ever make a review; said when a definition is
/// deployed, so that nobody learns it from a task that fails at night.
pub fn check_constants(arguments: &Value, calendars: &Value) -> Result<(), String> {
    const COMPUTED: [(&str, &str); 7] = [
        ("title", "title"),
        ("instructions", ""),
        ("subject", ""),
        ("form", ""),
        ("roles", "role"),
        ("exclude", ""),
        ("not_by", ""),
    ];
    let Some(fields) = arguments.as_object() else { return Ok(()) };
    let mut fields = fields.clone();
    for (name, stand_in) in COMPUTED {
        let is_computed = fields.get(name).is_some_and(|value| value.to_string().contains("${"));
        if is_computed {
            fields.insert(
                name.to_owned(),
                match name {
                    "title" => stand_in.into(),
                    "roles" => vec![stand_in].into(),
                    _ => Value::Null,
                },
            );
        }
    }
    let fields = Value::Object(fields);
    if fields.to_string().contains("${") {
        return Ok(());
    }
    let id = ReviewId::new("rev_check").map_err(|error| error.to_string())?;
    Review::read(id, &fields, calendars, UnixMillis(0)).map(drop)
}
