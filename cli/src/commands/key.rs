//! `orrery key`: create, list, revoke.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::client::{self, Gateway};
use crate::output::{Output, Table, text};

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key; it is shown once.
    Create {
        /// Who acts with it.
        principal: String,
        /// admin, developer, reviewer, auditor, operator, or a role that a workflow names.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// Ends by itself at this time, such as 2027-01-01T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// List the keys, without their secrets.
    List,
    /// End a key at once.
    Revoke { id: String },
}

/// Runs it.
pub async fn run(globals: &Globals, command: KeyCommand, output: Output) -> Result<()> {
    let gateway = client::connect(globals)?;
    match command {
        KeyCommand::Create { principal, roles, expires_at } => {
            let mut body = json!({ "principal": principal, "roles": roles });
            if let (Some(body), Some(at)) = (body.as_object_mut(), expires_at) {
                body.insert("expires_at".to_owned(), at.into());
            }
            let key = gateway.post(&["admin", "keys"], &body).await?;
            output.show(&key, |key| {
                let shown = text::fields(key, &["id", "principal", "roles", "expires_at", "key"]);
                format!("{shown}\n\nKeep the key now: it is not shown again.")
            });
        }
        KeyCommand::List => output.show(&gateway.get(&["admin", "keys"], &[]).await?, many),
        KeyCommand::Revoke { id } => {
            output.show(&gateway.delete(&["admin", "keys", &id]).await?, |_| format!("{id} is revoked"));
        }
    }
    Ok(())
}

/// A fresh key, as it is sent.
pub async fn create(admin: &Gateway, principal: &str, roles: &[String]) -> Result<String> {
    let key = admin.post(&["admin", "keys"], &json!({ "principal": principal, "roles": roles })).await?;
    Ok(text::field(&key, "key"))
}

fn many(keys: &Value) -> String {
    let mut table = Table::new(&["key", "principal", "roles", "created", "expires", "revoked"]);
    let time = |key: &Value, name: &str| text::time(key.get(name).unwrap_or(&Value::Null));
    for key in text::rows(keys) {
        table.row([
            text::field(key, "id"),
            text::field(key, "principal"),
            text::field(key, "roles"),
            time(key, "created_at"),
            time(key, "expires_at"),
            time(key, "revoked_at"),
        ]);
    }
    table.or("no keys")
}
