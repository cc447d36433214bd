//! Reranking as vLLM, Jina, llama.cpp and others offer it beside OpenAI's interface, which knows none.

use orrery_errors::Error;
use orrery_proto::v1::{ModelOutput, Ranked, RerankInput, RerankOutput, Usage, model_output};
use serde::Deserialize;
use serde_json::json;

use super::server::Server;
use super::usage::UsageBody;
use crate::failure::broken;
use crate::{Answer, Order, estimate};

#[derive(Debug, Deserialize)]
struct RerankReply {
    #[serde(default)]
    model: String,
    results: Vec<Scored>,
    #[serde(default)]
    usage: Option<UsageBody>,
}

#[derive(Debug, Deserialize)]
struct Scored {
    index: u32,
    relevance_score: f32,
}

impl Server {
    pub(super) async fn rerank(&self, order: &Order, input: &RerankInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let wanted = match usize::try_from(input.top_n) {
            Ok(top) if top > 0 => top.min(input.documents.len()),
            _ => input.documents.len(),
        };
        let body = json!({"model": order.upstream, "query": input.query, "documents": input.documents,
            "top_n": wanted, "return_documents": false});
        let (reply, quota): (RerankReply, _) = self.upstream.exchange(self.post("rerank", order).json(&body)).await?;
        let results = ranked(reply.results, input.documents.len(), wanted).map_err(|what| broken(name, what))?;
        let bytes = input.documents.iter().map(|document| document.len() + input.query.len()).sum();
        let usage = reply.usage.map_or_else(|| estimate::texts(bytes, 0), Usage::from);
        let output = ModelOutput { kind: Some(model_output::Kind::Rerank(RerankOutput { results })) };
        Ok(Answer { output, models: vec![estimate::identity(name, order, reply.model)], usage, quota })
    }
}

/// Best first, with scores from 0 to 1. Servers that give the model's own numbers (llama.cpp) have them made so by the
/// logistic function, by which rerankers are trained.
fn ranked(mut results: Vec<Scored>, documents: usize, wanted: usize) -> Result<Vec<Ranked>, String> {
    let raw = results.iter().any(|it| !(0.0..=1.0).contains(&it.relevance_score));
    results.sort_by(|one, other| other.relevance_score.total_cmp(&one.relevance_score));
    results.truncate(wanted);
    let mut seen: Vec<_> = results.iter().map(|it| it.index).collect();
    seen.sort_unstable();
    seen.dedup();
    let known = |index: u32| usize::try_from(index).is_ok_and(|index| index < documents);
    if seen.len() != wanted || !seen.iter().all(|index| known(*index)) {
        return Err(format!("it ranked {} of {wanted} documents", seen.len()));
    }
    let score = |value: f32| if raw { 1.0 / (1.0 + (-value).exp()) } else { value };
    Ok(results.into_iter().map(|it| Ranked { index: it.index, score: score(it.relevance_score) }).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openai::mangled;
    use proptest::prelude::*;

    fn scored(scores: &[(u32, f32)]) -> Vec<Scored> {
        scores
            .iter()
            .map(|(index, relevance_score)| Scored { index: *index, relevance_score: *relevance_score })
            .collect()
    }

    #[test]
    fn the_best_come_first_and_scores_are_shares() {
        let got = ranked(scored(&[(0, 0.25), (1, 0.75)]), 2, 2).unwrap();
        assert_eq!(got.iter().map(|it| (it.index, it.score)).collect::<Vec<_>>(), [(1, 0.75), (0, 0.25)]);
        let got = ranked(scored(&[(0, -8.0), (1, 0.0)]), 2, 1).unwrap();
        assert_eq!(got.iter().map(|it| (it.index, it.score)).collect::<Vec<_>>(), [(1, 0.5)]);
        assert!(ranked(scored(&[(0, 0.1), (2, 0.2)]), 2, 2).is_err(), "a document that nobody sent");
        assert!(ranked(scored(&[(0, 0.1), (0, 0.2)]), 2, 2).is_err(), "one twice");
        assert!(ranked(scored(&[(0, 0.1)]), 2, 2).is_err(), "one left out");
    }

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(body in mangled(r#"{"results":[{"index":0,"relevance_score":0.5},{"index":1,"relevance_score":-3}]}"#)) {
            if let Ok(reply) = serde_json::from_slice::<RerankReply>(&body)
                && let Ok(results) = ranked(reply.results, 2, 2)
            {
                prop_assert!(results.iter().all(|it| (0.0..=1.0).contains(&it.score)));
            }
        }
    }
}
