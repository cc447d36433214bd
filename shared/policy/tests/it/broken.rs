//! Broken policies are refused with file, line and reason.

use std::collections::BTreeMap;

use orrery_policy::{Bundle, Fault, PolicyError};

fn faults(files: &[(&str, &str)]) -> Vec<Fault> {
    let files: BTreeMap<String, String> = files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    match Bundle::parse(&files) {
        Err(PolicyError::Invalid(faults)) => faults,
        other => panic!("expected faults, got {other:?}"),
    }
}

#[test]
fn a_syntax_error_names_its_line() {
    let found = faults(&[(
        "a.cedar",
        "@id(\"a\")\npermit (principal, action, resource)\nwhen { resource.location = \"local\" };\n",
    )]);
    assert_eq!((found[0].file.as_str(), found[0].line), ("a.cedar", 3), "{found:?}");
    assert!(found[0].reason.contains("=="), "{found:?}");
}

#[test]
fn a_misspelt_attribute_names_its_line_and_the_right_spelling() {
    let text = "// comment\n@id(\"a\")\nforbid (principal, action == Orrery::Action::\"invoke\", resource)\nwhen {\n  resource.locaton != \"local\"\n};\n";
    let found = faults(&[("good.cedar", "@id(\"g\") permit (principal, action, resource);"), ("bad.cedar", text)]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].file.as_str(), found[0].line, found[0].column), ("bad.cedar", 5, 3), "{found:?}");
    assert!(found[0].reason.contains("locaton") && found[0].reason.contains("location"), "{found:?}");
}

#[test]
fn comparing_text_with_a_number_is_a_type_fault() {
    let found =
        faults(&[("a.cedar", "@id(\"a\")\npermit (principal, action, resource)\nwhen { context.purpose == 3 };\n")]);
    assert_eq!(found[0].line, 3, "{found:?}");
}

#[test]
fn every_policy_needs_an_id_of_its_own() {
    let found = faults(&[
        ("a.cedar", "permit (principal, action, resource);"),
        (
            "b.cedar",
            "@id(\"x\") permit (principal, action, resource);\n@id(\"x\") forbid (principal, action, resource);",
        ),
    ]);
    assert_eq!(found.len(), 2);
    assert!(found[0].reason.contains("no @id"), "{found:?}");
    assert!(found[1].reason.contains("\"x\" is taken"), "{found:?}");
}

#[test]
fn all_faults_are_told_at_once() {
    let found = faults(&[
        ("a.cedar", "permit ("),
        ("b.cedar", "@id(\"b\") permit (principal, action, resource) when { principal.age > 3 };"),
    ]);
    assert!(found.iter().any(|fault| fault.file == "a.cedar") && found.iter().any(|fault| fault.file == "b.cedar"));
}

#[test]
fn an_empty_folder_and_a_missing_one_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Bundle::load(folder.path()), Err(PolicyError::Empty { .. })));
    assert!(matches!(Bundle::load(&folder.path().join("none")), Err(PolicyError::Unreadable { .. })));
}
