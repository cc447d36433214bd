//! SMG, the gateway of SGLang in Rust, from PyPI: it forwards to servers that speak OpenAI's interface. It asks no key, keeps
//! no budget and no record here.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use orrery_testkit::{Process, free_port};

use super::provider::Provider;
use super::{System, Target, package_version};

/// Starts it from the folder into which `install.sh` laid it: a process for each provider, since it takes all its servers to
/// serve the same model.
pub async fn start(installed: &Path, providers: &[Provider]) -> anyhow::Result<System> {
    let installed = installed.join("smg");
    let version = package_version(&installed, "smg")?;
    let folder = tempfile::tempdir()?;
    let (mut targets, mut processes) = (Vec::new(), Vec::new());
    for provider in providers {
        let (port, metrics) = (free_port()?, free_port()?);
        let mut command = Command::new("python3");
        command
            .arg(installed.join("bin/smg"))
            .args(["launch", "--backend", "openai", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--prometheus-host", "127.0.0.1", "--prometheus-port", &metrics.to_string()])
            .args(["--log-level", "warn", "--worker-urls", &provider.url()])
            .current_dir(folder.path())
            .env("PYTHONPATH", &installed);
        let process = Process::start(command, &folder.path().join(format!("{}.log", provider.model())))?;
        targets.push(Target {
            name: "smg",
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            model: provider.model().to_owned(),
            headers: String::new(),
            processes: vec![("smg", process.id())],
        });
        processes.push(process);
    }
    System::peer(version, targets, providers, (processes, folder)).await
}
