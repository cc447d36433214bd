//! Errors as clients see them: one documented shape, and OpenAI's and Anthropic's on the routes that speak as they do.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use orrery_errors::{Error, ErrorCode};
use orrery_supervise::SendError;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Whose shape a route's errors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The documented shape of this gateway.
    Orrery,
    /// OpenAI's.
    OpenAi,
    /// Anthropic's.
    Anthropic,
}

/// A failed request.
#[derive(Debug)]
pub struct Failure {
    /// What and why. Boxed, since a failure is much larger than most results.
    pub error: Box<Error>,
    /// The parameter at fault, where one is to blame. Shown in OpenAI's shape.
    pub param: Option<String>,
}

impl Failure {
    /// Malformed, or against a documented rule.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorCode::InvalidRequest, message).into()
    }

    /// One parameter is at fault.
    pub fn param(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::invalid(message) }
    }

    /// The answer in `dialect`.
    pub fn response(&self, dialect: Dialect, trace_id: Option<&str>) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code());
        if let Some(after) = self.error.retry_after {
            // Whole seconds, rounded up, as the header wants it.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.error.code == ErrorCode::PayloadTooLarge {
            // What the client still sends is not read.
            response.force_close();
        }
        match dialect {
            Dialect::Orrery => response.json(self.body(trace_id)),
            Dialect::OpenAi => response.json(self.openai_body()),
            Dialect::Anthropic => response.json(self.anthropic_body(trace_id)),
        }
    }

    /// In this gateway's shape.
    pub fn body(&self, trace_id: Option<&str>) -> ErrorBody {
        let retry_after_ms = self.error.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let error = ErrorFields {
            code: self.error.code.as_str(),
            message: self.error.message.clone(),
            help: self.error.code.help(),
            retry_after_ms,
            detail: self.error.detail.clone(),
            trace_id: trace_id.map(str::to_owned),
        };
        ErrorBody { error }
    }

    /// In Anthropic's shape, which has no place for the parameter at fault: the message begins with it.
    pub fn anthropic_body(&self, request_id: Option<&str>) -> AnthropicErrorBody {
        let kind = match self.error.code {
            ErrorCode::Unauthenticated => "authentication_error",
            ErrorCode::Forbidden | ErrorCode::PolicyDenied => "permission_error",
            ErrorCode::NotFound | ErrorCode::NoModel => "not_found_error",
            ErrorCode::BudgetExceeded => "billing_error",
            ErrorCode::PayloadTooLarge => "request_too_large",
            ErrorCode::RateLimited => "rate_limit_error",
            ErrorCode::Overloaded => "overloaded_error",
            ErrorCode::DeadlineExceeded => "timeout_error",
            _ if self.status_code().is_client_error() => "invalid_request_error",
            _ => "api_error",
        };
        let message = match &self.param {
            Some(param) if !self.error.message.starts_with(param.as_str()) => {
                format!("{param}: {}", self.error.message)
            }
            _ => self.error.message.clone(),
        };
        AnthropicErrorBody {
            kind: "error",
            error: AnthropicError { kind, message },
            request_id: request_id.map(str::to_owned),
        }
    }

    /// In OpenAI's shape.
    pub fn openai_body(&self) -> OpenAiErrorBody {
        let code = self.error.code;
        // The names that OpenAI's own packages and their users match on.
        let (kind, code) = match code {
            ErrorCode::Unauthenticated => ("invalid_request_error", "invalid_api_key"),
            ErrorCode::NoModel => ("invalid_request_error", "model_not_found"),
            ErrorCode::NotFound if self.param.as_deref() == Some("model") => {
                ("invalid_request_error", "model_not_found")
            }
            ErrorCode::BudgetExceeded => ("insufficient_quota", "insufficient_quota"),
            ErrorCode::RateLimited => ("rate_limit_error", "rate_limit_exceeded"),
            ErrorCode::Forbidden | ErrorCode::PolicyDenied => ("permission_error", code.as_str()),
            _ if self.status_code().is_client_error() => ("invalid_request_error", code.as_str()),
            _ => ("server_error", code.as_str()),
        };
        let error = OpenAiError { message: self.error.message.clone(), kind, param: self.param.clone(), code };
        OpenAiErrorBody { error }
    }
}

/// Anthropic's shape of errors.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnthropicErrorBody {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What went wrong.
    pub error: AnthropicError,
    /// Leads to logs and traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What went wrong, as Anthropic says it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnthropicError {
    /// A class of errors.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What was wrong, with what, and what to do.
    pub message: String,
}

/// The one shape of errors.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorFields,
}

/// What went wrong and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorFields {
    /// One of a closed set.
    pub code: &'static str,
    /// What was wrong, with what, and what to do.
    pub message: String,
    /// What the code means.
    pub help: &'static str,
    /// When a retry may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// More, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// Leads to logs and traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// OpenAI's shape of errors.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenAiErrorBody {
    /// What went wrong.
    pub error: OpenAiError,
}

/// What went wrong, as OpenAI says it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenAiError {
    /// What was wrong, with what, and what to do.
    pub message: String,
    /// A class of errors.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The parameter at fault.
    pub param: Option<String>,
    /// The error itself.
    pub code: &'static str,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error.code, self.error.message)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.response(Dialect::Orrery, None)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error: Box::new(error), param: None }
    }
}

/// For work that no request waits for: nobody is told which parameter is at fault.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        *failure.error
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let code = match &error {
            SendError::Full { .. } => ErrorCode::Overloaded,
            SendError::Restarting { .. }
            | SendError::Draining { .. }
            | SendError::Stopped { .. }
            | SendError::Lost { .. } => ErrorCode::Unavailable,
            SendError::Deadline { .. } => ErrorCode::DeadlineExceeded,
        };
        let hint = error.retry_after();
        let told = Error::new(code, error.to_string());
        match hint {
            Some(after) => told.retry_after(after).into(),
            None => told.into(),
        }
    }
}
