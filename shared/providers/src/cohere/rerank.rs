//! Reranking in Cohere's words.

use orrery_errors::Error;
use orrery_proto::v1::{ModelOutput, Ranked, RerankInput, RerankOutput, model_output};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Cohere;
use crate::conversation::fields;
use crate::failure::broken;
use crate::{Answer, Order, estimate};

#[derive(Debug, Deserialize)]
struct Reply {
    results: Vec<Scored>,
}

#[derive(Debug, Deserialize)]
struct Scored {
    index: u32,
    relevance_score: f32,
}

impl Cohere {
    pub(super) async fn rerank(&self, order: &Order, input: &RerankInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let body = fields([
            ("model", Some(json!(order.upstream))),
            ("query", Some(json!(input.query))),
            ("documents", Some(json!(input.documents))),
            ("top_n", (input.top_n > 0).then(|| json!(input.top_n))),
        ]);
        let request = self.post("rerank", order, &Value::Object(body));
        let (reply, quota): (Reply, _) = self.upstream.exchange(request).await?;
        let documents = input.documents.len();
        let known = |scored: &Scored| usize::try_from(scored.index).is_ok_and(|index| index < documents);
        if let Some(stray) = reply.results.iter().find(|scored| !known(scored)) {
            return Err(broken(name, format!("it ranked document {} of {documents}", stray.index)));
        }
        let mut results: Vec<Ranked> = reply
            .results
            .into_iter()
            .map(|scored| Ranked { index: scored.index, score: scored.relevance_score.clamp(0.0, 1.0) })
            .collect();
        results.sort_by(|one, other| other.score.total_cmp(&one.score));
        // The vendor bills searches, not tokens.
        let bytes = input.query.len() + input.documents.iter().map(String::len).sum::<usize>();
        let usage = estimate::texts(bytes, 0);
        let models = vec![estimate::identity(name, order, String::new())];
        let output = ModelOutput { kind: Some(model_output::Kind::Rerank(RerankOutput { results })) };
        Ok(Answer { output, models, usage, quota })
    }
}
