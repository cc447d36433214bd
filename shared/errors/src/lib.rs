//! One closed set of error codes. The code alone knows the HTTP status, whether a retry can help, and the help text;
//! no other crate names an HTTP status.

mod code;
mod error;

pub use code::{ErrorCode, UnknownErrorCode};
pub use error::Error;
