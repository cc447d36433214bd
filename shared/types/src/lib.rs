//! Ids, newtypes and money that every service shares. No I/O, no clock of its own.

mod digest;
mod ids;
mod money;
mod time;

pub use digest::{InvalidDigest, Sha256Digest};
pub use ids::{BatchId, InvalidId, PrincipalId, ReviewId, TaskId, TenantId};
pub use money::{MoneyOverflow, Nanos};
pub use time::UnixMillis;
