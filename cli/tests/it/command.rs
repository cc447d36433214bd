//! Starting the command and reading what it says.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use orrery_testkit::{Process, eventually_within};
use serde_json::Value;

/// Models are loaded from a cold disk, on a machine that does other things, too.
const UP_WITHIN: Duration = Duration::from_secs(240);

/// The command that cargo built for this test, deaf to the environment's own system.
pub fn orrery(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orrery"));
    command.arg("--data").arg(data).arg("--json");
    for name in [orrery_config::env::URL, orrery_config::env::API_KEY, orrery_config::env::CONFIG] {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end.
pub fn run(data: &Path, args: &[&str]) -> Output {
    orrery(data).args(args).output().unwrap()
}

/// What it printed, which must be JSON.
pub fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// Starts a system and waits until it is ready.
pub async fn up(data: &Path) -> Process {
    up_with(data, &[]).await
}

/// The same, with more in its environment.
pub async fn up_with(data: &Path, environment: &[(&str, String)]) -> Process {
    let mut command = orrery(data);
    command.args(["up", "--http", "127.0.0.1:0"]).envs(environment.iter().map(|(name, value)| (name, value)));
    let mut process = Process::start(command, &data.join("up.log")).unwrap();
    let ready = eventually_within(UP_WITHIN, || {
        let state =
            if data.join("system.json").is_file() { Some(true) } else { (!process.is_running()).then_some(false) };
        async move { state }
    });
    let ready = ready.await;
    assert_eq!(ready, Some(true), "{}", process.log());
    process
}

/// One process of the running system.
pub fn process_state(data: &Path, name: &str) -> Value {
    let status = json(&run(data, &["status"]));
    let processes = status["processes"].as_array().unwrap().clone();
    processes.into_iter().find(|process| process["name"] == name).unwrap()
}

/// Every process that the system has, from its file.
pub fn pids(data: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(data.join("system.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let processes = file["processes"].as_array().unwrap();
    processes.iter().map(|process| i32::try_from(process["pid"].as_i64().unwrap()).unwrap()).collect()
}

/// Whether a process is there.
pub fn is_running(pid: i32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
}
