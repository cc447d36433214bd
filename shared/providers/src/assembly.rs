//! The whole of a streamed answer, put together from its deltas.

use orrery_proto::v1::{ChatDelta, ChatOutput, ToolCall};

/// Longest answer, all choices together; far above any model's output limit.
const BYTES_MAX: usize = 8 << 20;
const CHOICES_MAX: usize = 128;
const TOOL_CALLS_MAX: usize = 1024;

/// What came so far.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    choices: Vec<ChatOutput>,
    bytes: usize,
}

impl Assembly {
    /// Adds a delta. Fails when a provider sends more than any answer has.
    pub fn add(&mut self, delta: &ChatDelta) -> Result<(), &'static str> {
        let index = usize::try_from(delta.index).unwrap_or(usize::MAX);
        if index >= CHOICES_MAX {
            return Err("an answer has too many choices");
        }
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, ChatOutput::default);
        }
        let calls: usize = delta.tool_calls.iter().map(|call| call.arguments.len() + call.name.len()).sum();
        self.bytes += delta.text.len() + delta.reasoning.len() + delta.refusal.len() + calls;
        let Some(choice) = self.choices.get_mut(index) else { return Ok(()) };
        if self.bytes > BYTES_MAX {
            return Err("its answer is too long");
        }
        choice.text.push_str(&delta.text);
        choice.reasoning.push_str(&delta.reasoning);
        choice.refusal.push_str(&delta.refusal);
        choice.reasoning_signature.push_str(&delta.reasoning_signature);
        choice.logprobs.extend_from_slice(&delta.logprobs);
        if !delta.finish_reason.is_empty() {
            choice.finish_reason.clone_from(&delta.finish_reason);
        }
        for part in &delta.tool_calls {
            let at = usize::try_from(part.index).unwrap_or(usize::MAX);
            if at >= TOOL_CALLS_MAX {
                return Err("an answer has too many tool calls");
            }
            if choice.tool_calls.len() <= at {
                choice.tool_calls.resize_with(at + 1, ToolCall::default);
            }
            let Some(call) = choice.tool_calls.get_mut(at) else { continue };
            call.id.push_str(&part.id);
            call.name.push_str(&part.name);
            call.arguments_json.push_str(&part.arguments);
        }
        Ok(())
    }

    /// Whether every choice that began has said why it ended.
    pub fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| !choice.finish_reason.is_empty())
    }

    /// Bytes of text so far, for estimates where a provider does not count.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The answer. A choice that did not say why it ended ended of itself.
    pub fn finish(mut self) -> ChatOutput {
        for choice in self.choices.iter_mut().filter(|choice| choice.finish_reason.is_empty()) {
            "stop".clone_into(&mut choice.finish_reason);
        }
        let mut choices = self.choices.into_iter();
        let first =
            choices.next().unwrap_or_else(|| ChatOutput { finish_reason: "stop".to_owned(), ..ChatOutput::default() });
        ChatOutput { others: choices.collect(), ..first }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use orrery_proto::v1::ToolCallDelta;

    #[test]
    fn choices_and_calls_are_put_together_by_their_numbers() {
        let mut assembly = Assembly::default();
        let call = |index, id: &str, name: &str, arguments: &str| ToolCallDelta {
            index,
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        let deltas = [
            ChatDelta { index: 1, text: "b".into(), ..ChatDelta::default() },
            ChatDelta { text: "a".into(), tool_calls: vec![call(1, "y", "g", "")], ..ChatDelta::default() },
            ChatDelta { tool_calls: vec![call(0, "x", "f", "{\"a\""), call(1, "", "", "{}")], ..ChatDelta::default() },
            ChatDelta {
                tool_calls: vec![call(0, "", "", ":1}")],
                finish_reason: "tool_calls".into(),
                ..ChatDelta::default()
            },
        ];
        for delta in &deltas {
            assembly.add(delta).unwrap();
        }
        assert!(!assembly.is_finished());
        let answer = assembly.finish();
        assert_eq!((answer.text.as_str(), answer.finish_reason.as_str()), ("a", "tool_calls"));
        assert_eq!((answer.others[0].text.as_str(), answer.others[0].finish_reason.as_str()), ("b", "stop"));
        let calls: Vec<_> = answer.tool_calls.iter().map(|it| (it.id.as_str(), it.arguments_json.as_str())).collect();
        assert_eq!(calls, [("x", "{\"a\":1}"), ("y", "{}")]);
    }

    #[test]
    fn endless_answers_are_refused() {
        let wide = ChatDelta { index: u32::MAX, ..ChatDelta::default() };
        assert!(Assembly::default().add(&wide).is_err());
        let long = ChatDelta { text: "x".repeat(BYTES_MAX + 1), ..ChatDelta::default() };
        assert!(Assembly::default().add(&long).is_err());
    }
}
