//! Embeddings in OpenAI's words.

use orrery_errors::Error;
use orrery_proto::v1::{EmbedInput, EmbedOutput, Usage, model_output};
use serde::{Deserialize, Serialize};

use super::Openai;
use super::chat_reply::UsageBody;
use crate::failure::broken;
use crate::{Answer, Order, estimate};

#[derive(Debug, Serialize)]
struct EmbedRequest<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    encoding_format: &'static str,
}

#[derive(Debug, Deserialize)]
struct EmbedReply {
    #[serde(default)]
    model: String,
    data: Vec<Embedding>,
    #[serde(default)]
    usage: Option<UsageBody>,
}

#[derive(Debug, Deserialize)]
struct Embedding {
    #[serde(default)]
    index: usize,
    embedding: Vec<f32>,
}

impl Openai {
    pub(super) async fn embed(&self, order: &Order, input: &EmbedInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let body = EmbedRequest {
            model: &order.upstream,
            input: &input.texts,
            dimensions: (input.dimensions > 0).then_some(input.dimensions),
            encoding_format: "float",
        };
        let (mut reply, quota): (EmbedReply, _) =
            self.upstream.exchange(self.post("embeddings", order).json(&body)).await?;
        reply.data.sort_by_key(|embedding| embedding.index);
        let dimensions = reply.data.first().map_or(0, |embedding| embedding.embedding.len());
        let complete =
            reply.data.iter().enumerate().all(|(at, one)| one.index == at && one.embedding.len() == dimensions);
        if !complete || reply.data.len() != input.texts.len() || dimensions == 0 {
            return Err(broken(name, format!("it embedded {} of {} texts", reply.data.len(), input.texts.len())));
        }
        let values = reply.data.into_iter().flat_map(|embedding| unit_length(embedding.embedding)).collect();
        let output = EmbedOutput { dimensions: u32::try_from(dimensions).unwrap_or(u32::MAX), values };
        let bytes = input.texts.iter().map(String::len).sum();
        let usage = reply.usage.map_or_else(|| estimate::texts(bytes, 0), Usage::from);
        let models = vec![estimate::identity(name, order, reply.model)];
        let output = orrery_proto::v1::ModelOutput { kind: Some(model_output::Kind::Embed(output)) };
        Ok(Answer { output, models, usage, quota })
    }
}

/// Embeddings are unit length throughout the system; not every server sees to it.
pub(crate) fn unit_length(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
    vector
}
