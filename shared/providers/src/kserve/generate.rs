//! Text by Triton's generate extension: one JSON object in, one out or many as events.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ChatInput, ChatOutput, Usage};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::chat_stream::{Frames, Said};
use crate::conversation::{fields, number, refuse};
use crate::failure::{broken, failed_midway};

/// What generates text behind Triton.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Vllm,
    TensorrtLlm,
}

impl Backend {
    /// The body of a request.
    pub fn request(self, provider: &str, prompt: &str, input: &ChatInput, stream: bool) -> Result<Value, Error> {
        let structured = input.response_format.as_ref().is_some_and(|format| format.kind != "text");
        refuse(
            provider,
            &[
                (!input.tools.is_empty(), "tools (tools)"),
                (structured, "a format of the answer (response_format)"),
                (input.n > 1, "more than one choice (n)"),
                (input.logprobs, "log probabilities (logprobs)"),
                (!input.logit_bias.is_empty(), "a bias on tokens (logit_bias)"),
                (!["", "none"].contains(&input.reasoning_effort.as_str()), "reasoning (reasoning_effort)"),
                (input.reasoning_tokens_max > 0, "reasoning (reasoning_tokens_max)"),
                (!input.extra_json.is_empty(), "parameters of another vendor (extra_json)"),
            ],
        )?;
        let mut body = fields([
            ("text_input", Some(json!(prompt))),
            ("stream", Some(json!(stream))),
            ("exclude_input_in_output", Some(json!(true))),
        ]);
        match self {
            Self::Vllm => {
                for wanted in ["return_finish_reason", "return_num_input_tokens", "return_num_output_tokens"] {
                    body.insert(wanted.to_owned(), json!(true));
                }
                // A tensor that holds JSON: request parameters of Triton can be neither lists nor real numbers.
                let parameters = Value::Object(parameters(input, "seed", "stop"));
                body.insert("sampling_parameters".to_owned(), json!(parameters.to_string()));
            }
            Self::TensorrtLlm => body.extend(parameters(input, "seed", "stop_words")),
        }
        Ok(Value::Object(body))
    }
}

fn parameters(input: &ChatInput, seed: &str, stop: &str) -> Map<String, Value> {
    let real = |value: Option<f32>| value.map(|value| json!(number(value)));
    fields([
        ("max_tokens", (input.max_tokens > 0).then(|| json!(input.max_tokens))),
        ("temperature", real(input.temperature)),
        ("top_p", real(input.top_p)),
        ("top_k", input.top_k.map(Value::from)),
        (seed, input.seed.map(Value::from)),
        (stop, (!input.stop.is_empty()).then(|| json!(input.stop))),
        ("frequency_penalty", real(input.frequency_penalty)),
        ("presence_penalty", real(input.presence_penalty)),
    ])
}

/// A whole answer, or a part of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Generated {
    model_version: String,
    text_output: Option<String>,
    finish_reason: Option<String>,
    num_input_tokens: Option<u64>,
    num_output_tokens: Option<u64>,
    error: Option<String>,
}

impl Generated {
    pub fn version(&self) -> String {
        self.model_version.clone()
    }

    pub fn usage(&self) -> Option<Usage> {
        let (input_tokens, output_tokens) = (self.num_input_tokens?, self.num_output_tokens?);
        Some(Usage { input_tokens, output_tokens, ..Usage::default() })
    }

    pub fn output(self, provider: &str) -> Result<ChatOutput, Error> {
        if let Some(error) = &self.error {
            return Err(failed_midway(provider, ErrorCode::ModelFailed, Some(error.clone())));
        }
        let finish_reason = Some(self.finish()).filter(|reason| !reason.is_empty()).unwrap_or("stop").to_owned();
        let text = self.text_output.ok_or_else(|| broken(provider, "its reply has no text_output"))?;
        Ok(ChatOutput { text, finish_reason, ..ChatOutput::default() })
    }

    /// vLLM writes Python's `None` while it goes on.
    fn finish(&self) -> &'static str {
        match self.finish_reason.as_deref() {
            None | Some("None" | "") => "",
            Some("length") => "length",
            Some(_) => "stop",
        }
    }
}

/// The events of a streamed answer.
#[derive(Debug)]
pub(super) struct Events {
    provider: String,
    backend: Backend,
    usage: Option<Usage>,
}

impl Events {
    pub fn new(provider: &str, backend: Backend) -> Self {
        Self { provider: provider.to_owned(), backend, usage: None }
    }
}

impl Frames for Events {
    fn take(&mut self, frame: &str) -> Result<Said, Error> {
        let part: Generated = serde_json::from_str(frame)
            .map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))?;
        if let Some(error) = &part.error {
            return Err(failed_midway(&self.provider, ErrorCode::ModelFailed, Some(error.clone())));
        }
        // Each part counts its own output.
        if let Some(usage) = part.usage() {
            let before = self.usage.map_or(0, |usage| usage.output_tokens);
            self.usage = Some(Usage { output_tokens: before.saturating_add(usage.output_tokens), ..usage });
        }
        let (version, finish_reason) = (part.version(), part.finish().to_owned());
        let delta = ChatDelta { text: part.text_output.unwrap_or_default(), finish_reason, ..ChatDelta::default() };
        Ok(Said {
            deltas: Some(delta).filter(|delta| *delta != ChatDelta::default()).into_iter().collect(),
            usage: self.usage,
            version: Some(version).filter(|version| !version.is_empty()),
            ended: false,
        })
    }

    fn ends_with_its_body(&self) -> bool {
        self.backend == Backend::TensorrtLlm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            frames in proptest::collection::vec(
                prop_oneof![
                    any::<String>(),
                    (".*", any::<u64>()).prop_map(|(text, count)| json!({"text_output": text, "finish_reason": text,
                        "num_input_tokens": count, "num_output_tokens": count}).to_string()),
                ],
                0..16,
            ),
        ) {
            let mut events = Events::new("p", Backend::Vllm);
            for frame in frames {
                if events.take(&frame).is_err() {
                    break;
                }
            }
        }
    }
}
