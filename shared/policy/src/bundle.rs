//! A set of policies from a folder: parsed, named, strictly validated and digested. Either the whole set is good or it
//! is refused with every fault in it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use cedar_policy::Validator;
use cedar_policy::{Authorizer, Decision, Entities, Policy, PolicyId, PolicySet, Request, Schema, ValidationMode};
use miette::Diagnostic;
use orrery_types::Sha256Digest;

use crate::{Fault, PolicyError, Verdict, schema};

const EXTENSION: &str = "cedar";
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A validated policy set. Cheap to ask, immutable, to be swapped as a whole.
pub struct Bundle {
    schema: Schema,
    policies: PolicySet,
    authorizer: Authorizer,
    digest: Sha256Digest,
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle").field("digest", &self.digest).field("policies", &self.ids()).finish_non_exhaustive()
    }
}

impl Bundle {
    /// Loads every `*.cedar` file of a folder; other files are left alone. Blocks on the file system.
    pub fn load(folder: &Path) -> Result<Self, PolicyError> {
        Self::parse(&Self::read_folder(folder)?)
    }

    /// The texts of the `*.cedar` files of a folder, by name. Blocks on the file system.
    pub fn read_folder(folder: &Path) -> Result<BTreeMap<String, String>, PolicyError> {
        let unreadable = |path: &Path, source| PolicyError::Unreadable { path: path.to_owned(), source };
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
            let path = entry.map_err(|source| unreadable(folder, source))?.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            let size_bytes = std::fs::metadata(&path).map_err(|source| unreadable(&path, source))?.len();
            if size_bytes > FILE_BYTES_MAX {
                let source = std::io::Error::other(format!("{size_bytes} bytes, the limit is {FILE_BYTES_MAX}"));
                return Err(unreadable(&path, source));
            }
            let text = std::fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, text);
        }
        if files.is_empty() {
            return Err(PolicyError::Empty { path: folder.to_owned() });
        }
        Ok(files)
    }

    /// Parses and validates policies given as file name and text.
    pub fn parse(files: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        let schema = schema::schema()?;
        let mut faults = Vec::new();
        let mut named: BTreeMap<String, (&String, Policy)> = BTreeMap::new();
        for (file, text) in files {
            for policy in parse_file(file, text, &mut faults) {
                match policy.annotation("id").map(str::to_owned) {
                    None => faults.push(whole_file(file, format!("a policy has no @id annotation: {policy}"))),
                    Some(id) if named.contains_key(&id) => {
                        faults.push(whole_file(
                            file,
                            format!("the policy id {id:?} is taken; ids are unique in a bundle"),
                        ));
                    }
                    Some(id) => {
                        let policy = policy.new_id(PolicyId::new(&id));
                        named.insert(id, (file, policy));
                    }
                }
            }
        }
        let policies = PolicySet::from_policies(named.values().map(|(_, policy)| policy.clone()))
            .map_err(|error| PolicyError::Schema(error.to_string()))?;
        let result = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        for error in result.validation_errors() {
            let file = named.get(&error.policy_id().to_string()).map_or("", |(file, _)| file.as_str());
            faults.push(located(file, files.get(file).map_or("", String::as_str), error));
        }
        if !faults.is_empty() {
            return Err(PolicyError::Invalid(faults));
        }
        let digest = digest_of(&named)?;
        Ok(Self { schema, policies, authorizer: Authorizer::new(), digest })
    }

    /// Digest over schema and policies, independent of file names, order, comments and layout.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// Ids of all policies, sorted.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.policies.policies().map(|policy| policy.id().to_string()).collect();
        ids.sort();
        ids
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Asks the set. A policy that fails to evaluate makes the answer a denial: an error must never open a door, and a
    /// `forbid` that could not be evaluated might have applied.
    pub(crate) fn decide(&self, request: &Request, entities: &Entities) -> Verdict {
        let response = self.authorizer.is_authorized(request, &self.policies, entities);
        let diagnostics = response.diagnostics();
        let mut policies: Vec<String> = diagnostics.reason().map(ToString::to_string).collect();
        policies.sort();
        let errors: Vec<String> = diagnostics.errors().map(ToString::to_string).collect();
        Verdict { allowed: response.decision() == Decision::Allow && errors.is_empty(), policies, errors }
    }
}

fn parse_file(file: &str, text: &str, faults: &mut Vec<Fault>) -> Vec<Policy> {
    match text.parse::<PolicySet>() {
        Ok(set) => {
            if set.templates().next().is_some() {
                faults.push(whole_file(file, "templates are not supported; write the policy out".to_owned()));
            }
            // Cedar numbers policies policy0, policy1, …: sort by that number so that faults come in the file's order.
            let mut policies: Vec<Policy> = set.policies().cloned().collect();
            policies.sort_by_key(|policy| (policy.id().to_string().len(), policy.id().to_string()));
            policies
        }
        Err(errors) => {
            faults.extend(errors.iter().map(|error| located(file, text, error)));
            Vec::new()
        }
    }
}

fn located(file: &str, text: &str, error: &dyn Diagnostic) -> Fault {
    let label = error.labels().and_then(|mut labels| labels.next());
    let mut reason = error.to_string();
    if let Some(label) = label.as_ref().and_then(|label| label.label()) {
        reason = format!("{reason} ({label})");
    }
    if let Some(help) = error.help() {
        reason = format!("{reason}; {help}");
    }
    let before = label.and_then(|label| text.get(..label.offset()));
    let (line, column) = before.map_or((0, 0), |before| {
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (
            before.matches('\n').count() + 1,
            before.chars().count() - before.get(..line_start).unwrap_or("").chars().count() + 1,
        )
    });
    Fault { file: file.to_owned(), line, column, reason }
}

fn whole_file(file: &str, reason: String) -> Fault {
    Fault { file: file.to_owned(), line: 0, column: 0, reason }
}

fn digest_of(named: &BTreeMap<String, (&String, Policy)>) -> Result<Sha256Digest, PolicyError> {
    let mut canonical = format!("{}\n", schema::digest());
    for (id, (_, policy)) in named {
        let json = policy.to_json().map_err(|error| PolicyError::Schema(error.to_string()))?;
        canonical.push_str(&format!("{id}\n{json}\n"));
    }
    Ok(Sha256Digest::of(canonical.as_bytes()))
}
