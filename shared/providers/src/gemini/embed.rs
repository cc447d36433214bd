//! Embeddings in Gemini's words.

use orrery_errors::Error;
use orrery_proto::v1::EmbedInput;
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::task_type;
use super::{Gemini, resource};
use crate::conversation::fields;
use crate::{Answer, Order, embedding};

/// The vendor takes no more texts in one request.
const TEXTS_MAX: usize = 100;

#[derive(Debug, Deserialize)]
struct Reply {
    embeddings: Vec<Embedding>,
}

#[derive(Debug, Deserialize)]
struct Embedding {
    values: Vec<f32>,
}

impl Gemini {
    pub(super) async fn embed(&self, order: &Order, input: &EmbedInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let task = task_type(name, &input.input_type)?;
        let mut vectors = Vec::with_capacity(input.texts.len());
        for texts in input.texts.chunks(TEXTS_MAX) {
            let request = |text: &String| {
                fields([
                    ("model", Some(json!(resource(&order.upstream)))),
                    ("content", Some(json!({"parts": [{"text": text}]}))),
                    ("taskType", task.map(Value::from)),
                    ("outputDimensionality", (input.dimensions > 0).then(|| json!(input.dimensions))),
                ])
            };
            let body = json!({"requests": texts.iter().map(request).collect::<Vec<_>>()});
            let (reply, _): (Reply, _) = self.upstream.exchange(self.post("batchEmbedContents", order, &body)).await?;
            vectors.extend(reply.embeddings.into_iter().map(|embedding| embedding.values));
        }
        embedding::answer(name, order, input, vectors, None, None)
    }
}
