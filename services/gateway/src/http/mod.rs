//! What all routes share: admission, errors, request bodies and uploads, the table of routes, and calls to the bus.

pub mod admission;
pub mod answer;
pub mod body;
pub mod call;
pub mod failure;
mod gateway;
mod in_flight;
mod media_type;
pub mod multipart;
mod room;
pub mod table;
mod uploads;

pub use answer::Answer;
pub use call::Call;
pub use failure::Failure;
pub use gateway::Gateway;
pub use in_flight::InFlight;
pub use room::{PRIORITY, Room};
pub use uploads::{Spool, Upload, Uploads};
