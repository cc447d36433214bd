//! What all dialects read alike: fields of objects, bounds of parameters, names, parts of messages. An error names the place by
//! the caller's own words for it.

use orrery_proto::v1::{ChatMessage, ContentPart, Media, Tool, content_part};
use serde_json::{Map, Value};

use crate::http::Failure;

const TOOLS_MAX: usize = 512;
const NAME_BYTES_MAX: usize = 128;
/// How hard a model may think.
const EFFORTS: [&str; 5] = ["none", "minimal", "low", "medium", "high"];

/// A number within its bounds.
pub fn within(name: &str, value: Option<f32>, min: f32, max: f32) -> Result<Option<f32>, Failure> {
    match value {
        Some(value) if !(min..=max).contains(&value) => {
            Err(Failure::param(name, format!("{name} is {value}; use {min} to {max}")))
        }
        value => Ok(value),
    }
}

/// A count within its bounds.
pub fn count(name: &str, value: Option<u32>, min: u32, max: u32) -> Result<Option<u32>, Failure> {
    match value {
        Some(value) if !(min..=max).contains(&value) => {
            Err(Failure::param(name, format!("{name} is {value}; use {min} to {max}")))
        }
        value => Ok(value),
    }
}

/// How hard to think; empty where nothing is said.
pub fn effort(name: &str, effort: Option<&str>) -> Result<String, Failure> {
    match effort {
        None | Some("") => Ok(String::new()),
        Some(effort) if EFFORTS.contains(&effort) => Ok(effort.to_owned()),
        Some(other) => Err(Failure::param(name, format!("{name} is {other:?}; use {}", EFFORTS.join(", ")))),
    }
}

/// A field of an object that is a text.
pub fn text<'a>(object: &'a Map<String, Value>, field: &str, param: &str) -> Result<Option<&'a str>, Failure> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::param(format!("{param}.{field}"), format!("{param}.{field} is no text"))),
    }
}

/// An object, or an error that names it.
pub fn object<'a>(value: &'a Value, param: &str) -> Result<&'a Map<String, Value>, Failure> {
    value.as_object().ok_or_else(|| Failure::param(param, format!("{param} is no object")))
}

/// A field that has to be there.
pub fn missing(at: &str, field: &str) -> Failure {
    Failure::param(format!("{at}.{field}"), format!("{at}.{field} is missing"))
}

/// Names of tools: letters, digits, `_`, `-` and `.`.
pub fn check_name(name: &str, param: &str) -> Result<(), Failure> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
        let rule = format!("{param} is no name: use 1 to {NAME_BYTES_MAX} of A-Z, a-z, 0-9, '_', '-' and '.'");
        return Err(Failure::param(param, rule));
    }
    Ok(())
}

/// Reads each tool, and refuses more than there may be or two of one name.
pub fn tools<T>(
    param: &str,
    values: &[T],
    read: impl Fn(&T, &str) -> Result<Tool, Failure>,
) -> Result<Vec<Tool>, Failure> {
    if values.len() > TOOLS_MAX {
        return Err(Failure::param(param, format!("{param} holds {}; send at most {TOOLS_MAX}", values.len())));
    }
    let mut tools: Vec<Tool> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let at = format!("{param}[{index}]");
        let tool = read(value, &at)?;
        if tools.iter().any(|known| known.name == tool.name) {
            return Err(Failure::param(&at, format!("{at} is the second tool with the name {:?}", tool.name)));
        }
        tools.push(tool);
    }
    Ok(tools)
}

/// Parts that are all text are one text.
pub fn put(said: &mut ChatMessage, parts: Vec<ContentPart>) {
    let texts: Option<Vec<&str>> = parts
        .iter()
        .map(|part| match &part.kind {
            Some(content_part::Kind::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    match texts {
        Some(texts) => said.content = texts.concat(),
        None => said.parts = parts,
    }
}

/// Refuses bytes that say they are something other than an image.
pub fn image_only(file: Media, at: &str) -> Result<Media, Failure> {
    if file.url.is_empty() && !file.media_type.starts_with("image/") {
        return Err(Failure::param(at, format!("{at} is {:?}, no image", file.media_type)));
    }
    Ok(file)
}

/// Any JSON, up to a depth, with the words of dialects in it.
#[cfg(test)]
pub use any_json::any_json;

#[cfg(test)]
mod any_json {
    use proptest::prelude::*;
    use serde_json::Value;

    pub fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            prop_oneof![
                "text",
                "image_url",
                "function",
                "user",
                "tool",
                "image",
                "document",
                "tool_use",
                "tool_result",
                "base64",
                "message",
                "function_call",
                "function_call_output",
                "reasoning",
                "input_text",
                "data:image/png;base64,aGk="
            ]
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            let key = prop_oneof![
                "role|content|type|text|image_url|url|file|tool_calls|function|name|arguments|id|tool_call_id|source|data|input|tool_use_id|media_type|call_id|output|summary"
                    .prop_map(String::from),
                "\\PC{0,8}",
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((key, inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }
}
