//! What is done with the systems.

pub mod calls;
pub mod leave;
pub mod soak;

use std::collections::BTreeMap;
use std::process::Command;

use orrery_loadtest_bench::report::say;

use crate::Options;
use crate::systems::provider::Provider;
use crate::systems::{System, litellm, smg};

/// Starts the other gateways that are installed and asked for. One that does not start is left out with a line that says why.
async fn peers(options: &Options, providers: &[Provider]) -> Vec<System> {
    let Some(installed) = &options.peers else {
        say("without other gateways: they are not asked for");
        return Vec::new();
    };
    let mut systems = Vec::new();
    for name in ["litellm", "smg"].into_iter().filter(|name| options.wants(name)) {
        let started = match name {
            "litellm" => litellm::start(installed, providers).await,
            _ => smg::start(installed, providers).await,
        };
        match started {
            Ok(system) => systems.push(system),
            Err(error) => say(format!("without {name}: {error:#}")),
        }
    }
    systems
}

/// Versions of what was measured, and of the servers behind Orrery.
fn versions(systems: &[System]) -> BTreeMap<&'static str, String> {
    let own = systems.iter().filter(|it| !it.version.is_empty()).map(|it| (it.name, it.version.clone()));
    let path = orrery_config::Paths::from_env().program("nats-server").unwrap_or_else(|| "nats-server".into());
    let servers = [("nats", path), ("redis", "redis-server".into())].map(|(name, program)| {
        let output = Command::new(program).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        (name, text.unwrap_or_default())
    });
    own.chain(servers).collect()
}
