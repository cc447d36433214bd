//! Which hosts outside may be called. It holds the rules and the resolver that keeps to them, and calls nobody itself: the
//! check is on the address that is connected to, so that no name can resolve to one address when it is checked and to another
//! when it is used, and so that a redirect gains nothing.

mod address;
mod media;
mod network;
mod rule;

pub use address::is_public;
pub use media::{MediaRefused, media_url};
pub use network::{AdmitError, Network, NetworkConfig, Refused, refusal};
pub use rule::{HostRule, InvalidHostRule};
