//! A streamed answer put together again, so that its end can be judged and completed: a provider, or a cache, may tell at the
//! end what it did not stream.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ChatOutput, ToolCallDelta};

/// Choices of one answer, and calls of tools of one choice. More is a fault of the provider.
const CHOICES_MAX: usize = 128;
const CALLS_MAX: usize = 512;

/// What came so far.
#[derive(Debug, Default)]
pub struct Collected {
    choices: Vec<ChatOutput>,
}

impl Collected {
    /// Takes the next part.
    pub fn add(&mut self, delta: &ChatDelta) -> Result<(), Error> {
        let choice = place(&mut self.choices, delta.index, CHOICES_MAX)?;
        choice.text.push_str(&delta.text);
        choice.refusal.push_str(&delta.refusal);
        choice.reasoning.push_str(&delta.reasoning);
        choice.reasoning_signature.push_str(&delta.reasoning_signature);
        if !delta.finish_reason.is_empty() {
            choice.finish_reason.clone_from(&delta.finish_reason);
        }
        for part in &delta.tool_calls {
            let call = place(&mut choice.tool_calls, part.index, CALLS_MAX)?;
            call.id.push_str(&part.id);
            call.name.push_str(&part.name);
            call.arguments_json.push_str(&part.arguments);
        }
        Ok(())
    }

    /// The end: the answer as a whole, and what of it was never streamed.
    pub fn finish(mut self, told: Option<ChatOutput>) -> (ChatOutput, Vec<ChatDelta>) {
        let mut told = told.unwrap_or_default();
        let others = std::mem::take(&mut told.others);
        let told: Vec<ChatOutput> = std::iter::once(told).chain(others).collect();
        self.choices.resize_with(self.choices.len().max(told.len()), ChatOutput::default);
        let mut missing = Vec::new();
        for (index, (choice, told)) in (0_u32..).zip(self.choices.iter_mut().zip(told)) {
            let (mut delta, logprobs) = (complete(choice, &told), told.logprobs);
            if delta != ChatDelta::default() {
                delta.index = index;
                delta.logprobs = if delta.text.is_empty() { Vec::new() } else { logprobs };
                missing.push(delta);
            }
            if !told.finish_reason.is_empty() {
                choice.finish_reason = told.finish_reason;
            }
        }
        let mut choices = self.choices.into_iter();
        let first = choices.next().unwrap_or_default();
        (ChatOutput { others: choices.collect(), ..first }, missing)
    }
}

/// Adds to a choice what only the end tells of it, and gives that.
fn complete(choice: &mut ChatOutput, told: &ChatOutput) -> ChatDelta {
    let mut missing = ChatDelta::default();
    let texts = [
        (&mut choice.text, &told.text, &mut missing.text),
        (&mut choice.refusal, &told.refusal, &mut missing.refusal),
        (&mut choice.reasoning, &told.reasoning, &mut missing.reasoning),
        (&mut choice.reasoning_signature, &told.reasoning_signature, &mut missing.reasoning_signature),
    ];
    for (streamed, told, missing) in texts {
        if streamed.is_empty() && !told.is_empty() {
            streamed.clone_from(told);
            missing.clone_from(told);
        }
    }
    for (index, call) in (0_u32..).zip(&told.tool_calls).skip(choice.tool_calls.len()) {
        let (id, name, arguments) = (call.id.clone(), call.name.clone(), call.arguments_json.clone());
        missing.tool_calls.push(ToolCallDelta { index, id, name, arguments });
        choice.tool_calls.push(call.clone());
    }
    missing
}

/// The item at `index`, made when it is not there yet.
fn place<T: Default>(items: &mut Vec<T>, index: u32, max: usize) -> Result<&mut T, Error> {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    if index < max && items.len() <= index {
        items.resize_with(index + 1, T::default);
    }
    items.get_mut(index).ok_or_else(|| {
        Error::new(
            ErrorCode::ModelFailed,
            format!("the model streams part {index} of something that has at most {max}"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use orrery_proto::v1::ToolCall;

    fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: name.to_owned(), arguments_json: arguments.to_owned() }
    }

    fn text(index: u32, text: &str) -> ChatDelta {
        ChatDelta { index, text: text.to_owned(), ..ChatDelta::default() }
    }

    #[test]
    fn parts_make_a_whole() {
        let mut collected = Collected::default();
        collected.add(&text(1, "b")).unwrap();
        collected.add(&text(0, "a")).unwrap();
        collected.add(&text(1, "c")).unwrap();
        for signature in ["s", "t"] {
            let delta = ChatDelta { reasoning_signature: signature.to_owned(), ..ChatDelta::default() };
            collected.add(&delta).unwrap();
        }
        let part = |id: &str, name: &str, arguments: &str| ChatDelta {
            tool_calls: vec![ToolCallDelta {
                index: 0,
                id: id.to_owned(),
                name: name.to_owned(),
                arguments: arguments.to_owned(),
            }],
            ..ChatDelta::default()
        };
        collected.add(&part("c1", "f", "{\"a\"")).unwrap();
        collected.add(&part("", "", ":1}")).unwrap();
        let (whole, missing) = collected.finish(None);
        assert_eq!((whole.text.as_str(), whole.others[0].text.as_str()), ("a", "bc"));
        assert_eq!(whole.tool_calls, [call("c1", "f", "{\"a\":1}")]);
        assert_eq!(whole.reasoning_signature, "st");
        assert!(missing.is_empty());
    }

    #[test]
    fn what_only_the_end_tells_is_still_streamed() {
        let mut collected = Collected::default();
        collected.add(&text(0, "said")).unwrap();
        let told = ChatOutput {
            text: "said".to_owned(),
            finish_reason: "tool_calls".to_owned(),
            tool_calls: vec![call("c1", "f", "{}")],
            others: vec![ChatOutput { text: "never streamed".to_owned(), ..ChatOutput::default() }],
            ..ChatOutput::default()
        };
        let (whole, missing) = collected.finish(Some(told));
        assert_eq!(whole.finish_reason, "tool_calls");
        assert_eq!(missing.len(), 2);
        assert!(missing[0].text.is_empty() && missing[0].tool_calls[0].name == "f");
        assert_eq!((missing[1].index, missing[1].text.as_str()), (1, "never streamed"));
    }

    #[test]
    fn an_index_beyond_reason_is_a_fault_of_the_model() {
        assert!(Collected::default().add(&text(u32::MAX, "x")).is_err());
    }
}
