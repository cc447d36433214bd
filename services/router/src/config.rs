//! The `[router]` section of the configuration file, and what it points to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orrery_policy::Bundle;
use serde::Deserialize;

use crate::error::StartError;
use orrery_routing::catalogue::Catalogue;
use orrery_routing::catalogue_file;

/// The catalogue that a router has without configuration: the models that come with Orrery, on our own machines.
const DEFAULT_CATALOGUE: &str = include_str!("../catalogue.toml");
const DEFAULT_POLICIES: [(&str, &str); 3] = [
    ("external.cedar", include_str!("../policies/external.cedar")),
    ("local.cedar", include_str!("../policies/local.cedar")),
    ("personal.cedar", include_str!("../policies/personal.cedar")),
];

/// Settings of the router. All have defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouterConfig {
    /// TOML file of models, read again when it has changed. Default: the models that come with Orrery.
    pub catalogue: Option<PathBuf>,
    /// Folder of `*.cedar` files. Default: the policies that come with Orrery. A folder replaces them all.
    pub policies: Option<PathBuf>,
}

impl RouterConfig {
    /// Reads and checks the catalogue. Blocks on the file system.
    pub fn read_catalogue(&self) -> Result<Catalogue, StartError> {
        Ok(catalogue_file::parse(&self.catalogue_text()?)?)
    }

    /// The catalogue as it is written. Blocks on the file system.
    pub fn catalogue_text(&self) -> Result<String, StartError> {
        match &self.catalogue {
            None => Ok(DEFAULT_CATALOGUE.to_owned()),
            Some(path) => read(path),
        }
    }

    /// Reads and checks the policies. Blocks on the file system.
    pub fn read_policies(&self) -> Result<Bundle, StartError> {
        Ok(Bundle::parse(&self.read_policy_texts()?)?)
    }

    /// The texts of the policies, by file name. Blocks on the file system.
    pub fn read_policy_texts(&self) -> Result<BTreeMap<String, String>, StartError> {
        Ok(match &self.policies {
            None => DEFAULT_POLICIES.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            Some(folder) => Bundle::read_folder(folder)?,
        })
    }
}

fn read(path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path).map_err(|source| StartError::CatalogueFile { path: path.to_owned(), source })
}
