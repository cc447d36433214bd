//! Files that hold definitions and values: reading them, and what is wrong with them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orrery_kernel::domain::definition::{self, Definition, Problem, Problems, SOURCE_BYTES_MAX};
use serde::Serialize;
use serde_json::{Value, json};

use super::elsewhere;
use super::remedy::remedy;
use crate::USAGE;
use crate::error::Exit;
use crate::output::Output;

/// The name that stands for standard input.
pub const STDIN: &str = "-";

/// A fault of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    /// The file.
    pub file: String,
    /// Where in it, and what.
    #[serde(flatten)]
    pub problem: Problem,
    /// What to do about it.
    pub remedy: String,
}

/// A file that cannot be used, with its text as far as it could be read.
#[derive(Debug)]
pub struct Invalid {
    /// Its name.
    pub file: String,
    /// Empty when there is none.
    pub text: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl Invalid {
    /// With one fault that has no place of its own.
    pub fn whole(path: &Path, reason: impl Into<String>) -> Self {
        let problem = Problem { line: 1, column: 1, pointer: String::new(), reason: reason.into() };
        Self { file: path.display().to_string(), text: String::new(), problems: vec![problem] }
    }

    /// Its faults, each with the file's name.
    pub fn file_problems(&self) -> impl Iterator<Item = FileProblem> {
        self.problems.iter().map(|problem| FileProblem {
            file: self.file.clone(),
            problem: problem.clone(),
            remedy: remedy(problem),
        })
    }

    /// For people: each fault under its line, with a mark below the place.
    pub fn render(&self) -> String {
        self.problems.iter().map(|problem| self.render_one(problem)).collect::<Vec<_>>().join("\n")
    }

    fn render_one(&self, problem: &Problem) -> String {
        let Problem { line, column, pointer, reason } = problem;
        let pointer = if pointer.is_empty() { String::new() } else { format!("{pointer}: ") };
        let head = format!("{}:{line}:{column}: {pointer}{reason}", self.file);
        let help = remedy(problem);
        let source = self.text.lines().nth(line.saturating_sub(1)).filter(|source| !source.is_empty());
        let Some(source) = source else { return format!("{head}\n   = {help}") };
        // A tab or a wide character before the mark takes the same room in both lines.
        let before: String =
            source.chars().take(column.saturating_sub(1)).map(|it| if it == '\t' { '\t' } else { ' ' }).collect();
        let margin = " ".repeat(line.to_string().len());
        format!("{head}\n {margin} |\n {line} | {}\n {margin} | {before}^\n {margin} = {help}", shorten(source))
    }

    /// Prints the faults, as JSON on standard output and for people beside it; the command then exits with 2.
    pub fn report(&self, output: Output) -> anyhow::Error {
        let problems: Vec<FileProblem> = self.file_problems().collect();
        let body = json!({ "status": "invalid", "problems": problems });
        output.print(&serde_json::to_string_pretty(&body).unwrap_or_default());
        output.note(&self.render());
        Exit(USAGE).into()
    }
}

/// A line of a definition that is one long text is not shown whole.
fn shorten(line: &str) -> String {
    const SHOWN: usize = 160;
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// The text of a file, or of standard input for `-`.
pub fn read_text(path: &Path) -> Result<String, Invalid> {
    // One byte more than is accepted, so that a file without end is noticed and not read to it.
    let limit = SOURCE_BYTES_MAX as u64 + 1;
    let mut bytes = Vec::new();
    let read = if path == Path::new(STDIN) {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    if let Err(error) = read {
        return Err(Invalid::whole(path, format!("it cannot be read: {error}")));
    }
    if bytes.len() > SOURCE_BYTES_MAX {
        return Err(Invalid::whole(path, format!("it is longer than {SOURCE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Invalid::whole(path, format!("it is not text: byte {at} is not UTF-8; write YAML or JSON"))
    })
}

/// Reads and compiles a definition.
pub fn read_definition(path: &Path) -> Result<Arc<Definition>, Invalid> {
    let text = read_text(path)?;
    match elsewhere::compile(&text, folder(path)) {
        Ok(definition) => Ok(Arc::new(definition)),
        Err(Problems(problems)) => Err(Invalid { file: path.display().to_string(), text, problems }),
    }
}

/// Reads a value, JSON or YAML.
pub fn read_value(path: &Path) -> Result<Value, Invalid> {
    let text = read_text(path)?;
    let invalid = |text, problems| Invalid { file: path.display().to_string(), text, problems };
    if let Ok(value) = serde_json::from_str(&text) {
        return match definition::first_inexact(&text) {
            None => Ok(value),
            Some(problem) => Err(invalid(text, vec![problem])),
        };
    }
    match definition::read(&text) {
        Ok(source) => Ok(source.value),
        Err(Problems(problems)) => Err(invalid(text, problems)),
    }
}

/// The folder in which a file lies; none for standard input.
pub fn folder(path: &Path) -> Option<PathBuf> {
    let parent = path.parent().filter(|_| path != Path::new(STDIN))?;
    Some(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() })
}

/// Reads CloudEvents, one or a list. What every event has alike need not be written.
pub fn read_events(path: &Path) -> Result<Vec<Value>, Invalid> {
    let events = match read_value(path)? {
        Value::Array(events) => events,
        event => vec![event],
    };
    let complete = |(index, event)| complete_event(event, index).map_err(|reason| Invalid::whole(path, reason));
    events.into_iter().enumerate().map(complete).collect()
}

/// An event with an id, a source and a version, if it had none.
pub fn complete_event(mut event: Value, index: usize) -> Result<Value, String> {
    let fields = event.as_object_mut().ok_or("an event must be an object")?;
    if !fields.get("type").is_some_and(Value::is_string) {
        return Err("an event needs a `type`".to_owned());
    }
    fields.entry("specversion").or_insert_with(|| json!("1.0"));
    fields.entry("id").or_insert_with(|| json!(format!("event-{index}")));
    fields.entry("source").or_insert_with(|| json!("orrery:local"));
    Ok(event)
}
