//! Where providers' keys are found.

use std::fmt;

use orrery_config::{Secret, env};
use orrery_routing::catalogue::SecretRef;

/// A key that is not there. Says where it should be and never what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SecretError {
    /// Where it should be.
    pub place: String,
    /// Why it is not.
    pub reason: String,
}

/// Finds secrets.
pub trait Secrets: fmt::Debug + Send + Sync {
    /// The secret that a reference names.
    fn find(&self, reference: &SecretRef) -> Result<Secret, SecretError>;
}

/// The environment and files of this process. Knows no secret store.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSecrets;

impl Secrets for LocalSecrets {
    fn find(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let missing = |place: String, reason: String| SecretError { place, reason };
        match reference {
            SecretRef::Env(name) => env::read(name)
                .map(Secret::new)
                .ok_or_else(|| missing(format!("environment variable {name}"), "it is not set".to_owned())),
            SecretRef::File(path) => match std::fs::read_to_string(path) {
                Ok(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim())),
                Ok(_) => Err(missing(format!("file {path}"), "it is empty".to_owned())),
                Err(error) => Err(missing(format!("file {path}"), error.to_string())),
            },
            SecretRef::Store(name) => {
                Err(missing(format!("secret {name:?}"), "there is no secret store in this process".to_owned()))
            }
        }
    }
}
