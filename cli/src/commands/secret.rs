//! `orrery secret`: providers' secrets in the router's store, and the keys that seal them. A value is never an argument, which
//! other processes could read.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use orrery_config::Paths;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::client;
use crate::error::usage;
use crate::output::{Output, Table, text};
use crate::system::{data_folder, sealing_key_file};

/// What to do with providers' secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Set a secret, or give it another value, which is read from standard input or a file.
    Set {
        /// As the catalogue names it: `api_key = { store = "NAME" }`.
        name: String,
        /// Read the value from this file.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// List the secrets and who uses them; values are never shown.
    List,
    /// Remove a secret. Models of providers that use it are unavailable from then on.
    Delete { name: String },
    /// Seal all secrets with the router's present key, so that older keys are needed no more.
    Reseal,
    /// Make a key that seals secrets and put it first in the file of keys; older ones stay there, to open what they sealed.
    NewKey {
        /// The file [default: ORRERY_SECRETS_KEY_FILE, else secrets.key in the data folder].
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Runs it.
pub async fn run(globals: &Globals, command: SecretCommand, output: Output) -> Result<()> {
    match command {
        SecretCommand::Set { name, file } => {
            let value = value(file.as_deref())?;
            let gateway = client::connect(globals)?;
            let body = json!({ "value": value }).to_string().into_bytes();
            let path = ["admin", "secrets", &name];
            let set = gateway.send_bytes(Method::PUT, &path, "application/json", body).await?;
            output.show(&set, |set| format!("{} is set{}", text::field(set, "name"), users(set, "; used by ")));
        }
        SecretCommand::List => {
            output.show(&client::connect(globals)?.get(&["admin", "secrets"], &[]).await?, many);
        }
        SecretCommand::Delete { name } => {
            let removed = client::connect(globals)?.delete(&["admin", "secrets", &name]).await?;
            output.show(&removed, |removed| format!("{name} is removed{}", users(removed, "; now without a key: ")));
        }
        SecretCommand::Reseal => {
            let resealed = client::connect(globals)?.post(&["admin", "reseal"], &json!({})).await?;
            output.show(&resealed, |it| text::fields(it, &["key_id", "resealed", "unopened"]));
        }
        SecretCommand::NewKey { file } => new_key(globals, file, output)?,
    }
    Ok(())
}

fn value(file: Option<&Path>) -> Result<String> {
    match file {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())),
        // What is typed would stay on the screen.
        None if std::io::stdin().is_terminal() => {
            Err(usage("give the value on standard input or with --file, as in `orrery secret set NAME < value.txt`"))
        }
        None => {
            let mut value = String::new();
            std::io::stdin().read_to_string(&mut value).context("standard input is no text")?;
            Ok(value)
        }
    }
}

fn new_key(globals: &Globals, file: Option<PathBuf>, output: Output) -> Result<()> {
    let path = file.unwrap_or_else(|| sealing_key_file(&Paths { data: data_folder(globals), ..Paths::from_env() }));
    let ids = orrery_vault::add_key(&path)?;
    let made = json!({ "file": path, "key_id": ids.first(), "older": ids.get(1..) });
    output.show(&made, |made| {
        let shown = text::fields(made, &["file", "key_id", "older"]);
        let next = if ids.len() > 1 {
            "Give the file to every process that makes calls, then run `orrery secret reseal` and remove the older keys."
        } else {
            "Keep a copy of the file: without it no secret can be opened again."
        };
        format!("{shown}\n\n{next}")
    });
    Ok(())
}

fn users(secret: &Value, before: &str) -> String {
    match text::field(secret, "providers") {
        none if none.is_empty() => String::new(),
        providers => format!("{before}{providers}"),
    }
}

fn many(secrets: &Value) -> String {
    let mut table = Table::new(&["secret", "version", "set", "by", "used by", "sealed with"]);
    for secret in text::rows(secrets) {
        let set = text::time(secret.get("set_at").unwrap_or(&Value::Null));
        table.row([
            text::field(secret, "name"),
            text::field(secret, "version"),
            if set.is_empty() { "not set".to_owned() } else { set },
            text::field(secret, "set_by"),
            text::field(secret, "providers"),
            text::field(secret, "key_id"),
        ]);
    }
    table.or("no secrets")
}
