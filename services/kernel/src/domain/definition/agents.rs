//! Compiles `call: a2a` and `call: mcp` (DSL reference, "A2A Call" and "MCP Call"): JSON-RPC over HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::build::{Builder, Scope};
use super::duration;
use super::model::Kind;
use super::target::Outward;
use crate::domain::expression::written;

impl Builder<'_> {
    pub(super) fn a2a_call(&mut self, at: &str, with: &Value, scope: &Scope) -> Option<Kind> {
        let at = format!("{at}/with");
        let mut needed = BTreeSet::new();
        let mut arguments = with.as_object()?.clone();
        let card = with.get("agentCard").and_then(|card| card.get("endpoint"));
        let (field, place, endpoint) = match (card, with.get("server")) {
            (Some(endpoint), _) => ("agentCard", "agentCard/endpoint", endpoint),
            (None, Some(endpoint)) => ("server", "server", endpoint),
            (None, None) => {
                self.problem(&at, "a2a needs `agentCard` or `server`");
                return None;
            }
        };
        let endpoint = self.endpoint(&format!("{at}/{place}"), endpoint, &mut needed);
        // "Required if `agentCard` has not been set, otherwise ignored".
        arguments.shift_remove("server");
        arguments.insert(field.to_owned(), endpoint);
        self.outward(Outward::A2a, &at, Value::Object(arguments), scope, needed)
    }

    pub(super) fn mcp_call(&mut self, at: &str, with: &Value, scope: &Scope) -> Option<Kind> {
        let at = format!("{at}/with");
        let mut needed = BTreeSet::new();
        let mut arguments = with.as_object()?.clone();
        let Some(http) = with.pointer("/transport/http").and_then(Value::as_object) else {
            let reason =
                "this kernel speaks to MCP servers over HTTP and starts no programs for them: use `transport.http`";
            self.problem(&format!("{at}/transport"), reason);
            return None;
        };
        if let Some(Err(error)) = with.get("timeout").filter(|it| is_constant(it)).map(duration::parse) {
            self.problem(&format!("{at}/timeout"), error.to_string());
        }
        let place = format!("{at}/transport/http/endpoint");
        let endpoint = self.endpoint(&place, http.get("endpoint").unwrap_or(&Value::Null), &mut needed);
        arguments.shift_remove("transport");
        arguments.insert("endpoint".to_owned(), endpoint);
        arguments.insert("headers".to_owned(), http.get("headers").cloned().unwrap_or_else(|| json!({})));
        self.outward(Outward::Mcp, &at, Value::Object(arguments), scope, needed)
    }
}

fn is_constant(value: &Value) -> bool {
    value.as_str().is_none_or(|text| written(text).is_none())
}
