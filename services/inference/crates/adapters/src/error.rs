//! Everything that can be wrong with a payload, each with its remedy, and the public code of each.

use orrery_errors::ErrorCode;

use orrery_content::capability::CapabilityError;

/// One place where structured input breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// JSON pointer into the input; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Why a payload could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AdapterError {
    /// No bytes at all.
    #[error("the payload is empty; attach the file again")]
    Empty,
    /// Above the byte limit.
    #[error("the payload has {size} bytes and the limit is {limit}; send a smaller file")]
    TooManyBytes {
        /// Bytes that came.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Label and bytes disagree.
    #[error("declared as {declared} but the bytes are {found}; send it with the right media type")]
    Contradiction {
        /// What the sender said.
        declared: String,
        /// What the bytes are.
        found: String,
    },
    /// No adapter reads it.
    #[error("{media_type} is not read here; convert it to one of: {known}")]
    Unsupported {
        /// The type that was found.
        media_type: String,
        /// The types that are read.
        known: String,
    },
    /// The bytes break off or break their format.
    #[error("the {media_type} is damaged: {reason}; export or send it again")]
    Damaged {
        /// The type that was found.
        media_type: &'static str,
        /// What the decoder met.
        reason: String,
    },
    /// Above the pixel limit, by the picture's own header.
    #[error("the picture is {width} x {height} pixels and the limit is {limit} in all; scale it down")]
    TooManyPixels {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Pixels allowed in all.
        limit: u64,
    },
    /// A recording above the limit.
    #[error("the recording is longer than {limit} seconds; cut it into parts")]
    TooLong {
        /// Seconds allowed.
        limit: u64,
    },
    /// A recording without a single sample.
    #[error("the recording has no sound in it; record it again")]
    NoSamples,
    /// More pages than the limit.
    #[error("the document has {pages} pages and the limit is {limit}; send the part that matters")]
    TooManyPages {
        /// Pages found.
        pages: u32,
        /// Pages allowed.
        limit: u32,
    },
    /// More rows than the limit.
    #[error("the table has more than {limit} rows; split it")]
    TooManyRows {
        /// Rows allowed.
        limit: usize,
    },
    /// A document that wants a password.
    #[error("the document is locked by a password; send it unlocked")]
    Locked,
    /// Text in another encoding.
    #[error("the text is not valid utf-8 from byte {offset}; save it as utf-8")]
    InvalidUtf8 {
        /// Bytes before the first invalid one.
        offset: usize,
    },
    /// JSON or CSV that does not parse.
    #[error("the {media_type} does not parse at line {line}, column {column}: {reason}; correct it there")]
    Syntax {
        /// The type that was found.
        media_type: &'static str,
        /// From 1.
        line: usize,
        /// From 1; 0 where only the line is known.
        column: usize,
        /// What the parser met.
        reason: String,
    },
    /// Structured input that breaks its schema.
    #[error("the input breaks its schema in {} places: {}; correct these fields", .violations.len(), named(.violations))]
    SchemaViolated {
        /// Every one of them.
        violations: Vec<Violation>,
    },
    /// The schema itself is wrong.
    #[error("the schema given for the input is not valid: {reason}; correct the workflow's schema")]
    InvalidSchema {
        /// What is wrong with it.
        reason: String,
    },
    /// A library that an adapter needs cannot be loaded.
    #[error("{library} cannot be loaded: {reason}; run the setup again")]
    Library {
        /// Its name.
        library: &'static str,
        /// What the loader said.
        reason: String,
    },
    /// A model did not answer.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
}

/// How many violations a message spells out; all of them are in the detail.
const NAMED_MAX: usize = 5;

fn named(violations: &[Violation]) -> String {
    let mut parts: Vec<String> = violations
        .iter()
        .take(NAMED_MAX)
        .map(|violation| {
            let path = if violation.path.is_empty() { "the whole" } else { &violation.path };
            format!("{path}: {}", violation.message)
        })
        .collect();
    if violations.len() > NAMED_MAX {
        parts.push(format!("{} more", violations.len() - NAMED_MAX));
    }
    parts.join("; ")
}

impl AdapterError {
    /// The public code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Empty
            | Self::Contradiction { .. }
            | Self::Damaged { .. }
            | Self::NoSamples
            | Self::Locked
            | Self::InvalidUtf8 { .. }
            | Self::Syntax { .. } => ErrorCode::InvalidMedia,
            Self::TooManyBytes { .. }
            | Self::TooManyPixels { .. }
            | Self::TooLong { .. }
            | Self::TooManyPages { .. }
            | Self::TooManyRows { .. } => ErrorCode::PayloadTooLarge,
            Self::Unsupported { .. } => ErrorCode::UnsupportedMedia,
            Self::SchemaViolated { .. } => ErrorCode::InvalidRequest,
            Self::InvalidSchema { .. } => ErrorCode::InvalidDefinition,
            Self::Library { .. } => ErrorCode::Unavailable,
            Self::Capability(CapabilityError::Missing(_)) => ErrorCode::NoModel,
            Self::Capability(CapabilityError::Failed(_)) => ErrorCode::ModelFailed,
            Self::Capability(CapabilityError::Busy) => ErrorCode::Overloaded,
            Self::Capability(CapabilityError::Interrupted) => ErrorCode::Cancelled,
        }
    }
}

impl From<AdapterError> for orrery_errors::Error {
    fn from(error: AdapterError) -> Self {
        let public = Self::new(error.code(), error.to_string());
        match error {
            AdapterError::SchemaViolated { violations } => {
                public.detail(serde_json::json!({ "violations": violations }))
            }
            _ => public,
        }
    }
}
