//! The codes and everything that follows from a code.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is none of the codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown error code {0:?}")]
pub struct UnknownErrorCode(pub String);

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $retry:literal, $help:literal;)*) => {
        /// Why something failed. Closed: a new reason is a new variant, and every match over it is exhaustive.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// As it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status that the gateway answers with.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Whether the same request may succeed later without being changed.
            pub fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry,)* }
            }

            /// What it means and what to do, one paragraph.
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

codes! {
    /// The request is malformed or breaks a documented rule.
    InvalidRequest = "invalid_request", 400, false,
        "The request is malformed or a field is out of range. The message names the field; correct it and send again.";
    /// A workflow definition that does not validate.
    InvalidDefinition = "invalid_definition", 422, false,
        "The workflow definition does not validate. The detail lists each fault with line, column and pointer.";
    /// Bytes that are not what their media type says, or are damaged.
    InvalidMedia = "invalid_media", 422, false,
        "A file is empty, damaged, or not of the type it claims to be. Export it again and check the media type.";
    /// A media type that nothing here reads.
    UnsupportedMedia = "unsupported_media", 415, false,
        "No adapter reads this media type. The documentation of the read call lists those that are read.";
    /// More bytes, pixels, seconds or items than the limit.
    PayloadTooLarge = "payload_too_large", 413, false,
        "The payload is above a limit, which the message names. Send less, or ask the operator to raise the limit.";
    /// No valid credentials.
    Unauthenticated = "unauthenticated", 401, false,
        "The API key is missing, unknown, expired or revoked. Send `Authorization: Bearer <key>` with a valid key.";
    /// Valid credentials without the right.
    Forbidden = "forbidden", 403, false,
        "The key is valid but its roles do not allow this. The message names what is needed.";
    /// Nothing by that name for this tenant.
    NotFound = "not_found", 404, false,
        "There is nothing by that name in this tenant. Check the id; ids of other tenants are never found.";
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405, false,
        "The path exists but does not take this method. The header Allow lists those that it takes.";
    /// It exists with other content.
    AlreadyExists = "already_exists", 409, false,
        "Something by that name exists with other content. Choose another name or version.";
    /// Someone else acted first, or the same key came with another request.
    Conflict = "conflict", 409, false,
        "The state changed under the request, or an idempotency key was used again for a different request.";
    /// The thing is not in a state that allows it.
    FailedPrecondition = "failed_precondition", 409, false,
        "The request is well formed, but the thing is not in a state that allows it. The message names the state.";
    /// The time that the caller gave is over.
    DeadlineExceeded = "deadline_exceeded", 504, true,
        "The deadline passed before an answer was there. Allow more time or retry when the system is less busy.";
    /// The caller went away or asked to stop.
    Cancelled = "cancelled", 499, false,
        "The work was cancelled by its caller.";
    /// Too many requests from this tenant, key or person.
    RateLimited = "rate_limited", 429, true,
        "A rate limit was reached. Wait as long as Retry-After says.";
    /// A queue is full.
    Overloaded = "overloaded", 503, true,
        "The system is at one of its limits and sheds load. Retry after the time given.";
    /// The tenant's budget does not cover the call.
    BudgetExceeded = "budget_exceeded", 402, false,
        "The budget of this window does not cover the call. An administrator can raise it; it renews with the next window.";
    /// A policy forbids it.
    PolicyDenied = "policy_denied", 403, false,
        "A policy forbids this. The detail names the policies that decided.";
    /// No model can do what is asked.
    NoModel = "no_model", 422, false,
        "No model in the catalogue may and can do this. The detail lists each candidate and why it was dropped.";
    /// Every model that was tried failed.
    ModelFailed = "model_failed", 502, true,
        "The model or its provider failed. The detail lists the attempts.";
    /// A service that is needed does not answer.
    Unavailable = "unavailable", 503, true,
        "A service that this needs is down or starting. Retry after the time given; `orrery status` shows which.";
    /// Stored data does not match its digest or signature.
    DataCorrupted = "data_corrupted", 500, false,
        "Stored data does not match its digest or signature and is not used. Restore it from its source.";
    /// A bug.
    Internal = "internal", 500, false,
        "Something that should not happen did. The trace id in the answer leads to the log.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = UnknownErrorCode;
    fn from_str(text: &str) -> Result<Self, UnknownErrorCode> {
        let found = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        found.ok_or_else(|| UnknownErrorCode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_code_reads_back_and_agrees_with_its_json() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert!("teapot".parse::<ErrorCode>().is_err());
    }
}
