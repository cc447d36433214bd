//! A conversation in Gemini's words.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, Media};
use serde_json::{Value, json};

use crate::conversation::{Conversation, Speaker, Word, fields, json_in, number, refuse, texts};
use crate::failure::unsupported;
use crate::media;

/// Between a call's id and its signature.
pub(super) const SIGNATURE_MARK: char = '~';

/// The body of a request.
pub(super) fn chat(provider: &str, model: &str, input: &ChatInput) -> Result<Value, Error> {
    refuse(
        provider,
        &[
            (!input.logit_bias.is_empty(), "a bias on tokens (logit_bias)"),
            (input.parallel_tool_calls == Some(false), "only one tool call at a time (parallel_tool_calls)"),
            (input.raw, "a prompt without a conversation (raw)"),
            (!input.extra_json.is_empty(), "parameters of another vendor (extra_json)"),
            (input.seed.is_some_and(|seed| i32::try_from(seed).is_err()), "a seed above 2147483647 (seed)"),
        ],
    )?;
    let said = Conversation::read(provider, input)?;
    let contents = said.turns.iter().map(|turn| {
        let role = if turn.speaker == Speaker::User { "user" } else { "model" };
        let parts = turn.words.iter().filter_map(|word| part(provider, word).transpose());
        Ok(json!({"role": role, "parts": parts.collect::<Result<Vec<_>, Error>>()?}))
    });
    let system: Vec<Value> = said.system.iter().map(|text| json!({"text": text})).collect();
    let body = fields([
        ("systemInstruction", (!system.is_empty()).then(|| json!({"parts": system}))),
        ("contents", Some(Value::Array(contents.collect::<Result<_, Error>>()?))),
        ("tools", tools(input)?),
        ("toolConfig", tool_config(provider, input)?),
        ("generationConfig", Some(generation_config(provider, model, input)?)),
    ]);
    Ok(Value::Object(body))
}

fn generation_config(provider: &str, model: &str, input: &ChatInput) -> Result<Value, Error> {
    let (mime_type, schema) = match &input.response_format {
        Some(format) if format.kind == "json_object" => (Some(json!("application/json")), None),
        Some(format) if format.kind == "json_schema" => {
            (Some(json!("application/json")), Some(json_in("response_format", &format.schema_json)?))
        }
        _ => (None, None),
    };
    let real = |value: Option<f32>| value.map(|value| json!(number(value)));
    let fields = fields([
        ("maxOutputTokens", (input.max_tokens > 0).then(|| json!(input.max_tokens))),
        ("temperature", real(input.temperature)),
        ("topP", real(input.top_p)),
        ("topK", input.top_k.map(Value::from)),
        ("seed", input.seed.map(Value::from)),
        ("stopSequences", (!input.stop.is_empty()).then(|| json!(input.stop))),
        ("candidateCount", (input.n > 1).then(|| json!(input.n))),
        ("presencePenalty", real(input.presence_penalty)),
        ("frequencyPenalty", real(input.frequency_penalty)),
        ("responseLogprobs", input.logprobs.then(|| json!(true))),
        ("logprobs", (input.logprobs && input.top_logprobs > 0).then(|| json!(input.top_logprobs))),
        ("responseMimeType", mime_type),
        ("responseJsonSchema", schema),
        ("thinkingConfig", thinking_config(provider, model, input)?),
    ]);
    Ok(Value::Object(fields))
}

fn thinking_config(provider: &str, model: &str, input: &ChatInput) -> Result<Option<Value>, Error> {
    if input.reasoning_tokens_max > 0 {
        return Ok(Some(json!({"thinkingBudget": input.reasoning_tokens_max, "includeThoughts": true})));
    }
    let by_budget = model.rsplit('/').next().is_some_and(|name| name.starts_with("gemini-2"));
    // Budgets as the vendor's own OpenAI dialect gives them.
    let budget = match input.reasoning_effort.as_str() {
        "" => return Ok(None),
        "none" => return Ok(Some(json!({"thinkingBudget": 0}))),
        "minimal" | "low" => 1024,
        "medium" => 8192,
        "high" => 24_576,
        other => return Err(unsupported(provider, &format!("the reasoning effort {other:?}"))),
    };
    Ok(Some(if by_budget {
        json!({"thinkingBudget": budget, "includeThoughts": true})
    } else {
        json!({"thinkingLevel": input.reasoning_effort, "includeThoughts": true})
    }))
}

fn tools(input: &ChatInput) -> Result<Option<Value>, Error> {
    let declaration = |tool: &orrery_proto::v1::Tool| {
        let schema = Some(tool.parameters_json.as_str()).filter(|text| !text.is_empty());
        Ok(Value::Object(fields([
            ("name", Some(json!(tool.name))),
            ("description", (!tool.description.is_empty()).then(|| json!(tool.description))),
            ("parametersJsonSchema", schema.map(|text| json_in("tools", text)).transpose()?),
        ])))
    };
    let declarations = input.tools.iter().map(declaration).collect::<Result<Vec<_>, Error>>()?;
    Ok((!declarations.is_empty()).then(|| json!([{"functionDeclarations": declarations}])))
}

fn tool_config(provider: &str, input: &ChatInput) -> Result<Option<Value>, Error> {
    // Arguments keep to the schema where calls are validated, and wherever a call is forced.
    let auto = if input.tools.iter().any(|tool| tool.strict) { "VALIDATED" } else { "AUTO" };
    let config = match input.tool_choice.as_ref().map(|choice| (choice.mode.as_str(), choice.name.as_str())) {
        None if auto == "AUTO" => return Ok(None),
        None | Some(("auto", _)) => json!({"mode": auto}),
        Some(("none", _)) => json!({"mode": "NONE"}),
        Some(("required", _)) => json!({"mode": "ANY"}),
        Some(("tool", name)) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        Some((other, _)) => return Err(unsupported(provider, &format!("the tool choice {other:?}"))),
    };
    Ok(Some(json!({"functionCallingConfig": config})))
}

/// A part; none for a thought, which the vendor keeps in signatures.
fn part(provider: &str, word: &Word<'_>) -> Result<Option<Value>, Error> {
    Ok(Some(match word {
        Word::Text(text) => json!({"text": text}),
        Word::Image(media) => data(provider, "an image", media)?,
        Word::Audio(media) => data(provider, "sound", media)?,
        Word::Document(media) => data(provider, "a document", media)?,
        Word::Thought { .. } => return Ok(None),
        Word::Call { id, name, arguments } => {
            let (id, signature) = id.split_once(SIGNATURE_MARK).unwrap_or((id, ""));
            let call = json!({"id": id, "name": name, "args": arguments});
            let signature = (!signature.is_empty()).then(|| json!(signature));
            Value::Object(fields([("functionCall", Some(call)), ("thoughtSignature", signature)]))
        }
        Word::Result { id, name, words, failed } => {
            let (id, _) = id.split_once(SIGNATURE_MARK).unwrap_or((id, ""));
            let text = texts(provider, "in a tool's result", words)?.concat();
            let response = match serde_json::from_str(&text) {
                Ok(Value::Object(object)) if !failed => Value::Object(object),
                _ => json!({if *failed { "error" } else { "output" }: text}),
            };
            json!({"functionResponse": {"id": id, "name": name, "response": response}})
        }
    }))
}

/// The vendor fetches what has an address itself.
fn data(provider: &str, what: &str, media: &Media) -> Result<Value, Error> {
    if media.data.is_empty() && !media.url.is_empty() {
        let media_type = (!media.media_type.is_empty()).then(|| json!(media.media_type));
        return Ok(json!({"fileData": fields([("mimeType", media_type), ("fileUri", Some(json!(media.url)))])}));
    }
    let media_type = media::media_type(what, media)?;
    Ok(json!({"inlineData": {"mimeType": media_type, "data": media::base64(provider, what, media)?}}))
}

/// The kind of task that an embedding is for.
pub(super) fn task_type(provider: &str, input_type: &str) -> Result<Option<&'static str>, Error> {
    match input_type {
        "" => Ok(None),
        "query" => Ok(Some("RETRIEVAL_QUERY")),
        "document" => Ok(Some("RETRIEVAL_DOCUMENT")),
        other => Err(Error::new(
            ErrorCode::InvalidRequest,
            format!("provider {provider} embeds for \"query\" and \"document\", not for {other:?} (input_type)"),
        )),
    }
}
