//! Which tasks are meant, for what lists them and for what does something to all of them.

use clap::Args;

/// What tasks must fit; all that is given must.
#[derive(Debug, Args)]
pub struct TaskFilter {
    #[arg(long)]
    workflow: Option<String>,
    #[arg(long)]
    version: Option<String>,
    /// Who submitted them.
    #[arg(long, value_name = "PRINCIPAL")]
    submitted_by: Option<String>,
    /// Started then or later, for example 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Started before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The code of their error.
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// An attribute that they have; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub attribute: Vec<String>,
}

impl TaskFilter {
    /// What is given, but for the attributes, under the names that the gateway knows.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = [
            ("workflow", &self.workflow),
            ("version", &self.version),
            ("submitted_by", &self.submitted_by),
            ("created_from", &self.since),
            ("created_before", &self.until),
            ("error", &self.error),
        ];
        texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }
}
