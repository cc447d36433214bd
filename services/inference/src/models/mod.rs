//! The models of this process: found in the repository, verified, loaded, and put behind lanes. A model that cannot be
//! used is listed with the reason, and what needs it is refused; the others work on.

mod chat;
mod embed;
mod load;
mod read;
mod speech;

pub use chat::{ChatBackend, ChatReply, ChatRequest};
pub use embed::{EmbedBackend, EmbedReply, EmbedRequest};
pub use load::{Listed, LoadSettings, Loaded, State};
pub use read::{OwnedInput, ReadBackend, ReadKind};

use orrery_errors::{Error, ErrorCode};

use orrery_torch::ModelError;

/// What callers are told when a model fails on their input, or fails altogether.
fn model_error(error: &ModelError) -> Error {
    let code = match error {
        ModelError::TooLong { .. } => ErrorCode::PayloadTooLarge,
        ModelError::InvalidInput(_)
        | ModelError::ChatTemplate(_)
        | ModelError::ContextOverflow { .. }
        | ModelError::Schema { .. } => ErrorCode::InvalidRequest,
        _ => ErrorCode::ModelFailed,
    };
    Error::new(code, error.to_string())
}
