//! Owns tenants and keys. Each change is committed first; then a new snapshot is published, and only then is the change
//! answered, so that a key works, and a revoked one does not, from the moment that its maker hears of it (G-2).

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use arc_swap::ArcSwap;
use orrery_errors::Error;
use orrery_store::StoreError;
use orrery_supervise::ActorSpec;
use orrery_types::{TenantId, UnixMillis};

use crate::domain::directory::Directory;
use crate::store::{ControlPlane, KeyRow, NewKey, TenantRow};

/// How often changes by other gateways are looked for.
const REFRESH: Duration = Duration::from_secs(1);
/// Administrators who may wait.
const MAILBOX: usize = 64;

/// The snapshot of keys that admission reads.
pub type SharedDirectory = Arc<ArcSwap<Directory>>;

/// The owner of tenants and keys.
#[derive(Debug)]
pub struct KeyStore {
    control: ControlPlane,
    directory: SharedDirectory,
}

impl KeyStore {
    /// Starts with the snapshot published, so that whatever is started after it can admit.
    pub fn spec(control: ControlPlane, directory: SharedDirectory) -> ActorSpec<Self> {
        ActorSpec::try_new("keys", move || {
            let (control, directory) = (control.clone(), directory.clone());
            async move {
                let store = Self { control, directory };
                store.publisher()().await?;
                Ok::<_, StoreError>(store)
            }
        })
        .mailbox(MAILBOX)
    }

    /// Reads all keys and publishes them, unless something newer is published already.
    fn publisher(&self) -> impl Fn() -> LocalBoxFuture<'static, Result<(), StoreError>> + use<> {
        let (control, directory) = (self.control.clone(), self.directory.clone());
        move || {
            let (control, directory) = (control.clone(), directory.clone());
            Box::pin(async move {
                let fresh = Arc::new(control.directory().await?);
                directory.rcu(|published| {
                    let newer = fresh.revision() >= published.revision();
                    if newer { fresh.clone() } else { published.clone() }
                });
                Ok(())
            })
        }
    }

    /// Runs a change and publishes what it made true.
    fn change<T: 'static>(
        &self,
        change: impl Future<Output = Result<T, Error>> + 'static,
    ) -> ResponseFuture<Result<T, Error>> {
        let publish = self.publisher();
        Box::pin(async move {
            let changed = change.await?;
            publish().await.map_err(Error::from)?;
            Ok(changed)
        })
    }

    fn refresh(&mut self, context: &mut Context<Self>) {
        let (control, publish) = (self.control.clone(), self.publisher());
        let published = self.directory.load().revision();
        let refreshing = async move {
            let outcome = match control.revision().await {
                Ok(revision) if revision == published => Ok(()),
                Ok(_) => publish().await,
                Err(error) => Err(error),
            };
            // The last snapshot goes on being used: a database that is away must not lock everyone out.
            if let Err(error) = outcome {
                tracing::warn!(%error, "the keys were not refreshed");
            }
        };
        context.spawn(refreshing.into_actor(self));
    }
}

type LocalBoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + 'a>>;

impl Actor for KeyStore {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(REFRESH, Self::refresh);
    }
}

/// Makes a key.
#[derive(Debug, Message)]
#[rtype(result = "Result<KeyRow, Error>")]
pub struct CreateKey(pub NewKey);

/// Ends a key of `tenant`.
#[derive(Debug, Message)]
#[rtype(result = "Result<KeyRow, Error>")]
pub struct RevokeKey {
    /// Whose it must be.
    pub tenant: TenantId,
    /// The public part.
    pub id: String,
    /// Who asks.
    pub by: String,
}

/// The keys of a tenant.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<KeyRow>, Error>")]
pub struct ListKeys(pub TenantId);

/// Makes a tenant.
#[derive(Debug, Message)]
#[rtype(result = "Result<TenantRow, Error>")]
pub struct CreateTenant {
    /// Its id.
    pub id: TenantId,
    /// For people.
    pub title: String,
    /// Who asks.
    pub by: String,
}

/// All tenants.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<TenantRow>, Error>")]
pub struct ListTenants;

impl Handler<CreateKey> for KeyStore {
    type Result = ResponseFuture<Result<KeyRow, Error>>;

    fn handle(&mut self, CreateKey(key): CreateKey, _: &mut Self::Context) -> Self::Result {
        let control = self.control.clone();
        self.change(async move { Ok(control.create_key(key).await?) })
    }
}

impl Handler<RevokeKey> for KeyStore {
    type Result = ResponseFuture<Result<KeyRow, Error>>;

    fn handle(&mut self, revoke: RevokeKey, _: &mut Self::Context) -> Self::Result {
        let control = self.control.clone();
        let RevokeKey { tenant, id, by } = revoke;
        self.change(async move { Ok(control.revoke_key(&tenant, id, by, UnixMillis::now()).await?) })
    }
}

impl Handler<ListKeys> for KeyStore {
    type Result = ResponseFuture<Result<Vec<KeyRow>, Error>>;

    fn handle(&mut self, ListKeys(tenant): ListKeys, _: &mut Self::Context) -> Self::Result {
        let control = self.control.clone();
        Box::pin(async move { Ok(control.keys(&tenant).await?) })
    }
}

impl Handler<CreateTenant> for KeyStore {
    type Result = ResponseFuture<Result<TenantRow, Error>>;

    fn handle(&mut self, create: CreateTenant, _: &mut Self::Context) -> Self::Result {
        let control = self.control.clone();
        let CreateTenant { id, title, by } = create;
        self.change(async move { Ok(control.create_tenant(&id, title, by, UnixMillis::now()).await?) })
    }
}

impl Handler<ListTenants> for KeyStore {
    type Result = ResponseFuture<Result<Vec<TenantRow>, Error>>;

    fn handle(&mut self, _: ListTenants, _: &mut Self::Context) -> Self::Result {
        let control = self.control.clone();
        Box::pin(async move { Ok(control.tenants().await?) })
    }
}
