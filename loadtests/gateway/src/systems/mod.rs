//! What is measured: something that takes OpenAI's chat completions on a loopback port.

pub mod litellm;
pub mod orrery;
pub mod provider;
pub mod smg;

use std::any::Any;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use orrery_loadtest_bench::processes;
use orrery_testkit::Process;

use crate::http::Connection;
use crate::request::{PROMPT, Request};
use provider::Provider;

/// From the start of a system until it answers: interpreters with many packages take their time.
const START: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);
/// For one try.
const TRY: Duration = Duration::from_secs(10);

/// Where to send requests for one model, and whose work they are.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: &'static str,
    pub address: SocketAddr,
    pub model: String,
    /// Lines of the request's head, each with its end.
    pub headers: String,
    /// Its processes, by name. What they started belongs to them.
    pub processes: Vec<(&'static str, u32)>,
}

/// A running system, with a target for each provider.
pub struct System {
    pub name: &'static str,
    pub version: String,
    pub targets: Vec<Target>,
    /// Ends it when dropped.
    _parts: Box<dyn Any + Send>,
}

/// Processes that are ended with everything that they started: their workers would outlive them.
struct Families(Vec<Process>);

impl Drop for Families {
    fn drop(&mut self) {
        let roots: Vec<u32> = self.0.iter().map(Process::id).collect();
        processes::kill_children(&roots);
    }
}

impl Target {
    /// Its processes and the provider's.
    pub fn processes_with(&self, provider: &Provider) -> Vec<(&'static str, u32)> {
        let provider = [(provider::NAME, provider.process())];
        self.processes.iter().copied().filter(|(name, _)| *name != provider::NAME).chain(provider).collect()
    }

    /// Waits until it answers, whole and streamed, exactly as its provider does.
    pub async fn ready(&self, provider: &Provider) -> anyhow::Result<()> {
        let until = Instant::now() + START;
        for streamed in [false, true] {
            let request = Request::new(self, PROMPT, streamed);
            loop {
                let tried = tokio::time::timeout(TRY, self.exchange(&request)).await;
                let checked = match tried {
                    Ok(Ok((status, content))) => request.check_exactly(status, &content, PROMPT, provider.words()),
                    Ok(Err(error)) => Err(error),
                    Err(elapsed) => Err(elapsed.into()),
                };
                match checked {
                    Ok(()) => break,
                    Err(error) if Instant::now() > until => return Err(error.context("it does not answer as it must")),
                    Err(_) => tokio::time::sleep(POLL).await,
                }
            }
        }
        Ok(())
    }

    async fn exchange(&self, request: &Request) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut content = Vec::new();
        let (status, _) = Connection::open(self.address).await?.exchange(request.bytes(), &mut content).await?;
        Ok((status, content))
    }
}

impl System {
    /// The provider itself, asked directly.
    pub fn direct(providers: &[Provider]) -> Self {
        let target = |provider: &Provider| Target {
            name: "direct",
            address: provider.address(),
            model: provider.model().to_owned(),
            headers: String::new(),
            processes: vec![(provider::NAME, provider.process())],
        };
        let targets = providers.iter().map(target).collect();
        Self { name: "direct", version: String::new(), targets, _parts: Box::new(()) }
    }

    /// Another gateway, once it answers for each provider that does so at once.
    async fn peer(
        version: String,
        targets: Vec<Target>,
        providers: &[Provider],
        (processes, folder): (Vec<Process>, tempfile::TempDir),
    ) -> anyhow::Result<Self> {
        let processes = Families(processes);
        let name = targets.first().context("no provider")?.name;
        for (target, provider) in targets.iter().zip(providers).filter(|(_, it)| it.is_prompt()) {
            let logs = || processes.0.iter().map(Process::log).collect::<String>();
            target.ready(provider).await.with_context(|| format!("{name} did not start: {}", logs()))?;
        }
        Ok(Self { name, version, targets, _parts: Box::new((processes, folder)) })
    }
}

/// The version of a Python package in a folder that `install.sh` filled.
fn package_version(folder: &Path, package: &str) -> anyhow::Result<String> {
    let start = format!("{package}-");
    let entries = std::fs::read_dir(folder).with_context(|| format!("{package} is not installed"))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut versions = names.filter_map(|name| Some(name.strip_prefix(&start)?.strip_suffix(".dist-info")?.to_owned()));
    versions.next().with_context(|| format!("{package} is not installed in {}", folder.display()))
}
