//! The retrieval service: takes documents into knowledge collections, finds what is asked for among them, and says where
//! it stands. It must never show a tenant another's documents or a caller what its roles do not admit, answer without
//! leaving a record, or run a model itself.

mod actors;
pub mod domain;
pub mod error;
mod inbound;
mod models;
mod records;
pub mod store;

use orrery_service::{ServiceContext, ServiceError, bus_endpoint};
use orrery_supervise::{Strategy, SupervisorSpec};

use crate::actors::librarian::{self, Shelf};
use crate::inbound::Api;
use crate::models::Models;
use crate::store::KnowledgeStore;

/// Opens the database and gives the actor tree: the librarian, which owns the indexes and alone changes them; what
/// carries audit records to the bus; and the calls, which begin once every collection is on the shelf.
pub async fn tree(context: ServiceContext) -> Result<SupervisorSpec, ServiceError> {
    let store = KnowledgeStore::open(&context.config.database_url).await.map_err(ServiceError::prepare)?;
    let shelf = Shelf::default();
    let librarian = librarian::spec(store.clone(), shelf.clone());
    let bus = context.bus;
    let api = Api {
        bus: bus.clone(),
        models: Models::new(bus.clone()),
        librarian: librarian.handle(),
        shelf,
        store: store.clone(),
    };
    Ok(SupervisorSpec::new("retrieval")
        .strategy(Strategy::OneForOne)
        .child(librarian)
        .child(store.pump().task(&bus))
        .child(bus_endpoint(move || api.server(&bus))))
}
