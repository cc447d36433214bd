//! Holds the workspace's sources against the rules of ARCHITECTURE.md that a program can check.
//! It reads text only: it must never need a service to build, a server to run or a model to be there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
/// Source trees of the workspace; nothing else in the checkout is ours to judge.
const TREES: [&str; 5] = ["proto", "shared", "services", "cli", "loadtests"];
/// Written by a program, held against its source by a drift test.
const GENERATED: &str = "proto/src/generated.rs";
/// What a pure domain must not name: shells, clocks and chance.
const IMPURE: [&str; 9] = [
    "actix",
    "tokio",
    "async_nats",
    "diesel",
    "rand::",
    "std::time::SystemTime",
    "std::time::Instant",
    "SystemTime::now",
    "Instant::now",
];

struct Source {
    /// Relative to the workspace, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    /// Code without line comments, so that a rule may be explained where it applies.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or(line)))
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn sources(extension: &str) -> Vec<Source> {
    let root = workspace();
    let mut paths = Vec::new();
    for tree in TREES {
        collect(&root.join(tree), extension, &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty(), "no .{extension} file under {}", root.display());
    let relative = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
    paths.iter().map(|path| Source { path: relative(path), text: fs::read_to_string(path).unwrap() }).collect()
}

/// Every line of Rust that contains one of `needles`, outside the paths that `allowed` accepts.
fn offences(needles: &[&str], allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources("rs").iter().filter(|source| !allowed(&source.path)) {
        for (number, line) in source.code() {
            for needle in needles.iter().filter(|needle| line.contains(**needle)) {
                found.push(format!("{}:{number}: {needle}", source.path));
            }
        }
    }
    found
}

fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

fn is_this_file(path: &str) -> bool {
    path == "shared/testkit/tests/tidy.rs"
}

/// The crates of ours that a manifest names as dependencies, of any kind.
fn own_dependencies(manifest: &str) -> Vec<&str> {
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
        } else if in_dependencies && line.starts_with("orrery-") {
            found.push(line.split(['.', ' ', '=']).next().unwrap_or(line));
        }
    }
    found
}

#[test]
fn nothing_but_the_command_line_and_load_tests_depend_on_a_service() {
    let services: Vec<String> = fs::read_dir(workspace().join("services"))
        .unwrap()
        .map(|entry| format!("orrery-{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    assert!(services.len() >= 6, "the services' folder names have changed: {services:?}");
    let mut found = Vec::new();
    let judged =
        |path: &str| path.ends_with("Cargo.toml") && !path.starts_with("cli/") && !path.starts_with("loadtests/");
    for manifest in sources("toml").iter().filter(|source| judged(&source.path)) {
        for dependency in own_dependencies(&manifest.text).iter().filter(|d| services.iter().any(|s| s == *d)) {
            found.push(format!("{} depends on {dependency}", manifest.path));
        }
    }
    assert_none("services meet in proto and shared/bus only", &found);
}

#[test]
fn only_inference_links_libtorch() {
    let found: Vec<String> = sources("toml")
        .iter()
        .filter(|s| s.path.ends_with("Cargo.toml") && !s.path.starts_with("services/inference/"))
        .filter(|s| s.text.lines().any(|line| line.starts_with("tch") || line.starts_with("torch-sys")))
        .map(|s| s.path.clone())
        .collect();
    assert_none("everything but services/inference builds without libtorch", &found);
}

#[test]
fn files_stop_at_five_hundred_lines() {
    let found: Vec<String> = sources("rs")
        .iter()
        .filter(|source| source.path != GENERATED)
        .map(|source| (source, source.text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(source, lines)| format!("{}: {lines} lines", source.path))
        .collect();
    assert_none("split the file by what each part owns", &found);
}

#[test]
fn subjects_stand_only_in_the_bus() {
    let allowed = |path: &str| path.starts_with("shared/bus/") || path.starts_with("proto/") || is_this_file(path);
    assert_none("take the subject from orrery-bus", &offences(&["orrery.v1."], allowed));
}

#[test]
fn environment_is_read_only_in_config() {
    // Build scripts run before any configuration, and a drift test asks once whether to write instead of compare.
    let allowed = |path: &str| {
        path.starts_with("shared/config/")
            || path.starts_with("proto/")
            || path.ends_with("/build.rs")
            || is_this_file(path)
    };
    assert_none("take the value from orrery-config", &offences(&["env::var"], allowed));
}

#[test]
fn domains_are_pure() {
    let outside_domain = |path: &str| !path.contains("/src/domain/") && !path.ends_with("/src/domain.rs");
    assert_none("a domain knows no actor, bus, database, clock or chance", &offences(&IMPURE, outside_domain));
}

#[test]
fn a_manifest_names_its_dependencies() {
    let manifest = "[package]\nname = \"orrery-x\"\n[dependencies]\norrery-bus.workspace = true\nserde = \"1\"\n\
                    [dev-dependencies]\norrery-kernel = { path = \"..\" }\n[features]\norrery-no = []\n";
    assert_eq!(own_dependencies(manifest), ["orrery-bus", "orrery-kernel"]);
}
