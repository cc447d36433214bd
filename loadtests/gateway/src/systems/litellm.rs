//! LiteLLM's proxy from PyPI, with a worker for each core and a master key, as its documentation advises for production. It
//! has no database here, so that it neither keeps budgets nor records calls.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use orrery_testkit::{Process, free_port};

use super::provider::Provider;
use super::{System, Target, package_version};

const KEY: &str = "sk-bench";

/// Starts it from the folder into which `install.sh` laid it.
pub async fn start(installed: &Path, providers: &[Provider]) -> anyhow::Result<System> {
    let installed = installed.join("litellm");
    let version = package_version(&installed, "litellm")?;
    let folder = tempfile::tempdir()?;
    let models = providers.iter().map(|provider| {
        let (model, url) = (provider.model(), provider.url());
        format!(
            "  - model_name: {model}\n    litellm_params:\n      model: openai/{model}\n      api_base: {url}/v1\n      api_key: none\n"
        )
    });
    let config = format!("model_list:\n{}general_settings:\n  master_key: {KEY}\n", models.collect::<String>());
    std::fs::write(folder.path().join("config.yaml"), config)?;
    let (port, cores) = (free_port()?, std::thread::available_parallelism().map_or(1, usize::from));
    let mut command = Command::new("python3");
    command
        .arg(installed.join("bin/litellm"))
        .arg("--config")
        .arg(folder.path().join("config.yaml"))
        .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--num_workers", &cores.to_string()])
        .args(["--telemetry", "False"])
        .current_dir(folder.path())
        .env("PYTHONPATH", &installed)
        .env("LITELLM_LOG", "ERROR")
        // Its list of prices lies in the package; it would else be fetched.
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    let process = Process::start(command, &folder.path().join("litellm.log"))?;
    let target = |provider: &Provider| Target {
        name: "litellm",
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        model: provider.model().to_owned(),
        headers: format!("authorization: Bearer {KEY}\r\n"),
        processes: vec![("litellm", process.id())],
    };
    let targets = providers.iter().map(target).collect();
    System::peer(version, targets, providers, (vec![process], folder)).await
}
