//! Compiles authentication policies (DSL reference, "Authentication"): a name becomes the policy of `use.authentications`,
//! the secrets that policies rest on must be declared, and what cannot work without a person is refused.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::build::Builder;
use super::source::escape;
use crate::domain::expression::written;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

impl Builder<'_> {
    /// Finds the faults of policies even when nothing names them.
    pub(super) fn collect_authentications(&mut self) {
        let named = self.source.value.pointer("/use/authentications").and_then(Value::as_object).cloned();
        for (name, policy) in named.unwrap_or_default() {
            self.policy_of(&format!("/use/authentications/{}", escape(&name)), &policy, &mut BTreeSet::new());
        }
    }

    /// The policy that an endpoint or a call names or holds, in full. `needed` gets the secrets that it rests on.
    pub(super) fn authentication(&mut self, at: &str, value: &Value, needed: &mut BTreeSet<String>) -> Value {
        match value.get("use").and_then(Value::as_str) {
            None => self.policy_of(at, value, needed),
            Some(name) => match self.used("authentications", name) {
                // Its faults are told once, where it stands.
                Some(policy) => {
                    let before = self.problems.len();
                    let policy = self.policy_of(at, &policy, needed);
                    self.problems.truncate(before);
                    policy
                }
                None => {
                    self.problem(&format!("{at}/use"), format!("`use.authentications` holds no {name:?}"));
                    Value::Null
                }
            },
        }
    }

    fn policy_of(&mut self, at: &str, value: &Value, needed: &mut BTreeSet<String>) -> Value {
        let mut policy = Map::new();
        for (scheme, properties) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{}", escape(scheme));
            if scheme == "certificate" {
                self.problem(&at, "client certificates are not supported: use bearer, basic, digest, oauth2 or oidc");
            }
            let mut properties = properties.as_object().cloned().unwrap_or_default();
            match properties.get("use").and_then(Value::as_str) {
                Some(secret) if self.secrets.iter().any(|known| known == secret) => {
                    needed.insert(secret.to_owned());
                }
                Some(secret) => self.problem(&format!("{at}/use"), format!("`use.secrets` holds no {secret:?}")),
                None if scheme == "oauth2" || scheme == "oidc" => self.token_policy(&at, scheme, &mut properties),
                None => {}
            }
            policy.insert(scheme.clone(), Value::Object(properties));
        }
        Value::Object(policy)
    }

    fn token_policy(&mut self, at: &str, scheme: &str, properties: &mut Map<String, Value>) {
        for field in ["authority", "grant"] {
            if !properties.contains_key(field) {
                self.problem(at, format!("{scheme} needs `{field}`"));
            }
        }
        if let Some(authority) = properties.get("authority").cloned() {
            properties.insert("authority".to_owned(), self.uri(&format!("{at}/authority"), &authority));
        }
        if let Some(Value::Object(endpoints)) = properties.get("endpoints").cloned() {
            let endpoints = endpoints.into_iter().map(|(name, path)| {
                let path = self.uri(&format!("{at}/endpoints/{}", escape(&name)), &path);
                (name, path)
            });
            let endpoints = Value::Object(endpoints.collect());
            properties.insert("endpoints".to_owned(), endpoints);
        }
        let has = |pointer: &str| Value::Object(properties.clone()).pointer(pointer).is_some();
        let needs: &[&str] = match properties.get("grant").and_then(Value::as_str) {
            Some("authorization_code") => {
                let reason = "the grant `authorization_code` needs a person at a browser: use another grant";
                return self.problem(&format!("{at}/grant"), reason);
            }
            Some("password") => &["/username", "/password"],
            Some("refresh_token" | TOKEN_EXCHANGE) => &["/subject"],
            _ => &[],
        };
        let client: &[&str] = match properties.get("client").and_then(|it| it.get("authentication")) {
            Some(method) if method == "none" => &[],
            Some(method) if method == "private_key_jwt" => &["/client/id", "/client/assertion"],
            _ => &["/client/id", "/client/secret"],
        };
        let missing: Vec<&str> = needs.iter().chain(client).copied().filter(|pointer| !has(pointer)).collect();
        for pointer in missing {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            self.problem(at, format!("this grant and client authentication need `{field}`"));
        }
        if properties.get("grant").and_then(Value::as_str).is_some_and(|grant| written(grant).is_some()) {
            self.problem(&format!("{at}/grant"), "the grant must be named, not computed");
        }
    }
}
