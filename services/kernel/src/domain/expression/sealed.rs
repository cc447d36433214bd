//! Expressions that rest on secrets, or on what a call authenticates with. They are not evaluated when their task starts,
//! since their values would stand in the journal; they go to the provider with all else that they see, and become values
//! there, just before the call.
//!
//! K-10: the value of a secret is in no journal, log, error or record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::program::{EvaluationError, Program, Variables, mentions};
use super::template::Template;

/// The variable that holds the secrets.
pub const SECRETS: &str = "secrets";
/// The variable that holds what a call authenticates with.
pub const AUTHORIZATION: &str = "authorization";

/// What of a call's arguments rests on secrets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// The secrets that the workflow may use, by name.
    pub secrets: Vec<String>,
    /// What is still to be evaluated. Kept apart from the arguments, so that no input can look like it.
    pub expressions: Vec<SealedExpression>,
}

impl Sealed {
    /// Whether the call has nothing to do with secrets.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.expressions.is_empty()
    }
}

/// One expression and what it sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SealedExpression {
    /// Where its value belongs in the arguments, as a JSON pointer; null stands there.
    pub at: String,
    /// Its text.
    pub expression: String,
    /// Its `.`.
    pub input: Value,
    /// The variables that it mentions, but for those that are hidden.
    pub variables: BTreeMap<String, Value>,
    /// Its `now`, in milliseconds since 1970.
    pub now_ms: u64,
}

/// As [`Template::evaluate`], but expressions that mention `$secrets` or `$authorization` are sealed.
pub fn seal(
    template: &Template,
    input: &Value,
    variables: &dyn Variables,
) -> Result<(Value, Vec<SealedExpression>), EvaluationError> {
    let mut sealed = Vec::new();
    let value = walk(template, input, variables, "", &mut sealed)?;
    Ok((value, sealed))
}

fn walk(
    template: &Template,
    input: &Value,
    variables: &dyn Variables,
    at: &str,
    sealed: &mut Vec<SealedExpression>,
) -> Result<Value, EvaluationError> {
    match template {
        Template::Expression(program) if program.mentioned().any(is_hidden) => {
            let names = program.mentioned().filter(|name| !is_hidden(name));
            sealed.push(SealedExpression {
                at: at.to_owned(),
                expression: program.source().to_owned(),
                input: input.clone(),
                variables: names.map(|name| (name.to_owned(), variables.get(name))).collect(),
                now_ms: (variables.now_seconds() * 1000.0).round() as u64,
            });
            Ok(Value::Null)
        }
        Template::Constant(_) | Template::Expression(_) => template.evaluate(input, variables),
        Template::Array(items) => {
            let item =
                |(index, item): (usize, &Template)| walk(item, input, variables, &format!("{at}/{index}"), sealed);
            items.iter().enumerate().map(item).collect::<Result<_, _>>().map(Value::Array)
        }
        Template::Object(fields) => {
            let field = |(key, field): &(String, Template)| {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                Ok((key.clone(), walk(field, input, variables, &at, sealed)?))
            };
            fields.iter().map(field).collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
    }
}

fn is_hidden(name: &str) -> bool {
    name == SECRETS || name == AUTHORIZATION
}

impl SealedExpression {
    /// Whether it rests on what the call authenticates with, which comes of arguments that are opened before.
    pub fn rests_on_authorization(&self) -> bool {
        mentions(&self.expression, AUTHORIZATION)
    }

    /// Its value. An error says nothing of why it failed: reasons quote values.
    pub fn open(&self, secrets: &Value, authorization: &Value) -> Result<Value, String> {
        let failed =
            || format!("the expression at {} failed on its secrets: check that each has the fields it names", self.at);
        let hidden = [SECRETS, AUTHORIZATION].map(str::to_owned);
        let scope = self.variables.keys().cloned().chain(hidden).collect();
        let program = Program::compile(&self.expression, &scope).map_err(|_| failed())?;
        let sight = Opened { sealed: self, secrets, authorization };
        program.evaluate(&self.input, &sight).map_err(|_| failed())
    }
}

struct Opened<'a> {
    sealed: &'a SealedExpression,
    secrets: &'a Value,
    authorization: &'a Value,
}

impl Variables for Opened<'_> {
    fn get(&self, name: &str) -> Value {
        match name {
            SECRETS => self.secrets.clone(),
            AUTHORIZATION => self.authorization.clone(),
            name => self.sealed.variables.get(name).cloned().unwrap_or(Value::Null),
        }
    }

    fn now_seconds(&self) -> f64 {
        self.sealed.now_ms as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    struct Context;
    impl Variables for Context {
        fn get(&self, name: &str) -> Value {
            json!({ "of": name })
        }
        fn now_seconds(&self) -> f64 {
            12.0
        }
    }

    #[test]
    fn what_mentions_secrets_is_opened_later_with_all_that_it_saw() {
        let scope: BTreeSet<String> = ["secrets", "context"].map(str::to_owned).into();
        let source = json!({ "a": "${ .x }", "b/c": ["${ \"\\($secrets.key)-\\(.x)-\\($context.of)-\\(now|floor)\" | @base64 }"] });
        let template = Template::compile(&source, &scope).unwrap();
        let (value, sealed) = seal(&template, &json!({ "x": 1 }), &Context).unwrap();
        assert_eq!(value, json!({ "a": 1, "b/c": [null] }));
        assert_eq!(sealed[0].at, "/b~1c/0");
        assert!(value.pointer(&sealed[0].at).is_some());
        let travelled: SealedExpression = serde_json::from_str(&serde_json::to_string(&sealed[0]).unwrap()).unwrap();
        assert_eq!(travelled.open(&json!({ "key": "k" }), &Value::Null).unwrap(), json!("ay0xLWNvbnRleHQtMTI="));
        let error = travelled.open(&json!({ "key": { "deep": "hunter2" } }), &Value::Null).map(|_| ());
        assert!(error.is_ok());
        let broken = SealedExpression { expression: "$secrets.key | tonumber".to_owned(), ..travelled };
        let error = broken.open(&json!({ "key": "hunter2" }), &Value::Null).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
