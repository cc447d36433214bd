//! `orrery model`: list, sign and verify the models of this machine. Works on the repository itself, with or without a
//! running system.

use anyhow::{Result, bail};
use clap::Subcommand;
use orrery_config::Paths;
use orrery_modelrepo::{ModelFolder, Repository, SigningKeyFile, TrustedKeys};
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::client;
use crate::output::{Output, Progress, Table, text};
use crate::system::models;

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List the models, and which of them a running system serves.
    List,
    /// Sign a model with this machine's key, after checking where it came from.
    Sign { model: String },
    /// Check signature and digests of one model, or of all.
    Verify { model: Option<String> },
}

/// Runs it.
pub async fn run(globals: &Globals, command: ModelCommand, output: Output) -> Result<()> {
    let paths = Paths::from_env();
    let repository = Repository::new(paths.models());
    match command {
        ModelCommand::List => list(globals, &repository, output).await,
        ModelCommand::Sign { model } => {
            let folder = repository.find(&model)?;
            let key = SigningKeyFile::open_or_create(&models::signing_key(&paths), &models::trusted(&paths))?;
            let manifest = folder.sign(&key)?;
            let files: Vec<Value> = manifest
                .files
                .iter()
                .map(|file| json!({ "name": file.name, "digest": file.digest.to_string() }))
                .collect();
            let signed = json!({ "model": manifest.model, "version": manifest.version, "files": files });
            output.show(&signed, |_| format!("{}:{} is signed", manifest.model, manifest.version));
            Ok(())
        }
        ModelCommand::Verify { model } => {
            let folders = model.map_or_else(|| repository.list(), |model| Ok(vec![repository.find(&model)?]))?;
            verify(folders, &TrustedKeys::load(&models::trusted(&paths))?, output)
        }
    }
}

async fn list(globals: &Globals, repository: &Repository, output: Output) -> Result<()> {
    // Without a system there is simply nothing loaded.
    let served = match client::connect(globals) {
        Ok(gateway) => gateway.get(&["models"], &[]).await.ok(),
        Err(_nothing_runs) => None,
    };
    let served: Vec<String> = served.iter().flat_map(text::rows).map(|model| text::field(model, "id")).collect();
    let models: Vec<Value> = repository
        .list()?
        .iter()
        .map(|folder| {
            let description = folder.description();
            json!({
                "name": description.name, "version": description.version, "task": description.task.as_str(),
                "format": description.format, "licence": description.licence, "signed": folder.is_signed(),
                // A catalogue entry may stand for several files, as `pp-ocrv6` does for detection and recognition.
                "served": served.iter().any(|id| description.name.starts_with(id.as_str())), "description": description.description,
            })
        })
        .collect();
    output.show(&json!({ "data": models }), |models| {
        let columns = ["name", "version", "task", "format", "licence", "signed", "served"];
        let mut table = Table::new(&columns);
        for model in text::rows(models) {
            table.row(columns.map(|name| text::field(model, name)));
        }
        table.or("no models; run `make setup`")
    });
    Ok(())
}

fn verify(folders: Vec<ModelFolder>, trusted: &TrustedKeys, output: Output) -> Result<()> {
    let progress = Progress::bar(folders.len(), "hashing");
    let mut results = Vec::new();
    for folder in folders {
        let name = format!("{}:{}", folder.description().name, folder.description().version);
        progress.message(name.clone());
        results.push(match folder.verify(trusted) {
            Ok(model) => {
                json!({ "model": name, "ok": true, "digest": model.digest.to_string(), "size_bytes": model.size_bytes })
            }
            Err(error) => json!({ "model": name, "ok": false, "error": error.to_string() }),
        });
        progress.step();
    }
    progress.finish();
    let wrong = results.iter().filter(|result| result.get("ok") == Some(&Value::Bool(false))).count();
    output.show(&json!({ "data": results }), |results| {
        let mut table = Table::new(&["model", "size", "digest or fault"]).right(&[1]);
        for result in text::rows(results) {
            let verdict = format!("{}{}", text::field(result, "digest"), text::field(result, "error"));
            table.row([text::field(result, "model"), text::bytes(text::number(result, "size_bytes")), verdict]);
        }
        table.or("no models; run `make setup`")
    });
    if wrong > 0 {
        bail!("{wrong} of the models must not be used");
    }
    Ok(())
}
