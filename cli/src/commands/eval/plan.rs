//! `eval.yaml`, which stands beside a workflow: what a case sends, who decides where a person must, and how an outcome is
//! compared with the truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::yaml;

const FILE: &str = "eval.yaml";
/// Never sent, even where the plan does not say what to send.
const KEPT_BACK: [&str; 2] = ["truth.json", "note.txt"];

/// The plan of an evaluation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The definition, when the workflow was given as a file.
    pub workflow: PathBuf,
    /// Collection and documents to load before the first case.
    pub knowledge: Option<(String, Vec<PathBuf>)>,
    file: File,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The definition that it was written for, beside it.
    #[serde(default)]
    workflow: Option<PathBuf>,
    #[serde(default)]
    knowledge: Option<Knowledge>,
    /// Name in the workflow to file in the case's folder. Absent: every file under its own stem.
    #[serde(default)]
    attachments: Option<BTreeMap<String, String>>,
    /// Files that are never sent.
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default = "truth_file")]
    truth: String,
    #[serde(default)]
    reviewer: Option<Reviewer>,
    compare: Vec<Comparison>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knowledge {
    collection: String,
    folder: String,
}

/// How a case that waits for a person goes on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewer {
    pub decision: String,
    pub reason: String,
    #[serde(default)]
    pub roles: Vec<String>,
}

/// One comparison of a place in the outcome with a place in the truth.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// As it stands in the report.
    pub name: String,
    /// Dotted path into the outcome.
    pub outcome: String,
    /// Dotted path into the truth.
    pub truth: String,
    #[serde(default)]
    pub how: How,
    /// For numbers: largest difference.
    #[serde(default)]
    pub within: f64,
    /// `fields`, or what belongs to the decision.
    #[serde(default)]
    pub group: Group,
}

/// When two values count as equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Equal as JSON.
    #[default]
    Exact,
    /// Equal but for white space and case.
    Text,
    /// Equal within a tolerance.
    Number,
    /// The same day.
    Date,
}

/// What a comparison counts towards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// What was read.
    #[default]
    Fields,
    /// What was concluded.
    Decision,
}

fn truth_file() -> String {
    "truth.json".to_owned()
}

impl Plan {
    /// Reads the plan beside a workflow file.
    pub fn beside(workflow: &Path) -> Result<Self> {
        let folder = workflow.parent().unwrap_or(Path::new("."));
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("cannot read {}, which says how outcomes are compared with the truth", path.display())
        })?;
        let value = yaml::parse(&text).with_context(|| format!("{} is not valid YAML", path.display()))?;
        let file: File = serde_json::from_value(value).with_context(|| format!("{} is not valid", path.display()))?;
        ensure!(!file.compare.is_empty(), "{} compares nothing", path.display());
        let meant = file.workflow.as_ref().is_none_or(|named| named.file_name() == workflow.file_name());
        ensure!(meant, "{} is for another workflow than {}", path.display(), workflow.display());
        let knowledge = match &file.knowledge {
            Some(named) => Some((named.collection.clone(), folder.join(&named.folder))),
            None => collection(workflow)?.map(|collection| (collection, folder.join("knowledge"))),
        };
        let knowledge = match knowledge {
            Some((collection, folder)) if folder.is_dir() => Some((collection, files(&folder)?)),
            _ => None,
        };
        Ok(Self { workflow: workflow.to_owned(), knowledge, file })
    }

    /// Who decides, if anyone.
    pub fn reviewer(&self) -> Option<&Reviewer> {
        self.file.reviewer.as_ref()
    }

    /// All comparisons.
    pub fn comparisons(&self) -> &[Comparison] {
        &self.file.compare
    }

    /// What is true of a case.
    pub fn truth(&self, case: &Path) -> Result<Value> {
        let path = case.join(&self.file.truth);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("{} has no {}: every packet needs the truth that it is judged by", case.display(), self.file.truth)
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is not valid JSON", path.display()))
    }

    /// What a case sends: name and file. A file that is not there is left out; one of the same stem and another type
    /// stands in for it.
    pub fn attachments(&self, case: &Path) -> Result<Vec<(String, PathBuf)>> {
        let present: Vec<PathBuf> = files(case)?.into_iter().filter(|path| !self.is_kept_back(path)).collect();
        let Some(named) = &self.file.attachments else {
            return Ok(present.into_iter().map(|path| (crate::client::Attachment::of(&path).name, path)).collect());
        };
        let found = |name: &str, file: &str| {
            let wanted = case.join(file);
            let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
            let same_stem = |path: &&PathBuf| stem(path) == stem(&wanted) || stem(path).as_deref() == Some(name);
            present.iter().find(|path| **path == wanted).or_else(|| present.iter().find(same_stem)).cloned()
        };
        Ok(named.iter().filter_map(|(name, file)| Some((name.clone(), found(name, file)?))).collect())
    }

    fn is_kept_back(&self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        KEPT_BACK.contains(&name.as_str())
            || name.starts_with('.')
            || name == self.file.truth
            || self.file.ignore.contains(&name)
    }
}

/// The collection that the workflow's own metadata names.
fn collection(workflow: &Path) -> Result<Option<String>> {
    let text = std::fs::read_to_string(workflow).with_context(|| format!("cannot read {}", workflow.display()))?;
    let Ok(definition) = yaml::parse(&text) else {
        // The kernel reports what is wrong with it, with line and column.
        return Ok(None);
    };
    Ok(definition.pointer("/document/metadata/collection").and_then(Value::as_str).map(str::to_owned))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    found.sort();
    Ok(found)
}

/// The packets of a folder: its sub-folders, or itself when it holds a truth.
pub fn cases(folder: &Path, plan: &Plan) -> Result<Vec<PathBuf>> {
    if folder.join(&plan.file.truth).is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let is_packet =
        |path: &PathBuf| path.is_dir() && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_packet).collect();
    found.sort();
    ensure!(!found.is_empty(), "{} holds no packets: it needs one folder for each", folder.display());
    Ok(found)
}
