//! Parameters beyond those that a call reads: which are taken without effect, and which are refused.

use serde_json::{Map, Value};

use crate::http::Failure;

/// What the caller may send although it changes nothing about the answer here: names for the provider's own records,
/// hints about its caches, storage and service levels.
const WITHOUT_EFFECT: [&str; 12] = [
    "user",
    "safety_identifier",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prediction",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "top_logprobs",
];

/// Refuses what would change the answer and cannot be honoured. A parameter at its neutral value is not asking for
/// anything.
pub fn refuse_unsupported(rest: &Map<String, Value>) -> Result<(), Failure> {
    for (name, value) in rest {
        if WITHOUT_EFFECT.contains(&name.as_str()) || is_neutral(name, value) {
            continue;
        }
        return Err(Failure::param(name, format!("the parameter {name} is not supported; leave it out")));
    }
    Ok(())
}

fn is_neutral(name: &str, value: &Value) -> bool {
    match (name, value) {
        (_, Value::Null) => true,
        ("n", Value::Number(count)) => count.as_u64() == Some(1),
        ("logprobs", Value::Bool(wanted)) => !wanted,
        ("frequency_penalty" | "presence_penalty", Value::Number(penalty)) => penalty.as_f64() == Some(0.0),
        ("logit_bias", Value::Object(biases)) => biases.is_empty(),
        ("tools" | "functions", Value::Array(tools)) => tools.is_empty(),
        ("tool_choice" | "function_call", Value::String(choice)) => choice == "none",
        ("modalities", Value::Array(kinds)) => kinds.iter().all(|kind| kind == "text"),
        ("response_format", Value::Object(format)) => format.get("type").is_some_and(|kind| kind == "text"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn refused(parameters: Value) -> Option<String> {
        let rest = parameters.as_object().unwrap().clone();
        refuse_unsupported(&rest).err().and_then(|failure| failure.param)
    }

    #[test]
    fn what_would_change_the_answer_is_refused_by_name() {
        assert_eq!(refused(json!({"tools": [{"type": "function"}]})).as_deref(), Some("tools"));
        assert_eq!(refused(json!({"n": 2})).as_deref(), Some("n"));
        assert_eq!(refused(json!({"response_format": {"type": "json_object"}})).as_deref(), Some("response_format"));
        assert_eq!(refused(json!({"temprature": 1})).as_deref(), Some("temprature"));
    }

    #[test]
    fn what_asks_for_nothing_passes() {
        assert_eq!(
            refused(json!({"n": 1, "user": "x", "logit_bias": {}, "presence_penalty": 0.0, "stop_at": null})),
            None
        );
    }
}
