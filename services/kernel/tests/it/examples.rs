//! The workflows that the repository ships are accepted.

use std::path::Path;

use orrery_kernel::domain::definition;

#[test]
fn every_example_is_a_valid_definition() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path().join("workflow.yaml");
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if let Err(problems) = definition::parse(&text) {
            panic!("{}: {problems}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 0, "no example was found");
}
