//! The configuration that every service shares.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Paths, env};

/// Configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named by `ORRERY_CONFIG` cannot be read.
    #[error("cannot read the configuration file {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not valid TOML, or a field is unknown or of the wrong type.
    #[error("invalid configuration in {path}: {source}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A setting without a default is missing.
    #[error("{what} is not set: set {name} or `{key}` in the configuration file")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its environment name.
        name: &'static str,
        /// Its key in the file.
        key: &'static str,
    },
    /// A setting has a value that cannot be.
    #[error("{name} has the value {value:?}: {reason}")]
    Invalid {
        /// Its environment name or key.
        name: &'static str,
        /// The value found.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// How to reach NATS.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// For example `nats://127.0.0.1:4222`.
    pub url: String,
    /// The service's own user.
    pub user: String,
    /// Its password. Never logged.
    pub password: Secret,
}

/// A text that does not show itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Logs and traces.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// Filter as `tracing` takes it.
    pub filter: String,
    /// One JSON object a line, or text for people.
    pub json: bool,
    /// OTLP/HTTP endpoint; none: traces stay in the process.
    pub otlp_endpoint: Option<String>,
}

impl TelemetryConfig {
    /// From the environment alone, as the command line uses it.
    pub fn from_env() -> Self {
        Self {
            filter: env::read(env::LOG).unwrap_or_else(|| "info".to_owned()),
            json: env::read(env::LOG_FORMAT).is_none_or(|format| format != "text"),
            otlp_endpoint: env::read(env::OTLP_ENDPOINT),
        }
    }
}

/// What every service needs to start. Sections of one service are read by [`ServiceConfig::section`].
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// The service's name, for example `kernel`.
    pub service: &'static str,
    /// Folders.
    pub paths: Paths,
    /// The bus.
    pub nats: NatsConfig,
    /// `sqlite:///…` or `postgres://…`; default: `<data>/<service>.db`.
    pub database_url: String,
    /// Redis, for the services that use it.
    pub redis_url: Option<String>,
    /// Health and metrics; default: a free loopback port.
    pub admin_listen: SocketAddr,
    /// The gateway's public interface; default `127.0.0.1:8080`.
    pub http_listen: SocketAddr,
    /// The keys that seal providers' secrets, where the environment holds them.
    pub secrets_key: Option<Secret>,
    /// The file that holds them otherwise; default: `<data>/secrets.key`. It need not be there.
    pub secrets_key_file: PathBuf,
    /// `cpu`, `cuda` or `cuda:N`; none: chosen at start.
    pub device: Option<String>,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    file: toml::Table,
    file_path: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
struct CommonSection {
    nats_url: Option<String>,
    nats_user: Option<String>,
    database_url: Option<String>,
    redis_url: Option<String>,
    admin_listen: Option<String>,
    http_listen: Option<String>,
    secrets_key_file: Option<PathBuf>,
    device: Option<String>,
}

impl ServiceConfig {
    /// Reads the file (if `ORRERY_CONFIG` names one) and the environment, which wins.
    pub fn load(service: &'static str) -> Result<Self, ConfigError> {
        let (file_path, file) = read_file()?;
        let common: CommonSection = section_of(&file, &file_path, "orrery")?;
        let paths = Paths::from_env();
        let missing = |what, name, key| ConfigError::Missing { what, name, key };
        let nats = NatsConfig {
            url: env::read(env::NATS_URL)
                .or(common.nats_url)
                .ok_or_else(|| missing("the NATS server", env::NATS_URL, "orrery.nats_url"))?,
            user: env::read(env::NATS_USER).or(common.nats_user).unwrap_or_else(|| service.to_owned()),
            password: Secret::new(env::read(env::NATS_PASSWORD).unwrap_or_default()),
        };
        let database_url = env::read(env::DATABASE_URL)
            .or(common.database_url)
            .unwrap_or_else(|| format!("sqlite://{}", paths.data.join(format!("{service}.db")).display()));
        Ok(Self {
            service,
            nats,
            database_url,
            redis_url: env::read(env::REDIS_URL).or(common.redis_url),
            admin_listen: address(env::ADMIN_LISTEN, common.admin_listen, "127.0.0.1:0")?,
            http_listen: address(env::HTTP_LISTEN, common.http_listen, "127.0.0.1:8080")?,
            secrets_key: env::read(env::SECRETS_KEY).map(Secret::new),
            secrets_key_file: env::read(env::SECRETS_KEY_FILE)
                .map(PathBuf::from)
                .or(common.secrets_key_file)
                .unwrap_or_else(|| paths.data.join("secrets.key")),
            device: env::read(env::DEVICE).or(common.device),
            telemetry: TelemetryConfig::from_env(),
            paths,
            file,
            file_path,
        })
    }

    /// The section of the file named after the service, or its defaults.
    pub fn section<T: DeserializeOwned + Default>(&self) -> Result<T, ConfigError> {
        section_of(&self.file, &self.file_path, self.service)
    }
}

fn read_file() -> Result<(PathBuf, toml::Table), ConfigError> {
    let Some(path) = env::read(env::CONFIG).map(PathBuf::from) else {
        return Ok((PathBuf::new(), toml::Table::new()));
    };
    let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
    match text.parse() {
        Ok(table) => Ok((path, table)),
        Err(source) => Err(ConfigError::Parse { path, source: Box::new(source) }),
    }
}

fn section_of<T: DeserializeOwned + Default>(
    file: &toml::Table,
    path: &std::path::Path,
    name: &str,
) -> Result<T, ConfigError> {
    match file.get(name) {
        None => Ok(T::default()),
        Some(value) => value
            .clone()
            .try_into()
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) }),
    }
}

fn address(name: &'static str, from_file: Option<String>, default: &str) -> Result<SocketAddr, ConfigError> {
    let value = env::read(name).or(from_file).unwrap_or_else(|| default.to_owned());
    value.parse().map_err(|_| ConfigError::Invalid {
        name,
        reason: "expected an address and a port, for example 127.0.0.1:8080".to_owned(),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "…");
    }

    #[test]
    fn an_address_that_cannot_be_names_the_setting_and_the_remedy() {
        let error = address(env::ADMIN_LISTEN, Some("nonsense".to_owned()), "127.0.0.1:0").map_err(|e| e.to_string());
        let expected = "ORRERY_ADMIN_LISTEN has the value \"nonsense\": expected an address and a port, for example 127.0.0.1:8080";
        assert_eq!(error, Err(expected.to_owned()));
    }
}
