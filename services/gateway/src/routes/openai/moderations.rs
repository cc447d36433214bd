//! Whether texts are harmful, and in what way.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InvokeReply, ModerateInput, Moderation, model_input, model_output};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::parameters::refuse_unknown;
use crate::http::{Answer, Call, Failure, Gateway, body};
use crate::models::{Terms, Whole, model_name, other_than};
use crate::routes::reading::{missing, object, text};

const TEXTS_MAX: usize = 256;

/// Texts to be judged.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ModerationRequest {
    /// A model that `GET /v1/models` lists. Default: `auto`.
    model: Option<String>,
    /// A text, up to 256 texts, or parts of type `text`, which are judged as one.
    #[schema(value_type = Object)]
    input: Value,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// A judgement for each text.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModerationAnswer {
    id: String,
    model: String,
    results: Vec<ModerationResult>,
}

/// The judgement of a text.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModerationResult {
    flagged: bool,
    /// By the model's own names.
    categories: BTreeMap<String, bool>,
    /// 0 to 1.
    category_scores: BTreeMap<String, f32>,
    /// What of the input each category was applied to: always `text`.
    category_applied_input_types: BTreeMap<String, Vec<&'static str>>,
}

impl From<Moderation> for ModerationResult {
    fn from(moderation: Moderation) -> Self {
        let applied = moderation.categories.keys().map(|name| (name.clone(), vec!["text"])).collect();
        Self {
            flagged: moderation.flagged,
            categories: moderation.categories.into_iter().collect(),
            category_scores: moderation.scores.into_iter().collect(),
            category_applied_input_types: applied,
        }
    }
}

fn texts(input: &Value) -> Result<Vec<String>, Failure> {
    let wrong = || Failure::param("input", format!("input is neither a text nor a list of 1 to {TEXTS_MAX}"));
    match input {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) if items.is_empty() || items.len() > TEXTS_MAX => Err(wrong()),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Ok(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Value::Array(items) => {
            let mut texts = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let at = format!("input[{index}]");
                let fields = object(item, &at)?;
                match text(fields, "type", &at)?.unwrap_or_default() {
                    "text" => texts.push(text(fields, "text", &at)?.ok_or_else(|| missing(&at, "text"))?),
                    other => {
                        let wrong = format!("content of type {other:?} is not judged here; send text");
                        return Err(Failure::param(format!("{at}.type"), wrong));
                    }
                }
            }
            Ok(vec![texts.join("\n")])
        }
        _ => Err(wrong()),
    }
}

/// Judges texts.
#[utoipa::path(post, path = "/v1/moderations", tag = "openai", request_body = ModerationRequest,
    responses((status = 200, body = ModerationAnswer)))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: ModerationRequest = body::json(&gateway, &request, payload).await?;
    let terms = Terms::read(&gateway, &request)?;
    Ok(whole(&gateway, &call, &terms, wanted).await?.respond())
}

/// The judgements of texts.
pub async fn whole(
    gateway: &Gateway,
    call: &Call,
    terms: &Terms,
    wanted: ModerationRequest,
) -> Result<Whole<ModerationAnswer>, Failure> {
    refuse_unknown(&wanted.rest)?;
    let texts = texts(&wanted.input)?;
    let count = texts.len();
    let model = wanted.model.unwrap_or_else(|| "auto".to_owned());
    let input = model_input::Kind::Moderate(ModerateInput { texts });
    let invoke = terms.invocation(call, &model, input);
    let mut reply = gateway.models.invoke(call, invoke).await?;
    let results = results(&mut reply, count)?;
    let id = format!("modr-{}", Uuid::now_v7().simple());
    Ok(Whole { body: ModerationAnswer { id, model: model_name(&reply, &model), results }, reply })
}

fn results(reply: &mut InvokeReply, count: usize) -> Result<Vec<ModerationResult>, Failure> {
    let Some(model_output::Kind::Moderate(judged)) = reply.output.take().and_then(|output| output.kind) else {
        return Err(other_than("judgements"));
    };
    if judged.results.len() != count {
        let message = "the model judged another number of texts than there were";
        return Err(Error::new(ErrorCode::ModelFailed, message).into());
    }
    Ok(judged.results.into_iter().map(ModerationResult::from).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn inputs_are_one_text_several_or_parts() {
        assert_eq!(texts(&json!("a")).unwrap(), ["a"]);
        assert_eq!(texts(&json!(["a", "b"])).unwrap(), ["a", "b"]);
        let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        assert_eq!(texts(&parts).unwrap(), ["a\nb"]);
        for (wrong, param) in [
            (json!(7), "input"),
            (json!([]), "input"),
            (json!(["a", 7]), "input[0]"),
            (json!([{"type": "text"}]), "input[0].text"),
            (json!([{"type": "image_url", "image_url": {"url": "x"}}]), "input[0].type"),
        ] {
            assert_eq!(texts(&wrong).unwrap_err().param.as_deref(), Some(param), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_input_breaks_the_reader(input in crate::routes::reading::any_json()) {
            let _read = texts(&input);
            let _read = texts(&json!([input]));
        }
    }
}
