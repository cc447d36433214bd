//! What `workflow run` prints, and with which code it ends.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{Folder, said};
use crate::command::{json as printed, orrery};

#[test]
fn a_completed_run_prints_its_output_and_its_tasks() {
    let folder = Folder::new();
    let body = "do:\n  - first: {set: {n: '${ .n + 1 }'}}\n  - skipped: {if: 'false', set: {n: 0}}\n  - loop:\n      \
                for: {in: '[1, 2]'}\n      do:\n        - add: {set: {n: '${ .n + $item }'}}\n";
    folder.definition("sample", body);
    folder.file("input.yaml", "n: 4\n");
    let tasks = json!(["/do/0/first", "/do/2/loop", "/do/2/loop/do/0/add", "/do/2/loop/do/0/add"]);
    let expected = json!({"status": "completed", "output": {"n": 8}, "error": null, "tasks": tasks});
    assert_eq!(folder.answer(&["run", "sample.yaml", "--input", "input.yaml"]), (0, expected.clone()));
    let piped = folder.workflow(&["run", "sample.yaml", "--input", "-"], r#"{"n": 4}"#);
    assert_eq!((piped.status.code(), printed(&piped)), (Some(0), expected));
}

#[test]
fn a_fault_is_shaped_as_the_specification_says() {
    let folder = Folder::new();
    let error = "{type: 'https://serverlessworkflow.io/errors/types/compliance', status: 400, title: Compliance Error}";
    let (code, answer) =
        folder.run(&format!("do:\n  - fine: {{set: {{x: 1}}}}\n  - bad: {{raise: {{error: {error}}}}}\n"));
    assert_eq!(code, 1);
    assert_eq!(answer["status"], "faulted");
    assert_eq!(answer["output"], Value::Null);
    assert_eq!(answer["tasks"], json!(["/do/0/fine", "/do/1/bad"]));
    let expected = json!({
        "type": "https://serverlessworkflow.io/errors/types/compliance", "status": 400, "title": "Compliance Error",
        "instance": "/do/1/bad",
    });
    assert_eq!(answer["error"], expected);
}

#[test]
fn a_call_of_the_platform_says_that_it_needs_a_system() {
    let (code, answer) = Folder::new().run("do:\n  - ask: {call: orrery.generate, with: {messages: []}}\n");
    assert_eq!(code, 1);
    assert_eq!(answer["error"]["status"], 400);
    assert!(answer["error"]["type"].as_str().unwrap().ends_with("/configuration"), "{answer}");
    assert!(answer["error"]["detail"].as_str().unwrap().contains("orrery up"), "{answer}");
}

#[test]
fn what_nobody_decides_is_waited_for_and_said() {
    let folder = Folder::new();
    folder.definition("sample", "do:\n  - look: {call: orrery.human, with: {title: Sure?, roles: [boss], due: P1D}}\n");
    let output = folder.workflow(&["run", "sample.yaml"], "");
    assert_eq!(output.status.code(), Some(1));
    let answer = printed(&output);
    assert_eq!(answer["status"], "waiting");
    assert_eq!(answer["waiting"][0]["for"], "review");
    assert_eq!(answer["waiting"][0]["task"], "/do/0/look");
    assert!(said(&output).contains("\"Sure?\" by boss"), "{}", said(&output));
}

#[test]
fn timers_take_their_time() {
    let start = Instant::now();
    let (code, _) = Folder::new().run("do:\n  - nap: {wait: {milliseconds: 300}}\n");
    assert_eq!(code, 0);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn sub_workflows_lie_beside_the_definition_or_are_given() {
    let folder = Folder::new();
    folder.definition("double", "do:\n  - twice: {set: {n: '${ .n * 2 }'}}\n");
    folder.file("other.yaml", "not: [a definition\n");
    let body = "do:\n  - sub: {run: {workflow: {namespace: test, name: double, version: latest, input: {n: 4}}}}\n";
    let (code, answer) = folder.run(body);
    assert_eq!((code, &answer["output"]), (0, &json!({"n": 8})));

    let elsewhere = Folder::new();
    let (code, answer) = elsewhere.run(body);
    assert_eq!(code, 1);
    assert!(answer["error"]["detail"].as_str().unwrap().contains("double"), "{answer}");
    let given = folder.path().join("double.yaml");
    let (code, _) = elsewhere.answer(&["run", "sample.yaml", "--with", given.to_str().unwrap()]);
    assert_eq!(code, 0);
}

#[test]
fn scripts_and_shells_run_in_a_sandbox_and_nowhere_else() {
    let folder = Folder::new();
    folder.definition(
        "sample",
        "do:\n  - s: {run: {shell: {command: 'echo \"Hello, ${ .name }\"; ls /root /home 2>&1 | wc -l'}}}\n",
    );
    folder.file("input.json", "{\"name\": \"Ann\"}");
    let run = ["run", "sample.yaml", "--input", "input.json"];
    let (code, answer) = folder.answer(&run);
    assert_eq!((code, &answer["error"]["status"]), (1, &json!(400)), "{answer}");
    assert!(answer["error"]["detail"].as_str().unwrap().contains("--sandbox"), "{answer}");
    let (code, answer) = folder.answer(&[&run[..], &["--sandbox"]].concat());
    assert_eq!((code, &answer["output"]), (0, &json!("Hello, Ann\n2\n")), "{answer}");
    let (code, answer) = folder.answer(&[&run[..], &["--sandbox=/no/such/bwrap"]].concat());
    assert_eq!((code, &answer["status"]), (2, &json!("invalid")), "{answer}");
    assert!(answer["problems"][0]["remedy"].as_str().unwrap().contains("bubblewrap"), "{answer}");
}

#[test]
fn schemas_and_functions_may_lie_beside_the_definition() {
    let folder = Folder::new();
    folder.file("schema.json", "{\"required\": [\"n\"]}");
    folder.file("double.yaml", "set: {n: '${ .n * 2 }'}\n");
    folder.definition(
        "sample",
        "input: {schema: {resource: {endpoint: 'file://schema.json'}}}\ndo:\n  - d: {call: 'file://double.yaml', with: {n: '${ .n }'}}\n",
    );
    folder.file("input.json", "{\"n\": 4}");
    let (code, answer) = folder.answer(&["run", "sample.yaml", "--input", "input.json"]);
    assert_eq!((code, &answer["output"]), (0, &json!({"n": 8})), "{answer}");
    let (code, answer) = folder.answer(&["run", "sample.yaml"]);
    assert_eq!(code, 1, "{answer}");
    assert!(answer["error"]["type"].as_str().unwrap().ends_with("/validation"), "{answer}");
}

#[test]
fn ctrl_c_ends_a_run_cleanly() {
    let folder = Folder::new();
    let path = folder.definition("sample", "do:\n  - first: {set: {x: 1}}\n  - nap: {wait: P1D}\n");
    let mut command = orrery(folder.path());
    command.args(["workflow", "run"]).arg(path).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    // The command catches the signal once it runs; before that it ends by it, and another try is made.
    let caught = |pid: Pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&mask, 16).unwrap() & (1 << (Signal::SIGINT as u64 - 1)) != 0
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !caught(pid) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it never listened for Ctrl-C");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(pid, Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let answer = printed(&output);
    assert_eq!(answer["status"], "cancelled");
    assert_eq!(answer["tasks"], json!(["/do/0/first", "/do/1/nap"]));
}
