//! What runs beside the calls: forgetting, publishing the snapshot.

mod housekeeping;
mod publisher;

pub use housekeeping::housekeeping;
pub use publisher::publisher;
