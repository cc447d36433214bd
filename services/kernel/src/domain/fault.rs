//! Errors as the DSL shapes them (specification, "Errors"; after RFC 7807).

use orrery_errors::{Error, ErrorCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Title of the error of a run that took too many steps.
pub const STEP_LIMIT: &str = "step_limit";
/// Title of the error of a run whose steps put out too much.
pub const SIZE_LIMIT: &str = "size_limit";
const LIMITS: [&str; 2] = [STEP_LIMIT, SIZE_LIMIT];
const TYPES: &str = "https://serverlessworkflow.io/spec/1.0.0/errors/";
/// How the specification's conformance features and an example of its reference still write it.
const TYPES_BEFORE: [&str; 2] =
    ["https://serverlessworkflow.io/dsl/errors/types/", "https://serverlessworkflow.io.io/dsl/errors/types/"];

/// The standard error types with their statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// The workflow is set up wrongly.
    Configuration,
    /// A value does not fit its schema.
    Validation,
    /// An expression failed.
    Expression,
    /// The caller is not known.
    Authentication,
    /// The caller may not.
    Authorization,
    /// It took too long.
    Timeout,
    /// A service could not be reached or failed.
    Communication,
    /// Anything else.
    Runtime,
}

impl Standard {
    fn parts(self) -> (&'static str, u64) {
        match self {
            Self::Configuration => ("configuration", 400),
            Self::Validation => ("validation", 400),
            Self::Expression => ("expression", 400),
            Self::Authentication => ("authentication", 401),
            Self::Authorization => ("authorization", 403),
            Self::Timeout => ("timeout", 408),
            Self::Communication => ("communication", 500),
            Self::Runtime => ("runtime", 500),
        }
    }
}

/// An error of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// A URI that names the kind of error.
    #[serde(rename = "type")]
    pub kind: String,
    /// A status code.
    pub status: u64,
    /// A short title; for errors of the platform, its error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The pointer of the task that raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl Fault {
    /// A standard error.
    pub fn new(standard: Standard, detail: impl Into<String>) -> Self {
        let (name, status) = standard.parts();
        Self { kind: format!("{TYPES}{name}"), status, title: None, detail: Some(detail.into()), instance: None }
    }

    /// With a title.
    #[must_use]
    pub fn titled(mut self, title: &str) -> Self {
        self.title = Some(title.to_owned());
        self
    }

    /// With the status that describes it best.
    #[must_use]
    pub fn with_status(mut self, status: u64) -> Self {
        self.status = status;
        self
    }

    /// Raised at a task, unless it already names one.
    #[must_use]
    pub fn at(mut self, pointer: &str) -> Self {
        self.instance.get_or_insert_with(|| pointer.to_owned());
        self
    }

    /// From the value of a `raise`; type and status have been checked by the definition's schema unless computed.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        let text = |field: &str| match value.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        Ok(Self {
            kind: text("type").ok_or("a raised error needs a `type`")?,
            status: value.get("status").and_then(Value::as_u64).ok_or("a raised error needs a numeric `status`")?,
            title: text("title"),
            detail: text("detail"),
            instance: text("instance"),
        })
    }

    /// What the record may say of it: the platform's code, else the last part of its type. A title that a workflow made
    /// up may hold anything and stays out.
    pub fn code(&self) -> &str {
        let of_the_kind = || self.kind.rsplit('/').next().unwrap_or_default();
        let of_the_platform = |title: &&str| title.parse::<ErrorCode>().is_ok() || LIMITS.contains(title);
        self.title.as_deref().filter(of_the_platform).unwrap_or_else(of_the_kind)
    }

    /// Whether it is of a type. The standard types are the same under all of their names.
    pub fn is_of(&self, kind: &str) -> bool {
        let name = |kind: &str| {
            let of_the_standard = [TYPES].iter().chain(&TYPES_BEFORE).find_map(|base| kind.strip_prefix(base));
            of_the_standard.map(str::to_owned)
        };
        self.kind == kind || name(&self.kind).is_some_and(|own| name(kind) == Some(own))
    }

    /// As JSON, for `$error`.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({}))
    }
}

/// A failed call, as the workflow sees it: the platform's code is the title, its meaning the type.
impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        let standard = match error.code {
            ErrorCode::InvalidRequest
            | ErrorCode::MethodNotAllowed
            | ErrorCode::InvalidDefinition
            | ErrorCode::InvalidMedia
            | ErrorCode::UnsupportedMedia
            | ErrorCode::PayloadTooLarge => Standard::Validation,
            ErrorCode::Unauthenticated => Standard::Authentication,
            ErrorCode::Forbidden | ErrorCode::PolicyDenied => Standard::Authorization,
            ErrorCode::DeadlineExceeded => Standard::Timeout,
            ErrorCode::NotFound | ErrorCode::NoModel => Standard::Configuration,
            ErrorCode::RateLimited | ErrorCode::Overloaded | ErrorCode::Unavailable | ErrorCode::ModelFailed => {
                Standard::Communication
            }
            ErrorCode::AlreadyExists
            | ErrorCode::Conflict
            | ErrorCode::FailedPrecondition
            | ErrorCode::Cancelled
            | ErrorCode::BudgetExceeded
            | ErrorCode::DataCorrupted
            | ErrorCode::Internal => Standard::Runtime,
        };
        Self::new(standard, error.message.clone()).titled(error.code.as_str())
    }
}
