//! What needs no running system: usage, missing systems, damaged proofs, packets without truth.

use std::path::Path;

use crate::command::run;

fn says(args: &[&str], code: i32, words: &str) {
    let data = tempfile::tempdir().unwrap();
    let output = run(data.path(), args);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(words), "{errors}");
}

#[test]
fn wrong_usage_is_exit_code_two() {
    says(&["task", "submit"], 2, "<WORKFLOW>");
    says(&["eval", "no-such-workflow", "."], 2, "is no workflow file");
    says(&["--url", "ftp://x", "--api-key", "k", "spend"], 2, "no http or https URL");
}

#[test]
fn a_command_without_a_system_says_how_to_start_one() {
    says(&["task", "list"], 1, "start one with `orrery up`");
}

#[test]
fn a_damaged_proof_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.proof");
    std::fs::write(&path, "not a proof").unwrap();
    says(&["audit", "verify", path.to_str().unwrap()], 1, "does NOT hold");
}

#[test]
fn a_packet_without_truth_is_named_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("P1")).unwrap();
    let workflow = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/claims/workflow.yaml");
    says(&["eval", workflow.to_str().unwrap(), folder.path().to_str().unwrap()], 1, "P1 has no truth.json");
}
