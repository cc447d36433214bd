//! Parameters that several calls of OpenAI's interface have: their bounds, and those that nobody here knows.

use orrery_proto::v1::{ResponseFormat, Tool, ToolChoice};
use serde_json::{Map, Value};

use crate::http::Failure;
use crate::routes::reading::{check_name, object, text};

const STOPS_MAX: usize = 4;
const EXTRA_BYTES_MAX: usize = 64 * 1024;

/// What the caller may send although it changes nothing about the answer here: notes for the provider's own records, hints
/// about its caches, storage and service levels.
const WITHOUT_EFFECT: [&str; 8] = [
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prediction",
    "safety_identifier",
    "stream_options",
];

/// The parameters that no call knows, as JSON for providers that speak OpenAI's dialect; empty where there are none. What
/// asks for nothing is left out.
pub fn extra(rest: Map<String, Value>) -> Result<String, Failure> {
    let kept: Map<String, Value> =
        rest.into_iter().filter(|(name, value)| !value.is_null() && !WITHOUT_EFFECT.contains(&name.as_str())).collect();
    if kept.is_empty() {
        return Ok(String::new());
    }
    let json = Value::Object(kept).to_string();
    if json.len() > EXTRA_BYTES_MAX {
        return Err(Failure::invalid(format!(
            "the parameters that are not known here have more than {EXTRA_BYTES_MAX} bytes; leave them out"
        )));
    }
    Ok(json)
}

/// Refuses every parameter that is not known and asks for something, for calls that pass none on.
pub fn refuse_unknown(rest: &Map<String, Value>) -> Result<(), Failure> {
    let asks = |(name, value): &(&String, &Value)| {
        !value.is_null() && !WITHOUT_EFFECT.contains(&name.as_str()) && *name != "user"
    };
    match rest.iter().find(asks) {
        Some((name, _)) => Err(unsupported(name)),
        None => Ok(()),
    }
}

/// A parameter that cannot be honoured.
pub fn unsupported(name: &str) -> Failure {
    Failure::param(name, format!("the parameter {name} is not supported; leave it out"))
}

/// A seed that is not negative.
pub fn seed(seed: Option<i64>) -> Result<Option<u64>, Failure> {
    seed.map(u64::try_from).transpose().map_err(|_| Failure::param("seed", "seed is negative; use 0 or more"))
}

/// Where to stop: one text, or several.
pub fn stops(stop: Option<&Value>) -> Result<Vec<String>, Failure> {
    let wrong = || Failure::param("stop", format!("stop holds up to {STOPS_MAX} texts, none of them empty"));
    let stops = match stop {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => {
            let texts = stops.iter().map(|stop| stop.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>().ok_or_else(wrong)?
        }
        Some(_) => return Err(wrong()),
    };
    if stops.len() > STOPS_MAX || stops.iter().any(String::is_empty) { Err(wrong()) } else { Ok(stops) }
}

/// What lies at the end of a path of fields.
fn dig<'a>(object: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object.get(*first)?, |value, field| value.get(field))
}

/// A function that the model may call: `name`, `description`, `parameters`, `strict`.
pub fn function(value: &Value, param: &str) -> Result<Tool, Failure> {
    let fields = object(value, param)?;
    let name = text(fields, "name", param)?.unwrap_or_default();
    check_name(name, &format!("{param}.name"))?;
    let parameters_json = match fields.get("parameters") {
        None | Some(Value::Null) => String::new(),
        Some(schema @ Value::Object(_)) => schema.to_string(),
        Some(_) => {
            let param = format!("{param}.parameters");
            return Err(Failure::param(&param, format!("{param} is no JSON Schema: it is no object")));
        }
    };
    let strict = match fields.get("strict") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(strict)) => *strict,
        Some(_) => {
            return Err(Failure::param(format!("{param}.strict"), format!("{param}.strict is neither true nor false")));
        }
    };
    let description = text(fields, "description", param)?.unwrap_or_default().to_owned();
    Ok(Tool { name: name.to_owned(), description, parameters_json, strict })
}

/// Which tool is to be called: a mode, or one by its name. `path` leads to the name in an object.
pub fn tool_choice(value: Option<&Value>, tools: &[Tool], path: &[&str]) -> Result<Option<ToolChoice>, Failure> {
    let wrong = |why: &str| Failure::param("tool_choice", format!("tool_choice {why}"));
    let choice = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(mode)) if ["none", "auto", "required"].contains(&mode.as_str()) => {
            ToolChoice { mode: mode.clone(), name: String::new() }
        }
        Some(Value::Object(choice)) => match dig(choice, path).and_then(Value::as_str) {
            Some(name) => ToolChoice { mode: "tool".to_owned(), name: name.to_owned() },
            None => return Err(wrong("names no function; only functions can be chosen")),
        },
        Some(_) => return Err(wrong("is neither none, auto, required nor a function")),
    };
    if choice.mode == "required" && tools.is_empty() {
        return Err(wrong("is required, but there are no tools"));
    }
    if choice.mode == "tool" && !tools.iter().any(|tool| tool.name == choice.name) {
        return Err(wrong(&format!("names {:?}, which is not among the tools", choice.name)));
    }
    Ok(Some(choice))
}

/// `text`, `json_object` or `json_schema`; `path` leads to the object that holds name, schema and strictness.
pub fn format(value: Option<&Value>, param: &str, path: &[&str]) -> Result<Option<ResponseFormat>, Failure> {
    let object = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => object(value, param)?,
    };
    let kind = text(object, "type", param)?.unwrap_or_default();
    match kind {
        "text" => Ok(None),
        "json_object" => Ok(Some(ResponseFormat { kind: kind.to_owned(), ..ResponseFormat::default() })),
        "json_schema" => {
            let missing = || Failure::param(param, format!("{param} is of type json_schema and holds no schema"));
            let fields = match path {
                [] => object,
                path => dig(object, path).and_then(Value::as_object).ok_or_else(missing)?,
            };
            let schema = fields.get("schema").filter(|schema| schema.is_object()).ok_or_else(missing)?;
            Ok(Some(ResponseFormat {
                kind: kind.to_owned(),
                name: text(fields, "name", param)?.unwrap_or_default().to_owned(),
                schema_json: schema.to_string(),
                strict: fields.get("strict").and_then(Value::as_bool).unwrap_or(false),
            }))
        }
        other => {
            let wrong = format!("{param}.type is {other:?}; use text, json_object or json_schema");
            Err(Failure::param(format!("{param}.type"), wrong))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn unknown_parameters_are_passed_on_and_notes_are_dropped() {
        let kept = extra(map(json!({"verbosity": "low", "metadata": {"a": "b"}, "store": true, "x": null}))).unwrap();
        assert_eq!(kept, "{\"verbosity\":\"low\"}");
        assert_eq!(extra(map(json!({"user": null}))).unwrap(), "");
        assert!(extra(map(json!({"x": "y".repeat(EXTRA_BYTES_MAX)}))).is_err());
        assert_eq!(refuse_unknown(&map(json!({"a": null, "b": 1}))).unwrap_err().param.as_deref(), Some("b"));
    }

    #[test]
    fn functions_and_choices_are_read_or_named() {
        let good = function(&json!({"name": "f", "parameters": {"type": "object"}, "strict": true}), "t").unwrap();
        assert_eq!(
            (good.name.as_str(), good.strict, good.parameters_json.as_str()),
            ("f", true, "{\"type\":\"object\"}")
        );
        for (wrong, param) in [
            (json!(1), "t"),
            (json!({}), "t.name"),
            (json!({"name": "a b"}), "t.name"),
            (json!({"name": 7}), "t.name"),
            (json!({"name": "f", "parameters": []}), "t.parameters"),
            (json!({"name": "f", "strict": "yes"}), "t.strict"),
            (json!({"name": "f", "description": 1}), "t.description"),
        ] {
            assert_eq!(function(&wrong, "t").unwrap_err().param.as_deref(), Some(param), "{wrong}");
        }
        let path: &[&str] = &["name"];
        let tools = [good];
        assert_eq!(tool_choice(Some(&json!({"name": "f"})), &tools, path).unwrap().unwrap().mode, "tool");
        assert!(tool_choice(Some(&json!("required")), &[], path).is_err());
        assert!(tool_choice(Some(&json!("sometimes")), &tools, path).is_err());
        assert!(tool_choice(Some(&json!({})), &tools, path).is_err());
    }

    #[test]
    fn stops_are_one_text_or_up_to_four() {
        assert_eq!(stops(Some(&json!("x"))).unwrap(), ["x"]);
        assert_eq!(stops(Some(&json!(null))).unwrap(), Vec::<String>::new());
        for wrong in [json!(1), json!([1]), json!([""]), json!(["a", "b", "c", "d", "e"])] {
            assert_eq!(stops(Some(&wrong)).unwrap_err().param.as_deref(), Some("stop"), "{wrong}");
        }
    }
}
