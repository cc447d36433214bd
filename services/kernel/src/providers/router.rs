//! The router: everything that a model does. The router keeps results by key, so a kernel that was killed between a
//! model's answer and its own commit gets the same answer again and no model runs twice.

use async_trait::async_trait;
use orrery_bus::{Bus, CallContext, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::model_input::Kind as Input;
use orrery_proto::v1::model_output::Kind as Output;
use orrery_proto::v1::{
    BlobRef, Caller, ChatInput, ChatMessage, ClassifyInput, EmbedInput, ExtractInput, InvokeReply, InvokeRequest,
    Label, ModelInput, ReadInput,
};
use orrery_types::UnixMillis;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::{Failure, Provider};
use crate::domain::command::{Attachment, Reply, Run};
use crate::domain::definition::{Function, Target};
use crate::domain::effect::Call;

/// Largest result of a call that a run keeps.
const RESULT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Calls the router.
pub struct Router {
    bus: Bus,
}

impl Router {
    pub(super) fn new(bus: Bus) -> Self {
        Self { bus }
    }
}

#[async_trait]
impl Provider for Router {
    async fn call(&self, run: &Run, call: &Call, deadline: UnixMillis) -> Result<Reply, Failure> {
        let arguments = Arguments(call);
        let request = InvokeRequest {
            caller: Some(caller(run)),
            task_id: run.id.to_string(),
            step: call.pointer.to_string(),
            model: arguments.text("model")?,
            data_classes: arguments.texts("data_classes")?,
            purpose: arguments.text("purpose")?,
            cost_nanos_max: 0,
            input: Some(ModelInput { kind: Some(input(run, &arguments)?) }),
            ..InvokeRequest::default()
        };
        let context = CallContext::until(deadline).with_key(&*call.key);
        let reply = self.bus.call(verbs::router::INVOKE, &context, &request).await?;
        let decisions = reply.decision.iter().map(|decision| decision.id.clone()).filter(|id| !id.is_empty()).collect();
        Ok(Reply { output: output(reply)?, decisions })
    }
}

/// Calls are made on behalf of who submitted the task.
pub(super) fn caller(run: &Run) -> Caller {
    Caller {
        tenant: run.tenant.to_string(),
        principal: run.submitted_by.clone(),
        roles: run.roles.clone(),
        ..Caller::default()
    }
}

fn input(run: &Run, arguments: &Arguments<'_>) -> Result<Input, Error> {
    let Target::Platform(function) = arguments.0.function else {
        return Err(arguments.wrong("it is no function of the platform"));
    };
    Ok(match function {
        Function::Read => Input::Read(ReadInput {
            blob: Some(attachment(run, arguments)?),
            schema_json: arguments.get("schema").map(Value::to_string).unwrap_or_default(),
            language: arguments.text("language")?,
            ..ReadInput::default()
        }),
        Function::Extract => Input::Extract(ExtractInput {
            contents_json: arguments.list("contents")?.iter().map(Value::to_string).collect(),
            schema_json: arguments.required("schema")?.to_string(),
        }),
        Function::Classify => {
            arguments.required("text")?;
            Input::Classify(ClassifyInput { text: arguments.text("text")?, labels: labels(arguments)? })
        }
        Function::Embed => {
            arguments.required("texts")?;
            Input::Embed(EmbedInput { texts: arguments.texts("texts")?, ..EmbedInput::default() })
        }
        _ => Input::Chat(ChatInput {
            messages: messages(arguments)?,
            max_tokens: u32::try_from(arguments.whole("max_tokens")?.unwrap_or(0)).unwrap_or(u32::MAX),
            temperature: arguments.number("temperature")?,
            top_p: arguments.number("top_p")?,
            seed: arguments.whole("seed")?,
            stop: arguments.texts("stop")?,
            ..ChatInput::default()
        }),
    })
}

/// An attachment is named by its part, or given whole as `$workflow.attachments` shows it.
fn attachment(run: &Run, arguments: &Arguments<'_>) -> Result<BlobRef, Error> {
    let found: Attachment = match arguments.required("attachment")? {
        Value::String(name) => run.attachments.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = run.attachments.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            arguments.wrong(&format!("the task has no attachment {name:?}; it has: {known}"))
        })?,
        value => serde_json::from_value(value.clone())
            .map_err(|error| arguments.wrong(&format!("`attachment` must be a name or a reference: {error}")))?,
    };
    // A reference made up by a workflow must not reach another tenant's files.
    if !run.attachments.values().any(|own| *own == found) {
        return Err(arguments.wrong("the attachment is none of this task's"));
    }
    Ok(BlobRef {
        key: found.key,
        sha256: found.sha256,
        size_bytes: found.size_bytes,
        media_type: found.media_type,
        name: found.name,
    })
}

fn labels(arguments: &Arguments<'_>) -> Result<Vec<Label>, Error> {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let label = |value: &Value| match value {
        Value::String(name) => Ok(Label { name: name.clone(), description: String::new() }),
        Value::Object(_) if value.get("name").is_some_and(Value::is_string) => {
            Ok(Label { name: text(value, "name"), description: text(value, "description") })
        }
        _ => Err(arguments.wrong("`labels` must hold names, or objects with `name` and `description`")),
    };
    arguments.list("labels")?.iter().map(label).collect()
}

fn messages(arguments: &Arguments<'_>) -> Result<Vec<ChatMessage>, Error> {
    let message = |value: &Value| {
        let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        let (role, content) = text("role").zip(text("content"))?;
        Some(ChatMessage { role, content, ..ChatMessage::default() })
    };
    let wrong = || arguments.wrong("`messages` must hold objects with `role` and `content`");
    arguments.list("messages")?.iter().map(|value| message(value).ok_or_else(wrong)).collect()
}

fn output(reply: InvokeReply) -> Result<Value, Error> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::new(ErrorCode::ModelFailed, format!("the router's answer cannot be read: {error}"))
    };
    let parse = |text: &str| {
        if text.len() > RESULT_BYTES_MAX {
            let message = format!("the result is longer than {RESULT_BYTES_MAX} bytes; send smaller files");
            return Err(Error::new(ErrorCode::PayloadTooLarge, message));
        }
        serde_json::from_str::<Value>(text).map_err(|error| unreadable(&error))
    };
    let kind = reply.output.and_then(|output| output.kind).ok_or_else(|| unreadable(&"it is empty"))?;
    Ok(match kind {
        Output::Chat(chat) => {
            let usage = reply.usage.unwrap_or_default();
            let model = reply.models.first().cloned().unwrap_or_default();
            json!({
                "text": chat.text, "finish_reason": chat.finish_reason, "generated": true,
                "model": {
                    "name": model.name, "version": model.version, "digest": model.digest, "provider": model.provider,
                },
                "usage": { "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens },
            })
        }
        Output::Embed(embed) => {
            let dimensions = usize::try_from(embed.dimensions).unwrap_or(0).max(1);
            let vectors: Vec<&[f32]> = embed.values.chunks(dimensions).collect();
            json!({ "dimensions": embed.dimensions, "vectors": vectors })
        }
        Output::Rerank(rerank) => {
            let results = rerank.results.iter().map(|it| json!({ "index": it.index, "score": it.score }));
            json!({ "results": results.collect::<Vec<_>>() })
        }
        Output::Moderate(moderate) => {
            let results = moderate
                .results
                .iter()
                .map(|it| json!({ "flagged": it.flagged, "categories": it.categories, "scores": it.scores }));
            json!({ "results": results.collect::<Vec<_>>() })
        }
        Output::Image(_) => {
            return Err(Error::new(ErrorCode::InvalidRequest, "a workflow's step cannot make images"));
        }
        Output::ContentJson(text) | Output::ExtractionJson(text) | Output::ClassificationJson(text) => parse(&text)?,
    })
}
