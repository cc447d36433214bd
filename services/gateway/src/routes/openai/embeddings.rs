//! Embeddings, as numbers or as base64 of little-endian 32-bit floats, which the Python package asks for.

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{EmbedInput, EmbedOutput, InvokeReply, model_input, model_output};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::parameters::refuse_unknown;
use super::tokens;
use crate::http::{Answer, Call, Failure, Gateway, body};
use crate::models::{Terms, Whole, model_name};
use crate::routes::reading::count;

const TEXTS_MAX: usize = 2048;
const DIMENSIONS_MAX: u32 = 65_536;

/// Texts to embed.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EmbeddingRequest {
    /// A model that `GET /v1/models` lists, or `auto`.
    model: String,
    /// One text, or up to 2048; or their tokens in the vocabulary cl100k.
    #[schema(value_type = Object)]
    input: Value,
    /// `float` (default) or `base64`.
    encoding_format: Option<String>,
    /// So many numbers for each text, where the model can give them.
    dimensions: Option<u32>,
    /// `query` or `document`, where a model tells them apart.
    input_type: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// Embeddings in the order of the texts.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingList {
    object: &'static str,
    data: Vec<EmbeddingObject>,
    model: String,
    usage: EmbeddingUsage,
}

/// One embedding.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingObject {
    object: &'static str,
    index: usize,
    #[schema(value_type = Vec<f32>)]
    embedding: Vector,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    Base64(String),
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl EmbeddingRequest {
    fn input_type(&self) -> Result<&str, Failure> {
        match self.input_type.as_deref().unwrap_or_default() {
            kind @ ("" | "query" | "document") => Ok(kind),
            other => Err(Failure::param("input_type", format!("input_type is {other:?}; use query or document"))),
        }
    }

    fn wants_base64(&self) -> Result<bool, Failure> {
        match self.encoding_format.as_deref() {
            None | Some("float") => Ok(false),
            Some("base64") => Ok(true),
            Some(other) => {
                Err(Failure::param("encoding_format", format!("encoding_format is {other:?}; use float or base64")))
            }
        }
    }
}

/// Embeds texts.
#[utoipa::path(post, path = "/v1/embeddings", tag = "openai", request_body = EmbeddingRequest,
    responses((status = 200, body = EmbeddingList)))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: EmbeddingRequest = body::json(&gateway, &request, payload).await?;
    let terms = Terms::read(&gateway, &request)?;
    Ok(whole(&gateway, &call, &terms, wanted).await?.respond())
}

/// The embeddings of texts.
pub async fn whole(
    gateway: &Gateway,
    call: &Call,
    terms: &Terms,
    wanted: EmbeddingRequest,
) -> Result<Whole<EmbeddingList>, Failure> {
    refuse_unknown(&wanted.rest)?;
    let base64 = wanted.wants_base64()?;
    let dimensions = count("dimensions", wanted.dimensions, 1, DIMENSIONS_MAX)?.unwrap_or(0);
    let input_type = wanted.input_type()?.to_owned();
    let texts = tokens::texts(&wanted.input, "input", TEXTS_MAX).await?;
    let count = texts.len();
    let input = model_input::Kind::Embed(EmbedInput { texts, dimensions, input_type });
    let invoke = terms.invocation(call, &wanted.model, input);
    let reply = gateway.models.invoke(call, invoke).await?;
    let rows = rows(&reply, count)?;
    let dimensions = rows.first().map_or(0, Vec::len);
    if wanted.dimensions.is_some_and(|wanted| usize::try_from(wanted).ok() != Some(dimensions)) {
        return Err(Failure::param("dimensions", format!("the model gives {dimensions} dimensions and no others")));
    }
    let object = |(index, row): (usize, Vec<f32>)| EmbeddingObject {
        object: "embedding",
        index,
        embedding: if base64 { Vector::Base64(encode(&row)) } else { Vector::Floats(row) },
    };
    let usage = reply.usage.unwrap_or_default();
    let list = EmbeddingList {
        object: "list",
        data: rows.into_iter().enumerate().map(object).collect(),
        model: model_name(&reply, &wanted.model),
        usage: EmbeddingUsage { prompt_tokens: usage.input_tokens, total_tokens: usage.input_tokens },
    };
    Ok(Whole { body: list, reply })
}

fn rows(reply: &InvokeReply, count: usize) -> Result<Vec<Vec<f32>>, Failure> {
    let failed = |message: &str| Failure::from(Error::new(ErrorCode::ModelFailed, message));
    let Some(model_output::Kind::Embed(EmbedOutput { dimensions, values })) =
        reply.output.as_ref().and_then(|output| output.kind.as_ref())
    else {
        return Err(failed("the model answered with something other than embeddings"));
    };
    let dimensions = usize::try_from(*dimensions).unwrap_or(0);
    if dimensions == 0 || values.len() != dimensions * count {
        return Err(failed("the model answered with another number of embeddings than there were texts"));
    }
    Ok(values.chunks(dimensions).map(<[f32]>::to_vec).collect())
}

fn encode(row: &[f32]) -> String {
    let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_of_little_endian_floats() {
        assert_eq!(encode(&[1.0, -2.0]), "AACAPwAAAMA=");
    }
}
