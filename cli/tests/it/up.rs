//! `up` and `status`: started in order, mended, drained, one system for each folder, nothing left behind.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use orrery_testkit::eventually_within;

use crate::command::{is_running, json, pids, process_state, run, up};

const MENDED_WITHIN: Duration = Duration::from_secs(60);
const ENDED_WITHIN: Duration = Duration::from_secs(90);

#[actix_rt::test]
async fn a_killed_service_is_mended_a_second_system_refused_and_a_drain_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut system = up(data.path()).await;

    let status = json(&run(data.path(), &["status"]));
    let services = status["services"].as_array().unwrap();
    assert_eq!(services.len(), 6, "{status}");
    for service in services {
        assert_eq!(service["ready"], true, "{service}");
        assert_eq!(service["tree"]["state"], "running", "{service}");
    }

    let second = run(data.path(), &["up"]);
    assert_eq!(second.status.code(), Some(1));
    let refusal = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(refusal.contains(&format!("process {}", system.id())), "{refusal}");

    let kernel = process_state(data.path(), "kernel");
    let old_pid = i32::try_from(kernel["pid"].as_i64().unwrap()).unwrap();
    kill(Pid::from_raw(old_pid), Signal::SIGKILL).unwrap();
    let mended = eventually_within(MENDED_WITHIN, || {
        let state = process_state(data.path(), "kernel");
        async move { (state["state"] == "running" && state["restarts"] == 1).then_some(state) }
    });
    assert_ne!(mended.await.unwrap()["pid"], kernel["pid"]);
    assert!(system.log().contains("kernel ended (signal: 9 (SIGKILL)); its log is"), "{}", system.log());

    let children = pids(data.path());
    system.signal(Signal::SIGINT).unwrap();
    let ended = eventually_within(ENDED_WITHIN, || {
        let running = system.is_running();
        async move { (!running).then_some(()) }
    });
    ended.await.unwrap();
    assert!(!children.into_iter().any(is_running));
    assert!(!data.path().join("system.json").exists());
}

#[actix_rt::test]
async fn children_do_not_outlive_a_killed_up() {
    let data = tempfile::tempdir().unwrap();
    let mut system = up(data.path()).await;
    let children = pids(data.path());
    assert_eq!(children.len(), 8);
    system.kill().unwrap();
    let gone = eventually_within(ENDED_WITHIN, || {
        let left = children.iter().any(|pid| is_running(*pid));
        async move { (!left).then_some(()) }
    });
    gone.await.unwrap();
    // Its file is left, but nobody holds the folder: other commands are not misled.
    let status = run(data.path(), &["status"]);
    assert!(String::from_utf8_lossy(&status.stderr).contains("no system is running"));
}
