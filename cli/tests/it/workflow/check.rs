//! `workflow validate` and `workflow graph`.

use serde_json::json;

use super::{Folder, document, said};
use crate::command::json as printed;

#[test]
fn every_fault_has_its_place_and_what_to_do() {
    let folder = Folder::new();
    folder.definition("good", "do: []\n");
    folder.definition("bad", "do:\n  - größe: {sett: {x: 1}}\n  - b:\n      set: {x: '${ .a | }'}\n      exprt: 1\n");
    let output = folder.workflow(&["validate", "good.yaml", "bad.yaml"], "");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let answer = printed(&output);
    assert_eq!(answer["valid"], false);
    assert_eq!(answer["files"][0]["workflow"], "test/good:1.0.0");
    let problems = answer["files"][1]["problems"].as_array().unwrap();
    let found: Vec<_> =
        problems.iter().map(|it| (it["line"].as_u64(), it["pointer"].as_str(), it["remedy"].as_str())).collect();
    let expected = [
        (Some(3), Some("/do/0/größe"), Some("did you mean `set` where `sett` stands?")),
        (Some(3), Some("/do/0/größe/sett"), Some("did you mean `set`?")),
        (Some(6), Some("/do/1/b/exprt"), Some("did you mean `export`?")),
    ];
    assert_eq!(found, expected, "{answer}");
    assert_eq!(folder.workflow(&["validate", "good.yaml"], "").status.code(), Some(0));
}

#[test]
fn people_see_the_line_with_a_mark_under_the_place() {
    let folder = Folder::new();
    let text = format!("{}do:\n  - a: {{set: {{x: '${{ $nope }}'}}}}\n", document("sample"));
    let output = folder.workflow(&["run", "-"], &text);
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[2], " 3 |   - a: {set: {x: '${ $nope }'}}", "{said}");
    assert_eq!(lines[3].find('^'), lines[2].find('x'), "{said}");
    assert!(lines[4].contains("= "), "{said}");
}

#[test]
fn a_definition_is_drawn() {
    let folder = Folder::new();
    folder.definition("sample", "do:\n  - 'a \"b\"': {set: {x: 1}}\n");
    let (code, answer) = folder.answer(&["graph", "sample.yaml"]);
    let graph = "flowchart TD\n  start([start])\n  start --> n1\n  n1[\"a #quot;b#quot;<br/>set\"]\n  n1 --> stop\n  stop([end])\n";
    assert_eq!((code, answer), (0, json!({"format": "mermaid", "graph": graph})));
    assert_eq!(folder.workflow(&["graph", "missing.yaml"], "").status.code(), Some(2));
}
