//! Embeddings in Cohere's words.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::EmbedInput;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Cohere;
use crate::conversation::fields;
use crate::{Answer, Order, embedding};

/// The vendor takes no more texts in one request.
const TEXTS_MAX: usize = 96;

#[derive(Debug, Deserialize)]
struct Reply {
    embeddings: ByType,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Deserialize)]
struct ByType {
    float: Vec<Vec<f32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    billed_units: Option<BilledUnits>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BilledUnits {
    input_tokens: u64,
}

impl Cohere {
    pub(super) async fn embed(&self, order: &Order, input: &EmbedInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let wanted = if input.input_type.is_empty() { self.embed_for } else { &input.input_type };
        let input_type = match wanted {
            "document" => "search_document",
            "query" => "search_query",
            other => {
                let message =
                    format!("provider {name} embeds for \"query\" and \"document\", not for {other:?} (input_type)");
                return Err(Error::new(ErrorCode::InvalidRequest, message));
            }
        };
        let mut vectors = Vec::with_capacity(input.texts.len());
        let (mut tokens, mut quota) = (Some(0), None);
        for texts in input.texts.chunks(TEXTS_MAX) {
            let body = fields([
                ("model", Some(json!(order.upstream))),
                ("texts", Some(json!(texts))),
                ("input_type", Some(json!(input_type))),
                ("embedding_types", Some(json!(["float"]))),
                ("output_dimension", (input.dimensions > 0).then(|| json!(input.dimensions))),
            ]);
            let request = self.post("embed", order, &Value::Object(body));
            let (reply, left): (Reply, _) = self.upstream.exchange(request).await?;
            vectors.extend(reply.embeddings.float);
            tokens = tokens
                .zip(reply.meta.billed_units)
                .map(|(sum, units): (u64, _)| sum.saturating_add(units.input_tokens));
            quota = left;
        }
        embedding::answer(name, order, input, vectors, tokens, quota)
    }
}
