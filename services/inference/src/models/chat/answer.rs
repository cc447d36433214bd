//! One choice of an answer while it is written: the parts that are streamed, and the whole that they make up.

use orrery_proto::v1::{ChatDelta, ChatOutput, TokenLogprob, ToolCall, ToolCallDelta};
use orrery_torch::smollm2::{AnswerPart, AnswerReader, FinishReason, Token};

/// Characters of a call's id after its prefix.
const ID_LENGTH: usize = 24;

pub(super) struct Answer {
    index: u32,
    log_probabilities: bool,
    /// Where the answer may hold calls.
    reader: Option<AnswerReader>,
    whole: ChatOutput,
}

impl Answer {
    pub(super) fn new(index: u32, has_tools: bool, log_probabilities: bool) -> Self {
        let reader = has_tools.then(AnswerReader::default);
        Self { index, log_probabilities, reader, whole: ChatOutput::default() }
    }

    /// Takes a token in; what can be given on with it. `bytes` are those of a token.
    pub(super) fn token<'a>(&mut self, token: &Token, bytes: impl Fn(u32) -> &'a [u8]) -> ChatDelta {
        let mut delta = ChatDelta { index: self.index, ..ChatDelta::default() };
        let parts = match &mut self.reader {
            Some(reader) => reader.push(&token.text),
            None => vec![AnswerPart::Text(token.text.clone())],
        };
        self.add(parts, &mut delta);
        if self.log_probabilities && !token.ends_turn {
            let told = |&(id, logprob): &(u32, f32)| {
                let bytes = bytes(id).to_vec();
                let token = String::from_utf8_lossy(&bytes).into_owned();
                TokenLogprob { token, logprob, bytes, top: Vec::new() }
            };
            let top = token.alternatives.iter().map(told).collect();
            let entry = TokenLogprob { top, ..told(&(token.id, token.log_probability)) };
            self.whole.logprobs.push(entry.clone());
            delta.logprobs.push(entry);
        }
        delta
    }

    /// What was held back, with the reason of the end, and the whole.
    pub(super) fn finish(mut self, reason: Option<FinishReason>) -> (ChatDelta, ChatOutput) {
        let mut delta = ChatDelta { index: self.index, ..ChatDelta::default() };
        let rest = self.reader.as_mut().map(AnswerReader::finish).unwrap_or_default();
        self.add(rest, &mut delta);
        self.whole.finish_reason = match reason {
            Some(FinishReason::Stop) if self.reader.as_ref().is_some_and(AnswerReader::has_whole_calls) => "tool_calls",
            Some(FinishReason::Stop) => "stop",
            _ => "length",
        }
        .to_owned();
        delta.finish_reason.clone_from(&self.whole.finish_reason);
        (delta, self.whole)
    }

    fn add(&mut self, parts: Vec<AnswerPart>, delta: &mut ChatDelta) {
        for part in parts {
            match part {
                AnswerPart::Text(text) => {
                    self.whole.text.push_str(&text);
                    delta.text.push_str(&text);
                }
                AnswerPart::Call { index, name } => {
                    let id = call_id();
                    let call = ToolCall { id: id.clone(), name: name.clone(), arguments_json: String::new() };
                    self.whole.tool_calls.push(call);
                    delta.tool_calls.push(ToolCallDelta { index, id, name, arguments: String::new() });
                }
                AnswerPart::Arguments { index, text } => {
                    if let Some(call) = self.whole.tool_calls.last_mut() {
                        call.arguments_json.push_str(&text);
                    }
                    match delta.tool_calls.last_mut() {
                        Some(call) if call.index == index => call.arguments.push_str(&text),
                        _ => {
                            delta.tool_calls.push(ToolCallDelta { index, arguments: text, ..ToolCallDelta::default() })
                        }
                    }
                }
            }
        }
    }
}

/// Whether a part is worth a message.
pub(super) fn says_something(delta: &ChatDelta) -> bool {
    !(delta.text.is_empty()
        && delta.tool_calls.is_empty()
        && delta.logprobs.is_empty()
        && delta.finish_reason.is_empty())
}

fn call_id() -> String {
    use rand::Rng as _;
    let random = rand::rng().sample_iter(rand::distr::Alphanumeric).take(ID_LENGTH).map(char::from);
    format!("call_{}", random.collect::<String>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn token(text: &str) -> Token {
        Token {
            id: 7,
            text: text.into(),
            log_probability: -0.5,
            alternatives: vec![(7, -0.5), (8, -1.0)],
            ends_turn: false,
        }
    }

    fn bytes(id: u32) -> &'static [u8] {
        if id == 7 { b"\xC3" } else { b"b" }
    }

    #[test]
    fn the_parts_make_up_the_whole() {
        let mut answer = Answer::new(3, true, false);
        let pieces = [
            "<tool_call>[{\"name\": \"f\", \"argu",
            "ments\": {\"a\": ",
            "1}}, {\"name\": \"g\", \"arguments\": {}}",
            "]</tool_call>",
        ];
        let deltas: Vec<ChatDelta> = pieces.iter().map(|piece| answer.token(&token(piece), bytes)).collect();
        let (last, whole) = answer.finish(Some(FinishReason::Stop));
        assert!(!says_something(&deltas[0]) && !says_something(&deltas[3]));
        assert!(deltas.iter().all(|delta| delta.index == 3));
        assert_eq!((last.finish_reason.as_str(), whole.finish_reason.as_str()), ("tool_calls", "tool_calls"));
        let told: Vec<_> = deltas.iter().flat_map(|delta| &delta.tool_calls).cloned().collect();
        let arguments: Vec<_> = told.iter().map(|call| (call.index, call.arguments.as_str())).collect();
        assert_eq!(arguments, [(0, "{\"a\": "), (0, "1}"), (1, "{}")]);
        assert_eq!((told[0].name.as_str(), told[1].name.as_str(), told[2].name.as_str()), ("f", "", "g"));
        assert_eq!(whole.tool_calls[0].arguments_json, "{\"a\": 1}");
        assert_eq!((&whole.tool_calls[0].id, &whole.tool_calls[1].id), (&told[0].id, &told[2].id));
        assert!(told[0].id.starts_with("call_") && told[0].id.len() == 29 && told[0].id != told[2].id);
        assert_eq!(whole.text, "");
    }

    #[test]
    fn a_call_that_is_cut_off_is_told_and_is_none_to_be_made() {
        for (reason, told) in [(FinishReason::Stop, "stop"), (FinishReason::Length, "length")] {
            let mut answer = Answer::new(0, true, false);
            answer.token(&token("<tool_call>[{\"name\": \"f\", \"arguments\": {\"a\""), bytes);
            let (_, whole) = answer.finish(Some(reason));
            assert_eq!((whole.finish_reason.as_str(), whole.tool_calls[0].arguments_json.as_str()), (told, "{\"a\""));
        }
    }

    #[test]
    fn probabilities_come_with_the_bytes_of_their_tokens_and_without_the_end_of_the_turn() {
        let mut answer = Answer::new(0, false, true);
        let delta = answer.token(&token(""), bytes);
        let end = answer.token(&Token { ends_turn: true, ..token("é") }, bytes);
        assert!(says_something(&delta) && end.logprobs.is_empty());
        let (last, whole) = answer.finish(Some(FinishReason::Length));
        assert_eq!(whole.logprobs, delta.logprobs);
        let entry = &whole.logprobs[0];
        assert_eq!(
            (entry.token.as_str(), entry.bytes.as_slice(), entry.logprob),
            ("\u{FFFD}", b"\xC3".as_slice(), -0.5)
        );
        assert_eq!((entry.top[1].token.as_str(), entry.top[1].logprob), ("b", -1.0));
        assert_eq!((whole.text.as_str(), last.finish_reason.as_str()), ("é", "length"));
    }
}
