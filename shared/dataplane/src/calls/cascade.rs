//! Stages, cheap ones first, until an answer is sure enough. Every stage that was asked is paid for.

use orrery_errors::Error;
use orrery_proto::v1::{ChatOutput, ModelInput, model_input, model_output};
use orrery_providers::Answer;
use orrery_routing::confidence::{Evidence, confidence};
use orrery_routing::decide::CascadePlan;
use orrery_routing::retry::Next;

use super::Answered;
use super::attempt::{Run, caller_left};
use crate::DataPlane;

impl DataPlane {
    /// The first answer that is sure enough, or the last; where later stages fail, the surest that there was.
    pub(super) async fn cascade(&self, run: &Run<'_>, plan: &CascadePlan) -> Result<Answered, Error> {
        let mut surest: Option<(f64, Answered)> = None;
        let mut last = None;
        for (place, stage) in plan.stages.iter().enumerate() {
            let another = place + 1 < plan.stages.len();
            match self.one::<Answer>(run, stage, another).await {
                Ok(taken) => {
                    let answered = self.pay_for(run, taken);
                    let sure = confidence(&plan.cascade, &evidence(&run.call.input, &answered.answer));
                    if !another || sure.suffices(&plan.cascade, stage) {
                        return Ok(answered);
                    }
                    metrics::counter!("orrery.router.cascade.passed_on", "gen_ai.request.model" => stage.clone())
                        .increment(1);
                    tracing::debug!(gen_ai.request.model = stage, reason = sure.reason, "not sure enough");
                    if surest.as_ref().is_none_or(|(value, _)| *value <= sure.value) {
                        surest = Some((sure.value, answered));
                    }
                }
                Err(_) if run.left.is_cancelled() => return Err(caller_left()),
                Err(missed) if missed.next == Next::GiveUp && surest.is_none() => return Err(missed.error),
                Err(missed) => {
                    last = Some(missed.error);
                    if missed.next == Next::GiveUp {
                        break;
                    }
                }
            }
        }
        if let Some((_, answered)) = surest {
            if let Some(model) = run.plan.snapshot.catalogue.models.get(&answered.model) {
                run.course.answered_by(model);
            }
            return Ok(answered);
        }
        let stages: Vec<&str> = plan.stages.iter().map(String::as_str).collect();
        let taken = self.first_success::<Answer>(run, &stages, last).await?;
        Ok(self.pay_for(run, taken))
    }
}

/// What came with an answer; nothing with one that is no chat.
fn evidence<'a>(input: &ModelInput, answer: &'a Answer) -> Evidence<'a> {
    let Some(model_output::Kind::Chat(chat)) = &answer.output.kind else { return Evidence::default() };
    Evidence {
        text: &chat.text,
        calls_tools: !chat.tool_calls.is_empty(),
        refused: !chat.refusal.is_empty() || chat.finish_reason == "content_filter",
        mean_logprob: mean_logprob(chat),
        self_reported: None,
        schema_valid: schema_valid(input, &chat.text),
    }
}

#[allow(clippy::cast_precision_loss)] // tokens of one answer
fn mean_logprob(chat: &ChatOutput) -> Option<f64> {
    let sum: f64 = chat.logprobs.iter().map(|token| f64::from(token.logprob)).sum();
    (!chat.logprobs.is_empty()).then(|| sum / chat.logprobs.len() as f64)
}

/// Whether a text has the shape that was asked for; none where none was.
fn schema_valid(input: &ModelInput, text: &str) -> Option<bool> {
    let Some(model_input::Kind::Chat(chat)) = &input.kind else { return None };
    let format = chat.response_format.as_ref()?;
    let value = || serde_json::from_str::<serde_json::Value>(text);
    match format.kind.as_str() {
        "json_object" => Some(value().is_ok_and(|value| value.is_object())),
        "json_schema" => {
            let schema = serde_json::from_str(&format.schema_json).ok()?;
            let validator = jsonschema::validator_for(&schema).ok()?;
            Some(value().is_ok_and(|value| validator.is_valid(&value)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_proto::v1::{ChatInput, ModelOutput, ResponseFormat, TokenLogprob, Usage};

    fn asked(kind: &str, schema: &str) -> ModelInput {
        let format = ResponseFormat { kind: kind.into(), schema_json: schema.into(), ..ResponseFormat::default() };
        let chat = ChatInput { response_format: Some(format), ..ChatInput::default() };
        ModelInput { kind: Some(model_input::Kind::Chat(chat)) }
    }

    #[test]
    fn a_shape_that_was_asked_for_is_checked() {
        let schema = r#"{"type": "object", "required": ["a"]}"#;
        let table = [
            ("text", "", "x", None),
            ("json_object", "", "{}", Some(true)),
            ("json_object", "", "[]", Some(false)),
            ("json_schema", schema, r#"{"a": 1}"#, Some(true)),
            ("json_schema", schema, r#"{"b": 1}"#, Some(false)),
            ("json_schema", schema, "no JSON", Some(false)),
            ("json_schema", "no schema", "{}", None),
        ];
        for (kind, schema, text, expected) in table {
            assert_eq!(schema_valid(&asked(kind, schema), text), expected, "{kind} {text}");
        }
    }

    #[test]
    fn evidence_is_read_from_the_answer() {
        let token = |logprob| TokenLogprob { logprob, ..TokenLogprob::default() };
        let chat = ChatOutput {
            text: "yes".into(),
            refusal: "no".into(),
            logprobs: vec![token(-1.0), token(-3.0)],
            ..ChatOutput::default()
        };
        let output = ModelOutput { kind: Some(model_output::Kind::Chat(chat)) };
        let answer = Answer { output, models: Vec::new(), usage: Usage::default(), quota: None };
        let found = evidence(&asked("text", ""), &answer);
        assert_eq!((found.text, found.refused, found.mean_logprob), ("yes", true, Some(-2.0)));
        assert!(!found.calls_tools && found.schema_valid.is_none());
    }
}
