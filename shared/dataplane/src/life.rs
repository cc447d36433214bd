//! One life of a process that makes calls: its name among the holders of leases, and its call log.

use std::io;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::CallLog;

/// Opened once at the start of a process.
#[derive(Debug)]
pub struct Life {
    holder: String,
    log: Arc<CallLog>,
}

impl Life {
    /// Opens the folder, in which the instance's name stands since its first life, and the call log in it. Blocks on the
    /// file system.
    pub fn begin(folder: &Path, service: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join("instance");
        let instance = match std::fs::read_to_string(&file) {
            Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
            Ok(_) => name(&file, service)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => name(&file, service)?,
            Err(error) => return Err(error),
        };
        // Names of lives are in the order in which they began.
        let holder = format!("{instance}/{}", Uuid::now_v7().simple());
        Ok(Self { holder, log: CallLog::open(folder)? })
    }

    /// `<instance>/<life>`.
    pub fn holder(&self) -> String {
        self.holder.clone()
    }

    /// The call log.
    pub fn log(&self) -> Arc<CallLog> {
        self.log.clone()
    }
}

fn name(file: &Path, service: &str) -> io::Result<String> {
    let name = format!("{service}-{}", Uuid::new_v4().simple());
    std::fs::write(file, &name)?;
    Ok(name)
}
