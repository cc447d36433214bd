//! `orrery workflow run|validate|graph|test`: definitions without a system.

mod bad;
mod check;
mod run;
mod test;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::command::{json, orrery};

/// The head of a definition.
pub fn document(name: &str) -> String {
    format!("document: {{dsl: 1.0.0, namespace: test, name: {name}, version: 1.0.0}}\n")
}

/// A folder of files to run.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A definition under its name.
    pub fn definition(&self, name: &str, body: &str) -> PathBuf {
        self.file(&format!("{name}.yaml"), format!("{}{body}", document(name)))
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `orrery workflow` with these arguments and this standard input.
    pub fn workflow(&self, args: &[&str], stdin: &str) -> Output {
        let mut command = orrery(self.path());
        command.arg("workflow").args(args).current_dir(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // What is not read is of no interest.
        let _not_read = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// The code and the printed JSON of `orrery workflow` with these arguments.
    pub fn answer(&self, args: &[&str]) -> (i32, Value) {
        let output = self.workflow(args, "");
        (output.status.code().unwrap(), json(&output))
    }

    /// The same for `run` of a definition's body.
    pub fn run(&self, body: &str) -> (i32, Value) {
        self.definition("sample", body);
        self.answer(&["run", "sample.yaml"])
    }
}

/// What was said on standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
