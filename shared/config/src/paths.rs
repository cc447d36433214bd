//! Where things lie on this machine.

use std::path::{Path, PathBuf};

use crate::env;

/// The folders of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Downloads, models, shared libraries. Outlives a checkout and can be made again.
    pub cache: PathBuf,
    /// Databases, keys, streams. Must be kept.
    pub data: PathBuf,
}

impl Paths {
    /// From the environment, with the documented defaults.
    pub fn from_env() -> Self {
        let home = PathBuf::from(env::read(env::HOME).unwrap_or_else(|| "/".to_owned()));
        let folder = |name, default: &str| env::read(name).map_or_else(|| home.join(default), PathBuf::from);
        Self { cache: folder(env::CACHE, ".cache/orrery"), data: folder(env::DATA, ".local/share/orrery") }
    }

    /// Root of the model repository.
    pub fn models(&self) -> PathBuf {
        self.cache.join("models")
    }

    /// A shared library that set-up unpacked, by file name.
    pub fn library(&self, file: &str) -> PathBuf {
        self.cache.join("lib").join(file)
    }

    /// A program that set-up unpacked, when it is there.
    pub fn program(&self, file: &str) -> Option<PathBuf> {
        Some(self.cache.join("bin").join(file)).filter(|path: &PathBuf| Path::is_file(path))
    }
}

/// A program of the machine by its path, or by its name on `PATH`.
pub fn program_on_path(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return Some(program.to_owned()).filter(|path| path.is_file());
    }
    let folders = env::read(env::PATH)?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let shell = program_on_path(Path::new("sh")).expect("every system has a shell");
        assert!(shell.is_absolute());
        assert_eq!(program_on_path(&shell), Some(shell));
        assert_eq!(program_on_path(Path::new("no-such-program")), None);
        assert_eq!(program_on_path(Path::new("/no/such/program")), None);
    }
}
