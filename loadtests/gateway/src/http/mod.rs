//! HTTP/1.1 as lean as it gets, so that what is measured is not the load generator: heads by `httparse`, bodies by length or
//! in chunks, one request at a time on a kept connection.

mod body;
mod connection;

pub use body::Body;
pub use connection::Connection;

/// Of a message.
pub const HEADERS_MAX: usize = 64;
