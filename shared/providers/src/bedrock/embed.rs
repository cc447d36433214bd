//! Embeddings by InvokeModel, whose body is each model's own: Titan's, a text a call, and Cohere's.

use futures::future::try_join_all;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::EmbedInput;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Bedrock;
use crate::conversation::fields;
use crate::failure::unsupported;
use crate::{Answer, Order, embedding};

/// Cohere's models take no more texts in one call.
const COHERE_TEXTS_MAX: usize = 96;
/// Calls of one order that are under way at once, where each takes one text.
const TITAN_CALLS_AT_ONCE: usize = 8;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TitanReply {
    embedding: Vec<f32>,
    #[serde(default)]
    input_text_token_count: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct CohereReply {
    embeddings: CohereEmbeddings,
}

/// By type where a type was asked for; the oldest models know none.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CohereEmbeddings {
    ByType { float: Vec<Vec<f32>> },
    Plain(Vec<Vec<f32>>),
}

impl Bedrock {
    pub(super) async fn embed(&self, order: &Order, input: &EmbedInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let (vectors, tokens) = match order.upstream.as_str() {
            model if model.contains("titan-embed") => self.embed_titan(order, input).await?,
            model if model.contains("cohere.embed") => (self.embed_cohere(order, input).await?, None),
            model => {
                let message = format!("provider {name} embeds with Titan and Cohere only, not with {model}");
                return Err(Error::new(ErrorCode::NoModel, message));
            }
        };
        embedding::answer(name, order, input, vectors, tokens, None)
    }

    async fn embed_titan(&self, order: &Order, input: &EmbedInput) -> Result<(Vec<Vec<f32>>, Option<u64>), Error> {
        let mut vectors = Vec::with_capacity(input.texts.len());
        let mut tokens = Some(0);
        for texts in input.texts.chunks(TITAN_CALLS_AT_ONCE) {
            let mut calls = Vec::with_capacity(texts.len());
            for text in texts {
                calls.push(self.embed_titan_text(order, input, text));
            }
            for reply in try_join_all(calls).await? {
                tokens =
                    tokens.zip(reply.input_text_token_count).map(|(sum, count): (u64, u64)| sum.saturating_add(count));
                vectors.push(reply.embedding);
            }
        }
        Ok((vectors, tokens))
    }

    async fn embed_titan_text(&self, order: &Order, input: &EmbedInput, text: &str) -> Result<TitanReply, Error> {
        let body = fields([
            ("inputText", Some(json!(text))),
            ("dimensions", (input.dimensions > 0).then(|| json!(input.dimensions))),
        ]);
        let request = self.post("invoke", order, &Value::Object(body))?;
        Ok(self.upstream.exchange(request).await?.0)
    }

    async fn embed_cohere(&self, order: &Order, input: &EmbedInput) -> Result<Vec<Vec<f32>>, Error> {
        let input_type = match input.input_type.as_str() {
            "" | "document" => "search_document",
            "query" => "search_query",
            other => return Err(unsupported(&self.upstream.name, &format!("embeddings for {other:?} (input_type)"))),
        };
        let mut vectors = Vec::with_capacity(input.texts.len());
        for texts in input.texts.chunks(COHERE_TEXTS_MAX) {
            let body = fields([
                ("texts", Some(json!(texts))),
                ("input_type", Some(json!(input_type))),
                ("embedding_types", Some(json!(["float"]))),
                ("output_dimension", (input.dimensions > 0).then(|| json!(input.dimensions))),
            ]);
            let request = self.post("invoke", order, &Value::Object(body))?;
            let (reply, _): (CohereReply, _) = self.upstream.exchange(request).await?;
            vectors.extend(match reply.embeddings {
                CohereEmbeddings::ByType { float } | CohereEmbeddings::Plain(float) => float,
            });
        }
        Ok(vectors)
    }
}
