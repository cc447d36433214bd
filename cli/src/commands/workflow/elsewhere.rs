//! What a definition takes from elsewhere: over HTTP, or from files beside it (`file://schema.json`).

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use orrery_kernel::config::KernelConfig;
use orrery_kernel::domain::definition::{self, Definition, Problem, Problems};
use orrery_kernel::providers::OutwardCalls;
use orrery_kernel::resources::{self, Fetch};

use super::source::{self, Invalid};

const FILE: &str = "file://";

/// Compiles the text of a definition that lies in a folder, with all that it takes from elsewhere.
pub fn compile(text: &str, folder: Option<PathBuf>) -> Result<Definition, Problems> {
    let read = definition::read(text)?;
    if definition::wanted(&read).map_err(Problems)?.is_empty() {
        return definition::compile(&read);
    }
    // Getting it takes a runtime of its own, since the command's is busy with whoever asks for the definition.
    let fetching = || -> Result<Definition, Problems> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|it| broken(&it))?;
        let calls = OutwardCalls::new(&KernelConfig::embedded(None, None)).map_err(|it| broken(&it))?;
        let around = Around { folder, calls };
        runtime.block_on(resources::complete(text.to_owned(), &around)).map(|complete| complete.definition)
    };
    let fetched = std::thread::scope(|scope| scope.spawn(fetching).join());
    fetched.unwrap_or_else(|_| Err(broken(&"the thread that gets it ended")))
}

fn broken(why: &dyn std::fmt::Display) -> Problems {
    let reason = format!("what it takes from elsewhere cannot be got: {why}");
    Problems(vec![Problem { line: 1, column: 1, pointer: String::new(), reason }])
}

/// Where a definition lies, and how the world is reached.
#[derive(Debug)]
struct Around {
    folder: Option<PathBuf>,
    calls: OutwardCalls,
}

#[async_trait]
impl Fetch for Around {
    async fn fetch(&self, uri: &str) -> Result<String, String> {
        let Some(path) = uri.strip_prefix(FILE) else { return self.calls.fetch(uri).await };
        let path = self.folder.as_deref().unwrap_or(Path::new(".")).join(path);
        source::read_text(&path).map_err(|Invalid { file, problems, .. }| {
            format!("{file}: {}", problems.into_iter().map(|it| it.reason).collect::<Vec<_>>().join("; "))
        })
    }
}
