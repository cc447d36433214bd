//! The secrets of workflows: read when a call needs them, forgotten when it is over, and masked in whatever it gives back.

use std::collections::BTreeSet;
use std::path::PathBuf;

use orrery_config::env;
use orrery_errors::ErrorCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::effect::Call;
use crate::domain::expression::SealedExpression;
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

const SECRET_BYTES_MAX: usize = 64 * 1024;
/// What stands where a secret stood.
const MASK: &str = "***";
/// Shorter secrets are not looked for in answers, where they would hit words that only look like them.
const MASKED_CHARS_MIN: usize = 6;

/// Where the secrets of workflows lie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsConfig {
    /// Folder of `<tenant>/<name>` files, each a text or a JSON object. Default: none. What is not there is looked for in
    /// the environment, as `ORRERY_SECRET__<TENANT>__<NAME>`.
    pub directory: Option<PathBuf>,
}

/// Reads secrets.
#[derive(Debug)]
pub struct Secrets {
    config: SecretsConfig,
}

/// A call with its secrets at hand.
pub struct Opened {
    /// The arguments, in full.
    pub arguments: Value,
    /// The secrets by name.
    pub secrets: Value,
    /// Hides them.
    pub mask: Mask,
}

impl Opened {
    /// Puts the value of an expression into its place.
    pub fn fill_in(&mut self, expression: &SealedExpression, authorization: &Value) -> Result<(), Failure> {
        let value = expression.open(&self.secrets, authorization);
        let value = value.map_err(|detail| Failure::last(Fault::new(Standard::Expression, detail)))?;
        // What an expression made of a secret is one as well, for example `"user:password" | @base64`. Without any, what
        // the call authenticates with stands in its arguments for all to see.
        if self.secrets.as_object().is_some_and(|secrets| !secrets.is_empty()) {
            self.mask.hide(&value);
        }
        if let Some(place) = self.arguments.pointer_mut(&expression.at) {
            *place = value;
        }
        Ok(())
    }
}

impl Secrets {
    /// From these places.
    pub fn new(config: SecretsConfig) -> Self {
        Self { config }
    }

    /// Puts the values of secrets where a call's arguments rest on them.
    pub async fn open(&self, tenant: &str, call: &Call) -> Result<Opened, Failure> {
        let mut secrets = Map::new();
        for name in &call.sealed.secrets {
            secrets.insert(name.clone(), self.read(tenant, name).await?);
        }
        let secrets = Value::Object(secrets);
        let arguments = call.arguments.clone();
        let mut mask = Mask::default();
        mask.hide(&secrets);
        let mut opened = Opened { arguments, secrets, mask };
        for expression in call.sealed.expressions.iter().filter(|it| !it.rests_on_authorization()) {
            opened.fill_in(expression, &Value::Null)?;
        }
        Ok(opened)
    }

    /// "If a workflow attempts to access a secret to which it does not have access rights or which does not exist, runtimes
    /// must raise an error with type authorization and status 403" (DSL, "Secret").
    async fn read(&self, tenant: &str, name: &str) -> Result<Value, Failure> {
        let refused = |why: &str| {
            let detail = format!("the secret {name:?} {why}");
            Failure::last(Fault::new(Standard::Authorization, detail).titled(ErrorCode::Forbidden.as_str()))
        };
        let text = match &self.config.directory {
            Some(directory) => match tokio::fs::read(directory.join(tenant).join(name)).await {
                Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| refused("is not text"))?),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => env::secret(tenant, name),
                Err(error) => return Err(refused(&format!("cannot be read: {}", error.kind()))),
            },
            None => env::secret(tenant, name),
        };
        let text = text.ok_or_else(|| refused("is not there for this tenant: ask an operator to provide it"))?;
        if text.len() > SECRET_BYTES_MAX {
            return Err(refused("is longer than 64 KiB"));
        }
        match serde_json::from_str(&text) {
            Ok(value @ Value::Object(_)) => Ok(value),
            _ => Ok(Value::String(text.trim_end_matches(['\r', '\n']).to_owned())),
        }
    }
}

/// Hides what must not reach the journal.
#[derive(Debug, Default)]
pub struct Mask(BTreeSet<String>);

impl Mask {
    /// Remembers every text in a value, in the writings in which it may come back.
    pub fn hide(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.hide_text(&number.to_string()),
            Value::String(text) => self.hide_text(text),
            Value::Array(items) => items.iter().for_each(|item| self.hide(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.hide(field)),
        }
    }

    fn hide_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.0.insert(text.to_owned());
        self.0.insert(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
        self.0.insert(url::form_urlencoded::byte_serialize(text.as_bytes()).collect());
    }

    /// A text of our own making, with every secret masked however short it is.
    pub fn own(&self, text: &str) -> String {
        self.replace(text, 1)
    }

    /// Longest first, so that no part of a longer secret stays when a shorter one is masked.
    fn replace(&self, text: &str, chars_min: usize) -> String {
        let mut hidden: Vec<&String> = self.0.iter().filter(|it| it.chars().count() >= chars_min).collect();
        hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        hidden.iter().fold(text.to_owned(), |text, secret| match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), MASK),
            false => text,
        })
    }

    /// A value from outside.
    pub fn value(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.replace(&text, MASKED_CHARS_MIN)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => {
                let field = |(name, field): (String, Value)| (self.replace(&name, MASKED_CHARS_MIN), self.value(field));
                Value::Object(fields.into_iter().map(field).collect())
            }
            other => other,
        }
    }

    /// An error.
    pub fn fault(&self, fault: Fault) -> Fault {
        let text = |text: Option<String>| text.map(|text| self.replace(&text, MASKED_CHARS_MIN));
        Fault { title: text(fault.title), detail: text(fault.detail), ..fault }
    }
}
