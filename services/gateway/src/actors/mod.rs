//! The shell: the actor that owns the keys and publishes their snapshot, the actor that records denials, and the tasks
//! that follow the bus and serve HTTP.

mod bootstrap;
mod denials;
mod http;
mod key_store;
mod task_signals;

pub use bootstrap::{BootstrapError, bootstrap};
pub use denials::{Cause, Denials, Denied};
pub use http::http;
pub use key_store::{CreateKey, CreateTenant, KeyStore, ListKeys, ListTenants, RevokeKey, SharedDirectory};
pub use task_signals::{TaskSignals, Watch, follow_events};
