//! Everything that is printed: results on standard output, notes and errors on standard error.

mod progress;
mod table;
pub mod text;

use std::io::{IsTerminal as _, Write as _};

use serde_json::{Value, json};

use crate::error::ApiError;
pub use progress::Progress;
pub use table::Table;

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON or tables.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether results are JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person sits in front of it.
    pub fn is_terminal(self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Shows a result: as it is with `--json`, else as `human` writes it.
    pub fn show(self, value: &Value, human: impl FnOnce(&Value) -> String) {
        let text = if self.json { serde_json::to_string_pretty(value).unwrap_or_default() } else { human(value) };
        self.print(&text);
    }

    /// Shows one value of a stream: a line of JSON, or a line of text.
    pub fn show_line(self, value: &Value, human: impl FnOnce(&Value) -> String) {
        self.print(&if self.json { value.to_string() } else { human(value) });
    }

    /// A line on standard output. A closed pipe ends the interest, not the command.
    pub fn print(self, text: &str) {
        let _reader_left = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    }

    /// A line for people on standard error.
    pub fn note(self, text: &str) {
        let _reader_left = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// An error with what to do about it.
    pub fn error(self, error: &anyhow::Error) {
        let api = error.chain().find_map(|cause| cause.downcast_ref::<ApiError>());
        if self.json {
            let code = api.map_or("failed", |api| api.code.as_str());
            let body = json!({ "error": {
                "code": code,
                "message": format!("{error:#}"),
                "help": api.and_then(|api| api.help.clone()),
                "detail": api.and_then(|api| api.detail.clone()),
                "retry_after_ms": api.and_then(|api| api.retry_after_ms),
                "trace_id": api.and_then(|api| api.trace_id.clone()),
            }});
            self.note(&body.to_string());
            return;
        }
        self.note(&format!("orrery: {error:#}"));
        let Some(api) = api else { return };
        if let Some(detail) = &api.detail {
            self.note(&text::indented(detail));
        }
        if let Some(help) = &api.help {
            self.note(&format!("  {help}"));
        }
        if let Some(trace) = &api.trace_id {
            self.note(&format!("  trace {trace}"));
        }
    }
}
