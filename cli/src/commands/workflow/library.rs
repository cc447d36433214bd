//! The definitions that sub-workflows are taken from: those that were named, then those beside the workflow's own file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orrery_kernel::domain::definition::Definition;
use orrery_kernel::embedded::Library;
use parking_lot::Mutex;

use super::source;
use crate::output::Output;

/// Files of one folder that are looked at.
const FILES_MAX: usize = 256;
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
const LATEST: &str = "latest";

/// Namespace, name and version.
type Reference = (String, String, String);

/// Definitions at hand.
#[derive(Debug)]
pub struct Shelf {
    given: Vec<Arc<Definition>>,
    folder: Option<PathBuf>,
    found: Mutex<HashMap<Reference, Option<Arc<Definition>>>>,
    output: Output,
}

impl Shelf {
    /// With definitions that were read already, and a folder for the others.
    pub fn new(given: Vec<Arc<Definition>>, folder: Option<PathBuf>, output: Output) -> Self {
        Self { given, folder, found: Mutex::default(), output }
    }

    fn look_up(&self, namespace: &str, name: &str, version: &str) -> Option<Arc<Definition>> {
        let fits = |it: &&Arc<Definition>| {
            let document = &it.document;
            document.namespace == namespace
                && document.name == name
                && (version == LATEST || document.version == version)
        };
        let given = self.given.iter().filter(fits).max_by_key(|it| order(&it.document.version)).cloned();
        given.or_else(|| {
            let beside = self.beside(namespace, name);
            beside.iter().filter(fits).max_by_key(|it| order(&it.document.version)).cloned()
        })
    }

    /// The folder's definitions of that name. A file that holds one and is not valid is named.
    fn beside(&self, namespace: &str, name: &str) -> Vec<Arc<Definition>> {
        let Some(Ok(entries)) = self.folder.as_ref().map(std::fs::read_dir) else { return Vec::new() };
        let mut paths: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|it| is_candidate(it)).collect();
        paths.sort();
        paths.truncate(FILES_MAX);
        let mut definitions = Vec::new();
        for path in paths {
            let Ok(value) = source::read_value(&path) else { continue };
            let document = |field: &str| value.get("document").and_then(|it| it.get(field)).and_then(|it| it.as_str());
            if document("namespace") != Some(namespace) || document("name") != Some(name) {
                continue;
            }
            match source::read_definition(&path) {
                Ok(definition) => definitions.push(definition),
                Err(invalid) => self.output.note(&invalid.render()),
            }
        }
        definitions
    }
}

impl Library for Shelf {
    fn find(&self, namespace: &str, name: &str, version: &str) -> Option<Arc<Definition>> {
        let key = (namespace.to_owned(), name.to_owned(), version.to_owned());
        let mut found = self.found.lock();
        found.entry(key).or_insert_with(|| self.look_up(namespace, name, version)).clone()
    }
}

fn is_candidate(path: &Path) -> bool {
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    EXTENSIONS.contains(&extension) && path.is_file()
}

/// Orders versions by their numbers; one with a suffix comes before the same without (Semantic Versioning 2.0.0, 11).
fn order(version: &str) -> (Vec<u64>, bool, String) {
    let (numbers, suffix) = version.split_once('-').unwrap_or((version, ""));
    let numbers = numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    (numbers, suffix.is_empty(), suffix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn versions_are_ordered_by_number() {
        let mut versions = ["1.10.0", "1.2.0", "2.0.0-beta", "2.0.0", "1.2.0-rc1"];
        versions.sort_by_key(|version| order(version));
        assert_eq!(versions, ["1.2.0-rc1", "1.2.0", "1.10.0", "2.0.0-beta", "2.0.0"]);
    }
}
