//! The example end to end: `demo` on all packets, `eval` on one.

use std::path::{Path, PathBuf};

use crate::command::{json, run};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/claims")
}

#[test]
fn the_demo_completes_every_packet_and_verifies_every_proof() {
    let data = tempfile::tempdir().unwrap();
    let output = run(data.path(), &["demo", "--example", example().to_str().unwrap()]);
    let summary = json(&output);
    let packets = summary["packets"].as_array().unwrap();
    assert_eq!(packets.len(), 8);
    assert!(packets.iter().all(|packet| packet["status"] == "completed"), "{summary}");
    assert_eq!(summary["proofs_verified"], 8, "{summary}");
    assert!(summary["memory_peak_bytes"].as_u64().unwrap() < 3 * 1024 * 1024 * 1024, "{summary}");
    assert!(output.status.success());
}

#[test]
fn eval_scores_one_packet_and_writes_its_report() {
    let data = tempfile::tempdir().unwrap();
    let report = data.path().join("report.json");
    let (workflow, packet) = (example().join("workflow.yaml"), example().join("packets/C001"));
    let args = ["eval", workflow.to_str().unwrap(), packet.to_str().unwrap(), "--report", report.to_str().unwrap()];
    let output = run(data.path(), &args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(written, json(&output));
    assert_eq!(written["packets"], 1);
    assert_eq!(written["failed"], 0, "{written}");
    assert!(written["fields"]["total"].as_u64().unwrap() >= 10);
    assert!(written["seconds"]["p50"].as_f64().unwrap() > 0.0);
    assert!(written["cost"]["total_nanos"].as_u64().unwrap() > 0);
}
