//! Progress of long work, on standard error; silent where nobody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TICK: Duration = Duration::from_millis(120);

/// A spinner or a bar. Gone when dropped.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Of unknown length.
    pub fn spinner(message: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}");
        Self::start(ProgressBar::new_spinner(), style, message)
    }

    /// Of `length` steps.
    pub fn bar(length: usize, message: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner:.cyan} [{bar:28}] {pos}/{len} {msg} {elapsed:.dim}");
        Self::start(ProgressBar::new(length as u64), style, message)
    }

    fn start(bar: ProgressBar, style: Result<ProgressStyle, indicatif::style::TemplateError>, message: &str) -> Self {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// What is being done now.
    pub fn message(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }

    /// One step is done.
    pub fn step(&self) {
        self.0.inc(1);
    }

    /// A lasting line above the progress; printed plainly where nothing is drawn.
    pub fn line(&self, text: &str) {
        self.0.suspend(|| {
            use std::io::Write as _;
            let _reader_left = writeln!(std::io::stderr().lock(), "{text}");
        });
    }

    /// Removes it.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
