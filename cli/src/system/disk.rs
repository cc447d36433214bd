//! The folders inside the data folder, and whether there is room for what goes in.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::sys::statvfs::statvfs;

/// With less room than this the servers would stop in the middle of their work.
const FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;
const FOLDERS: [&str; 4] = ["logs", "db", "nats", "redis"];

/// Creates what is missing.
pub fn prepare(data: &Path) -> Result<()> {
    for folder in FOLDERS {
        let path = data.join(folder);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let free = statvfs(data).with_context(|| format!("cannot tell how much room is left in {}", data.display()))?;
    let free_bytes = free.blocks_available().saturating_mul(free.fragment_size());
    ensure!(
        free_bytes >= FREE_BYTES_MIN,
        "only {} are free in {}: free at least {}, or choose another folder with --data",
        crate::output::text::bytes(free_bytes),
        data.display(),
        crate::output::text::bytes(FREE_BYTES_MIN),
    );
    Ok(())
}
