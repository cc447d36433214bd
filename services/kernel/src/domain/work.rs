//! `orrery.work`: a step that a worker outside the platform does. What it is asked, how long it may take, when it is tried
//! again, and the token by which an attempt is known.
//!
//! W-1: only the attempt under way can end the step; what comes from any other is refused and changes nothing.

use std::sync::Arc;
use std::time::Duration;

use orrery_types::{Sha256Digest, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::command::Reject;
use super::definition::{duration, violations};
use super::event::{Event, Fact};
use super::fault::{Fault, Standard};

/// Highest priority.
pub const PRIORITY_MAX: u64 = 9;
/// One step of priority is worth this much waiting in a task queue.
pub const AGEING: Duration = Duration::from_secs(10);
/// How long an attempt may take when nothing says otherwise.
const START_TO_CLOSE: Duration = Duration::from_secs(600);
/// Shortest time between heartbeats: less would be noise of the network.
const HEARTBEAT_MIN: Duration = Duration::from_secs(1);
/// Largest input, and largest result; larger things belong in files.
pub const CONTENT_BYTES_MAX: usize = 64 * 1024 * 1024;
const QUEUE_BYTES_MAX: usize = 64;
const ATTEMPTS_DEFAULT: u32 = 3;
const DELAY_DEFAULT: Duration = Duration::from_secs(1);

/// How long things may take. In milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// From when an attempt is queued until a worker takes it.
    pub schedule_to_start_ms: Option<u64>,
    /// From when a worker takes it until it is over.
    pub start_to_close_ms: u64,
    /// From the step's beginning until its end, all attempts together.
    pub schedule_to_close_ms: Option<u64>,
    /// Between two signs of life of the worker.
    pub heartbeat_ms: Option<u64>,
}

/// How the delay grows from attempt to attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Not at all.
    Constant,
    /// By the delay each time.
    Linear,
    /// Twice as long each time.
    Exponential,
}

/// When a failed attempt is followed by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all.
    pub attempts_max: u32,
    /// Before the second.
    pub delay_ms: u64,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Longest delay.
    pub delay_max_ms: u64,
    /// Errors that end the step at once: types, their last parts, or titles.
    pub non_retryable: Vec<String>,
}

/// What an attempt is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Waits for a worker.
    Queued {
        /// Since when.
        since: UnixMillis,
    },
    /// A worker is at it.
    Started {
        /// Who, as it calls itself.
        worker: String,
        /// Since when.
        at: UnixMillis,
        /// Its last sign of life that the journal knows.
        beat_at: UnixMillis,
    },
    /// It failed; the next one comes later.
    Backoff {
        /// When.
        until: UnixMillis,
    },
    /// It failed, and none follows.
    Over,
}

/// A step for a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The key of the step.
    pub key: String,
    /// Its task queue.
    pub queue: String,
    /// What the worker gets.
    pub input: Arc<Value>,
    /// Higher goes first.
    pub priority: u32,
    /// JSON Schema of the result.
    pub schema: Option<Value>,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// What follows a failure.
    pub retry: Retry,
    /// When the step began.
    pub scheduled_at: UnixMillis,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// What the attempt is at.
    pub stage: Stage,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The step took too long.
    ScheduleToClose,
    /// No worker took it in time.
    ScheduleToStart,
    /// The attempt took too long.
    StartToClose,
    /// The worker gave no sign of life.
    Heartbeat,
    /// The next attempt.
    Attempt,
}

/// The token of an attempt. Nobody who does not know the run's seed can make one.
pub fn token(seed: u64, key: &str, attempt: u32) -> String {
    let digest = Sha256Digest::of(format!("{seed}/{key}/{attempt}").as_bytes()).to_hex();
    format!("{attempt}-{}", digest.chars().take(32).collect::<String>())
}

/// The attempt that a token names, genuine or not.
pub fn attempt_of(token: &str) -> Option<u32> {
    token.split_once('-')?.0.parse().ok()
}

fn wrong(what: &str) -> Fault {
    Fault::new(Standard::Validation, format!("orrery.work: {what}"))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A mapping whose fields are all known; none when it is left out.
fn mapping<'a>(value: Option<&'a Value>, name: &str, known: &[&str]) -> Result<Option<&'a Map<String, Value>>, Fault> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let fields = value.as_object().ok_or_else(|| wrong(&format!("`{name}` must be a mapping")))?;
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        Some(field) => Err(wrong(&format!("`{name}` takes no {field:?}: it takes {}", known.join(", ")))),
        None => Ok(Some(fields)),
    }
}

fn span(fields: Option<&Map<String, Value>>, name: &str) -> Result<Option<Duration>, Fault> {
    let value = fields.and_then(|fields| fields.get(name)).filter(|value| !value.is_null());
    let span = value.map(duration::parse).transpose().map_err(|error| wrong(&format!("`{name}`: {error}")))?;
    match span {
        Some(span) if span.is_zero() => Err(wrong(&format!("`{name}` must be longer than nothing"))),
        span => Ok(span),
    }
}

impl Timeouts {
    fn from_value(value: Option<&Value>) -> Result<Self, Fault> {
        let known = ["schedule_to_start", "start_to_close", "schedule_to_close", "heartbeat"];
        let fields = mapping(value, "timeouts", &known)?;
        let schedule_to_close = span(fields, "schedule_to_close")?;
        let heartbeat = span(fields, "heartbeat")?;
        if heartbeat.is_some_and(|heartbeat| heartbeat < HEARTBEAT_MIN) {
            return Err(wrong("`heartbeat` must be a second or more"));
        }
        let start_to_close = span(fields, "start_to_close")?.or(schedule_to_close).unwrap_or(START_TO_CLOSE);
        Ok(Self {
            schedule_to_start_ms: span(fields, "schedule_to_start")?.map(millis),
            start_to_close_ms: millis(start_to_close),
            schedule_to_close_ms: schedule_to_close.map(millis),
            heartbeat_ms: heartbeat.map(millis),
        })
    }
}

impl Retry {
    fn from_value(value: Option<&Value>) -> Result<Self, Fault> {
        let fields = mapping(value, "retry", &["attempts", "delay", "backoff", "delay_max", "non_retryable"])?;
        let get = |name: &str| fields.and_then(|fields| fields.get(name)).filter(|value| !value.is_null());
        let attempts = match get("attempts") {
            None => ATTEMPTS_DEFAULT,
            Some(value) => value
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
                .filter(|count| *count >= 1)
                .ok_or_else(|| wrong("`retry.attempts` must be a whole number, 1 or more"))?,
        };
        let backoff = match get("backoff").and_then(Value::as_str) {
            None if get("backoff").is_none() => Backoff::Exponential,
            Some("constant") => Backoff::Constant,
            Some("linear") => Backoff::Linear,
            Some("exponential") => Backoff::Exponential,
            _ => return Err(wrong("`retry.backoff` must be constant, linear or exponential")),
        };
        let non_retryable = match get("non_retryable") {
            None => Vec::new(),
            Some(value) => value
                .as_array()
                .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect())
                .ok_or_else(|| wrong("`retry.non_retryable` must be a list of error types or titles"))?,
        };
        let delay = span(fields, "delay")?.unwrap_or(DELAY_DEFAULT);
        let delay_max = span(fields, "delay_max")?.unwrap_or(delay.saturating_mul(100));
        Ok(Self {
            attempts_max: attempts,
            delay_ms: millis(delay),
            backoff,
            delay_max_ms: millis(delay_max),
            non_retryable,
        })
    }

    /// Whether an error may be followed by another attempt.
    fn covers(&self, error: &Fault) -> bool {
        let last = error.kind.rsplit('/').next().unwrap_or_default();
        let names = |it: &String| it == &error.kind || it == last || Some(it) == error.title.as_ref();
        !self.non_retryable.iter().any(names)
    }

    /// The delay after so many attempts.
    fn delay_ms(&self, attempts: u32) -> u64 {
        let grown = match self.backoff {
            Backoff::Constant => self.delay_ms,
            Backoff::Linear => self.delay_ms.saturating_mul(u64::from(attempts)),
            Backoff::Exponential => self.delay_ms.saturating_mul(2_u64.saturating_pow(attempts.saturating_sub(1))),
        };
        grown.min(self.delay_max_ms)
    }
}

impl Work {
    /// From the arguments of `orrery.work`.
    pub fn from_arguments(key: String, arguments: &Value, now: UnixMillis) -> Result<Self, Fault> {
        let get = |name: &str| arguments.get(name).filter(|value| !value.is_null());
        let is_name = |text: &&str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            !text.is_empty() && text.len() <= QUEUE_BYTES_MAX && text.bytes().all(fits)
        };
        let queue = get("queue").and_then(Value::as_str).filter(is_name);
        let queue = queue
            .ok_or_else(|| wrong("`queue` must be a name: 1 to 64 of the characters a-z, A-Z, 0-9, '_' and '-'"))?;
        let priority = match get("priority") {
            None => 0,
            Some(value) => value
                .as_u64()
                .filter(|priority| *priority <= PRIORITY_MAX)
                .ok_or_else(|| wrong(&format!("`priority` must be a whole number, 0 to {PRIORITY_MAX}")))?,
        };
        let input = get("input").cloned().unwrap_or(Value::Null);
        if input.to_string().len() > CONTENT_BYTES_MAX {
            return Err(wrong(&format!(
                "`input` is longer than {CONTENT_BYTES_MAX} bytes: pass a reference to a file"
            )));
        }
        let schema = get("schema").cloned();
        if let Some(schema) = &schema {
            violations(schema, &Value::Null)
                .map_err(|error| wrong(&format!("`schema` is not a JSON Schema: {error}")))?;
        }
        Ok(Self {
            key,
            queue: queue.to_owned(),
            input: Arc::new(input),
            priority: u32::try_from(priority).unwrap_or(0),
            schema,
            timeouts: Timeouts::from_value(get("timeouts"))?,
            retry: Retry::from_value(get("retry"))?,
            scheduled_at: now,
            attempt: 1,
            stage: Stage::Queued { since: now },
        })
    }

    /// Takes an event of its own in.
    pub fn apply(&mut self, event: &Event) {
        match &event.fact {
            Fact::WorkStarted { worker, .. } => {
                self.stage = Stage::Started { worker: worker.clone(), at: event.at, beat_at: event.at };
            }
            Fact::WorkHeartbeat { .. } => {
                if let Stage::Started { beat_at, .. } = &mut self.stage {
                    *beat_at = event.at;
                }
            }
            Fact::WorkFailed { retry_at, .. } => {
                self.stage = retry_at.map_or(Stage::Over, |until| Stage::Backoff { until });
            }
            Fact::WorkQueued { attempt, .. } => {
                self.attempt = *attempt;
                self.stage = Stage::Queued { since: event.at };
            }
            Fact::WorkWithdrawn { .. } => self.stage = Stage::Over,
            _ => {}
        }
    }

    /// When the attempt under way must be over; none: none is.
    pub fn close_at(&self) -> Option<UnixMillis> {
        let Stage::Started { at, .. } = self.stage else { return None };
        let attempt = UnixMillis(at.0.saturating_add(self.timeouts.start_to_close_ms));
        Some(self.schedule_to_close_at().map_or(attempt, |step| step.min(attempt)))
    }

    fn schedule_to_close_at(&self) -> Option<UnixMillis> {
        self.timeouts.schedule_to_close_ms.map(|ms| UnixMillis(self.scheduled_at.0.saturating_add(ms)))
    }

    /// What is due next, and when.
    pub fn due(&self) -> Option<(UnixMillis, Due)> {
        let after = |from: UnixMillis, ms: u64| UnixMillis(from.0.saturating_add(ms));
        let times = &self.timeouts;
        let mut found: Vec<(UnixMillis, Due)> = Vec::with_capacity(3);
        match &self.stage {
            Stage::Over => return None,
            Stage::Queued { since } => {
                found.extend(times.schedule_to_start_ms.map(|ms| (after(*since, ms), Due::ScheduleToStart)));
            }
            Stage::Started { at, beat_at, .. } => {
                found.push((after(*at, times.start_to_close_ms), Due::StartToClose));
                found.extend(times.heartbeat_ms.map(|ms| (after(*beat_at, ms), Due::Heartbeat)));
            }
            Stage::Backoff { until } => found.push((*until, Due::Attempt)),
        }
        found.extend(self.schedule_to_close_at().map(|at| (at, Due::ScheduleToClose)));
        found.into_iter().min_by_key(|(at, _)| *at)
    }

    /// Whether a token is that of the attempt under way.
    pub fn admit(&self, seed: u64, given: &str) -> Result<(), Reject> {
        let claimed = attempt_of(given).filter(|attempt| *attempt >= 1 && *attempt <= self.attempt);
        let genuine = claimed.filter(|attempt| token(seed, &self.key, *attempt) == given);
        match (genuine, &self.stage) {
            (None, _) => Err(Reject::UnknownAttempt),
            (Some(attempt), Stage::Started { .. }) if attempt == self.attempt => Ok(()),
            (Some(_), _) => Err(Reject::Stale),
        }
    }

    /// When the next attempt comes after one that failed; none: there is no next.
    pub fn retry_at(&self, error: &Fault, now: UnixMillis) -> Option<UnixMillis> {
        if self.attempt >= self.retry.attempts_max || !self.retry.covers(error) {
            return None;
        }
        let at = UnixMillis(now.0.saturating_add(self.retry.delay_ms(self.attempt)));
        // An attempt that could not be over in time is not made; the step fails with what this one failed with.
        (self.schedule_to_close_at().is_none_or(|close_at| at < close_at)).then_some(at)
    }

    /// Whether a sign of life is worth a line in the journal: two in the time that one is due, however many come.
    pub fn keeps_beat(&self, now: UnixMillis) -> bool {
        match (&self.stage, self.timeouts.heartbeat_ms) {
            (Stage::Started { beat_at, .. }, Some(ms)) => now.0.saturating_sub(beat_at.0) >= ms / 2,
            _ => false,
        }
    }
}
