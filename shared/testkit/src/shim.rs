//! Disks and clocks that are wrong, for one process and its children: a library in front of libc, compiled when it is needed.
//! It works wherever the linker does, without rights to trace or to mount.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::TestkitError;

/// What the dynamic linker reads.
const PRELOAD: &str = "LD_PRELOAD";
const LIBRARY: &str = "shim.so";
const CONTROL: &str = "control";

/// A library and the file that it reads.
#[derive(Debug)]
struct Shim {
    folder: TempDir,
}

impl Shim {
    fn compile(source: &str) -> Result<Self, TestkitError> {
        let folder = tempfile::tempdir()?;
        // Also for a server that has stepped down to another user.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let file = folder.path().join("shim.c");
        std::fs::write(&file, source)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join(LIBRARY));
        compiler.arg(format!("-DCONTROL=\"{}\"", folder.path().join(CONTROL).display())).arg(&file);
        let program = || "cc".to_owned();
        let output = compiler.output().map_err(|source| TestkitError::Missing { program: program(), source })?;
        if !output.status.success() {
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(TestkitError::NotReady { program: program(), log });
        }
        Ok(Self { folder })
    }

    fn preload(&self, command: &mut Command) {
        command.env(PRELOAD, self.folder.path().join(LIBRARY));
    }

    /// In one step: it is read all the time.
    fn set(&self, text: &str) -> Result<(), TestkitError> {
        let fresh = self.folder.path().join("fresh");
        std::fs::write(&fresh, text)?;
        std::fs::rename(&fresh, self.folder.path().join(CONTROL))?;
        Ok(())
    }
}

/// The disk of some process.
#[derive(Debug)]
pub struct Disk(Shim);

impl Disk {
    /// One that is as it should be.
    pub fn new() -> Result<Self, TestkitError> {
        Ok(Self(Shim::compile(include_str!("shims/disk.c"))?))
    }

    /// Gives it to a process that is about to be started.
    pub fn of(&self, command: &mut Command) {
        self.0.preload(command);
    }

    /// Each sync takes so long from now on.
    pub fn sync_takes(&self, time: Duration) -> Result<(), TestkitError> {
        self.0.set(&format!("{}\n\n", time.as_millis()))
    }

    /// Nothing can be written below a path.
    pub fn fill(&self, path: &Path) -> Result<(), TestkitError> {
        self.0.set(&format!("0\n{}\n", path.display()))
    }

    /// As it should be.
    pub fn mend(&self) -> Result<(), TestkitError> {
        self.0.set("0\n\n")
    }
}

/// The wall clock of some process.
#[derive(Debug)]
pub struct Clock(Shim);

impl Clock {
    /// One that is right.
    pub fn new() -> Result<Self, TestkitError> {
        Ok(Self(Shim::compile(include_str!("shims/clock.c"))?))
    }

    /// Gives it to a process that is about to be started.
    pub fn of(&self, command: &mut Command) {
        self.0.preload(command);
    }

    /// Sets it so many milliseconds off.
    pub fn shift(&self, ms: i64) -> Result<(), TestkitError> {
        self.0.set(&ms.to_string())
    }
}
