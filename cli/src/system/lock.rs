//! One system for each data folder, held by a file lock that ends with its process.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg};

const FILE: &str = "lock";

/// The right to run on a data folder.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Takes it, or says who holds it.
    pub fn take(data: &Path) -> Result<Self> {
        std::fs::create_dir_all(data)
            .with_context(|| format!("cannot create the data folder {}; choose another with --data", data.display()))?;
        let path = data.join(FILE);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file =
            open.with_context(|| format!("cannot open {}; choose another folder with --data", path.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                held.set_len(0)?;
                held.rewind()?;
                write!(held, "{}", std::process::id())?;
                Ok(Self { _held: held })
            }
            Err((mut file, _)) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                bail!(
                    "{} is in use by another `orrery` (process {}): stop that one, or choose another folder with --data",
                    data.display(),
                    holder.trim()
                );
            }
        }
    }

    /// Whether a system runs on the folder.
    pub fn is_held(data: &Path) -> bool {
        let Ok(file) = File::open(data.join(FILE)) else { return false };
        Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
    }
}
