//! The first key. Without it nobody could make another.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use orrery_store::StoreError;
use orrery_types::{InvalidId, PrincipalId, TenantId, UnixMillis};

use crate::config::GatewayConfig;
use crate::domain::api_key::ApiKey;
use crate::domain::role::Role;
use crate::store::{ControlPlane, NewKey};

/// Longest text that a key file may hold.
const FILE_BYTES_MAX: u64 = 1024;

/// Why there is no first key.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `gateway.bootstrap_tenant`.
    #[error("gateway.bootstrap_tenant: {0}")]
    Tenant(#[from] InvalidId),
    /// The file can be neither read nor written.
    #[error("gateway.bootstrap_key_file {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is there and holds something else.
    #[error("gateway.bootstrap_key_file {path} holds no key; remove it or name another file", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// Makes the first key when there is none and the configuration names a file for it. The file comes before the row, so
/// that no crash leaves a key that nobody knows.
pub async fn bootstrap(control: &ControlPlane, config: &GatewayConfig) -> Result<(), BootstrapError> {
    let Some(path) = config.bootstrap_key_file.clone() else { return Ok(()) };
    if control.revision().await? > 0 {
        return Ok(());
    }
    let tenant = TenantId::new(&config.bootstrap_tenant)?;
    let key = key_in(&path)?;
    let new = NewKey {
        id: key.id().to_owned(),
        digest: key.digest(),
        tenant,
        principal: PrincipalId::new("admin")?,
        team: String::new(),
        roles: [Role::Admin, Role::Operator].map(|role| role.as_str().to_owned()).to_vec(),
        created_by: "bootstrap".to_owned(),
        expires_at: None,
        now: UnixMillis::now(),
    };
    if control.bootstrap(new).await? {
        tracing::info!(key.id = key.id(), key.file = %path.display(), "made the first key");
    }
    Ok(())
}

/// The key in the file, or a fresh one that is then in the file. Blocks; runs once before anything listens.
fn key_in(path: &Path) -> Result<ApiKey, BootstrapError> {
    let failed = |source| BootstrapError::File { path: path.to_owned(), source };
    let fresh = ApiKey::from_random(rand::random(), rand::random());
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        Ok(mut file) => {
            writeln!(file, "{}", fresh.expose()).and_then(|()| file.sync_all()).map_err(failed)?;
            Ok(fresh)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let mut text = String::new();
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
            ApiKey::parse(text.trim()).ok_or_else(|| BootstrapError::Content { path: path.to_owned() })
        }
        Err(error) => Err(failed(error)),
    }
}
