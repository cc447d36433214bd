//! `orrery knowledge`: add, search, list, remove.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::client::{self, Gateway, media_type};
use crate::error::usage;
use crate::output::{Output, Progress, Table, text};

const EXCERPT_WIDTH: usize = 90;

/// What to do with documents.
#[derive(Debug, Subcommand)]
pub enum KnowledgeCommand {
    /// Add or replace documents, each under its file's name.
    Add {
        collection: String,
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Search a collection.
    Search {
        collection: String,
        query: String,
        /// At most so many hits.
        #[arg(long, default_value_t = 5)]
        top: usize,
    },
    /// List the collections, or the documents of one.
    List { collection: Option<String> },
    /// Remove a document.
    Remove { collection: String, document: String },
}

/// Runs it.
pub async fn run(globals: &Globals, command: KnowledgeCommand, output: Output) -> Result<()> {
    let gateway = client::connect(globals)?;
    match command {
        KnowledgeCommand::Add { collection, files } => {
            let added = add(&gateway, &collection, &files).await?;
            output.show(&json!({ "data": added }), documents);
        }
        KnowledgeCommand::Search { collection, query, top } => {
            let body = json!({ "query": query, "top_k": top });
            output.show(&gateway.post(&["knowledge", &collection, "search"], &body).await?, hits);
        }
        KnowledgeCommand::List { collection: None } => {
            output.show(&gateway.get(&["knowledge"], &[]).await?, |found| {
                rows(found, &["name", "version", "documents", "chunks"], "no collections")
            });
        }
        KnowledgeCommand::List { collection: Some(collection) } => {
            output.show(&gateway.get(&["knowledge", &collection], &[]).await?, |found| {
                rows(found, &["name", "chunks", "media_type", "added_at"], "no documents")
            });
        }
        KnowledgeCommand::Remove { collection, document } => {
            let removed = gateway.delete(&["knowledge", &collection, &document]).await?;
            output.show(&removed, |_| format!("{document} was removed from {collection}"));
        }
    }
    Ok(())
}

/// Sends documents one after the other; each is searchable when this returns.
pub async fn add(gateway: &Gateway, collection: &str, files: &[PathBuf]) -> Result<Vec<Value>> {
    let progress = Progress::bar(files.len(), "reading documents");
    let mut added = Vec::new();
    for path in files {
        let name = document_name(path)?;
        progress.message(name.clone());
        let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let segments = ["knowledge", collection, &name];
        let sent = gateway.send_bytes(Method::PUT, &segments, media_type(path), content).await;
        added.push(sent.with_context(|| format!("{} was not added", path.display()))?);
        progress.step();
    }
    progress.finish();
    Ok(added)
}

fn document_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| usage(format!("{} has no usable file name", path.display())))
}

fn documents(added: &Value) -> String {
    rows(added, &["document", "chunks", "changed", "collection_version"], "nothing was added")
}

fn rows(value: &Value, columns: &[&str], empty: &str) -> String {
    let mut table = Table::new(columns);
    for row in text::rows(value) {
        table.row(columns.iter().map(|name| text::field(row, name)));
    }
    table.or(empty)
}

fn hits(found: &Value) -> String {
    let mut table = Table::new(&["score", "document", "clause", "section", "text"]).right(&[0]);
    for hit in found.get("hits").and_then(Value::as_array).into_iter().flatten() {
        let score = hit.get("score").and_then(Value::as_f64).unwrap_or_default();
        table.row([
            format!("{score:.3}"),
            text::field(hit, "document"),
            text::field(hit, "clause"),
            text::field(hit, "section_path"),
            text::short(&text::field(hit, "text"), EXCERPT_WIDTH),
        ]);
    }
    table.or("nothing was found")
}
