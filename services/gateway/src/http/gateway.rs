//! What every handler may use. Shared by all workers; nothing in it waits.

use orrery_bus::Bus;
use orrery_supervise::Handle;
use orrery_vault::KeySource;
use tokio_util::sync::CancellationToken;

use super::{InFlight, Room, Uploads};
use crate::actors::{Denials, KeyStore, SharedDirectory, TaskSignals};
use crate::batches::Batches;
use crate::config::GatewayConfig;
use crate::files::Files;
use crate::models::Models;

/// The gateway as its handlers see it.
#[derive(Debug)]
pub struct Gateway {
    /// The other services.
    pub bus: Bus,
    /// The models.
    pub models: Models,
    /// Limits and defaults.
    pub config: GatewayConfig,
    /// The keys that seal secrets on their way to the router.
    pub sealing_keys: KeySource,
    /// The snapshot of keys.
    pub directory: SharedDirectory,
    /// The owner of keys and tenants.
    pub keys: Handle<KeyStore>,
    /// Who records those turned away.
    pub denials: Handle<Denials>,
    /// What happens to tasks.
    pub signals: TaskSignals,
    /// Files that clients keep here.
    pub files: Files,
    /// Batches of calls to models.
    pub batches: Batches,
    /// Files on their way in.
    pub uploads: Uploads,
    /// Cancelled when the process goes down: endless answers end.
    pub closing: CancellationToken,
    /// For calls to models.
    pub room: Room,
    /// Requests under way.
    pub in_flight: InFlight,
}
