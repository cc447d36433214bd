//! What is objectionable in texts, in OpenAI's words.

use std::collections::BTreeMap;

use orrery_errors::Error;
use orrery_proto::v1::{ModelOutput, ModerateInput, ModerateOutput, Moderation, Usage, model_output};
use serde::Deserialize;
use serde_json::json;

use super::server::Server;
use super::usage::UsageBody;
use crate::failure::broken;
use crate::{Answer, Order, estimate};

#[derive(Debug, Deserialize)]
struct ModerationReply {
    #[serde(default)]
    model: String,
    results: Vec<Judged>,
    #[serde(default)]
    usage: Option<UsageBody>,
}

#[derive(Debug, Deserialize)]
struct Judged {
    /// Mistral does not say it.
    #[serde(default)]
    flagged: Option<bool>,
    categories: BTreeMap<String, Option<bool>>,
    #[serde(default)]
    category_scores: BTreeMap<String, Option<f32>>,
}

impl From<Judged> for Moderation {
    fn from(judged: Judged) -> Self {
        let categories: Vec<_> =
            judged.categories.into_iter().filter_map(|(name, found)| Some((name, found?))).collect();
        Self {
            flagged: judged.flagged.unwrap_or_else(|| categories.iter().any(|(_, found)| *found)),
            categories: categories.into_iter().collect(),
            scores: judged.category_scores.into_iter().filter_map(|(name, score)| Some((name, score?))).collect(),
        }
    }
}

impl Server {
    pub(super) async fn moderate(&self, order: &Order, input: &ModerateInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let body = json!({"model": order.upstream, "input": input.texts});
        let (reply, quota): (ModerationReply, _) =
            self.upstream.exchange(self.post("moderations", order).json(&body)).await?;
        if reply.results.len() != input.texts.len() {
            let (got, of) = (reply.results.len(), input.texts.len());
            return Err(broken(name, format!("it judged {got} of {of} texts")));
        }
        let bytes = input.texts.iter().map(String::len).sum();
        let usage = reply.usage.map_or_else(|| estimate::texts(bytes, 0), Usage::from);
        let results = reply.results.into_iter().map(Moderation::from).collect();
        let output = ModelOutput { kind: Some(model_output::Kind::Moderate(ModerateOutput { results })) };
        Ok(Answer { output, models: vec![estimate::identity(name, order, reply.model)], usage, quota })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::mangled;
    use proptest::prelude::*;

    const REPLY: &str =
        r#"{"model":"m","results":[{"flagged":true,"categories":{"a":true,"b":null},"category_scores":{"a":0.9}}]}"#;

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(body in mangled(REPLY)) {
            if let Ok(reply) = serde_json::from_slice::<ModerationReply>(&body) {
                let _: Vec<_> = reply.results.into_iter().map(Moderation::from).collect();
            }
        }
    }
}
