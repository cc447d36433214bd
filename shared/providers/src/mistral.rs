//! Mistral's HTTP interface, which is close to OpenAI's.
//!
//! Chat with tools, images, sound, documents and formats; embeddings; transcription; moderation. Without a `base_url` it is
//! `https://api.mistral.ai/v1`.
//!
//! Options of its entry:
//!
//! - `safe_prompt`: `yes` puts Mistral's safety prompt before every conversation.
//! - `query_prefix`, `document_prefix`: as of kind `openai`.
//!
//! What it says in other words: `seed` is `random_seed`, a required tool is `any`, `user` goes into `metadata`, the length
//! of embeddings is `output_dimension`; a last message of the assistant is a `prefix` that the answer begins with; names of
//! calls of tools that other models gave are made to be of nine letters and digits. An assistant's earlier thoughts are not
//! sent back.
//!
//! Refused by name: `top_k`, `logit_bias`, `logprobs`, `reasoning_tokens_max`, names of speakers, `reasoning_effort` other
//! than `none` and `high`, prompts to be continued, what came before speech (`prompt`), translation of speech, images.

use std::sync::Arc;

use orrery_errors::Error;
use orrery_proto::v1::ChatInput;
use orrery_routing::catalogue::Provider as Entry;
use orrery_types::Sha256Digest;
use serde_json::{Map, Value, json};

use crate::failure::unsupported;
use crate::openai::{ChatRequest, Dialect, Offer, Server, Transcripts, Words, prefixes, written};
use crate::options::{only, yes};
use crate::payloads::Payloads;
use crate::upstream::Upstream;
use crate::{Provider, Quota, Setup, SetupError};

const URL: &str = "https://api.mistral.ai/v1";
const OPTIONS: &[&str] = &["safe_prompt", "query_prefix", "document_prefix"];
/// Length of the name of a call of a tool; Mistral takes no other.
const CALL_ID_CHARS: usize = 9;

#[derive(Debug)]
struct Mistral {
    safe_prompt: bool,
}

impl Dialect for Mistral {
    fn chat_body(&self, provider: &str, input: &ChatInput, request: &ChatRequest<'_>) -> Result<Vec<u8>, Error> {
        if !matches!(input.reasoning_effort.as_str(), "" | "none" | "high") {
            let what = format!("reasoning_effort {:?}, only none and high", input.reasoning_effort);
            return Err(unsupported(provider, &what));
        }
        let body = serde_json::to_value(request).map_err(|error| Error::internal(&error))?;
        let Value::Object(body) = body else { return written(request) };
        written(&self.said(body))
    }
}

impl Mistral {
    /// A request of OpenAI's in Mistral's words.
    fn said(&self, mut body: Map<String, Value>) -> Map<String, Value> {
        if let Some(seed) = body.remove("seed") {
            body.insert("random_seed".to_owned(), seed);
        }
        if let Some(user) = body.remove("user") {
            body.insert("metadata".to_owned(), json!({ "user": user }));
        }
        if let Some(choice) = body.get_mut("tool_choice").filter(|choice| **choice == "required") {
            *choice = json!("any");
        }
        if self.safe_prompt {
            body.insert("safe_prompt".to_owned(), json!(true));
        }
        let messages = body.get_mut("messages").and_then(Value::as_array_mut);
        if let Some(messages) = messages {
            for message in messages.iter_mut().filter_map(Value::as_object_mut) {
                rename_calls(message);
            }
            let last = messages.last_mut().and_then(Value::as_object_mut);
            let begun = last.filter(|it| it.get("role") == Some(&json!("assistant")) && !it.contains_key("tool_calls"));
            if let Some(begun) = begun {
                begun.insert("prefix".to_owned(), json!(true));
            }
        }
        body
    }
}

fn rename_calls(message: &mut Map<String, Value>) {
    let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
    let ids = calls.into_iter().flatten().filter_map(|call| call.get_mut("id"));
    for id in ids {
        *id = json!(call_id(id.as_str().unwrap_or_default()));
    }
    if let Some(id) = message.get_mut("tool_call_id") {
        *id = json!(call_id(id.as_str().unwrap_or_default()));
    }
}

/// The same name for the same call, of the length that Mistral takes.
fn call_id(id: &str) -> String {
    if id.len() == CALL_ID_CHARS && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    Sha256Digest::of(id.as_bytes()).to_hex().chars().take(CALL_ID_CHARS).collect()
}

/// Makes a provider of kind `mistral`.
pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
    only(entry, OPTIONS)?;
    let upstream = Upstream::new(entry, Some(URL), Quota::mistral)?;
    let words = Words {
        offers: vec![Offer::Chat, Offer::Embed, Offer::Transcribe, Offer::Moderate],
        bare_audio: true,
        document_urls: true,
        dimensions: "output_dimension",
        prefixes: prefixes(entry),
        transcripts: Transcripts::Granular,
        ..Words::default()
    };
    let dialect = Mistral { safe_prompt: yes(entry, "safe_prompt")?.unwrap_or(false) };
    let payloads = Payloads::new(setup.bus.clone());
    let key = setup.api_key(entry)?;
    Ok(Arc::new(Server { upstream, payloads, key, words, dialect: Box::new(dialect) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_of_openais_is_said_in_mistrals_words() {
        let body = json!({"model": "m", "seed": 7, "user": "u", "tool_choice": "required", "messages": [
            {"role": "assistant", "tool_calls": [{"id": "call_1"}]},
            {"role": "tool", "content": "x", "tool_call_id": "call_1"},
            {"role": "assistant", "content": "It is"}]});
        let Value::Object(body) = body else { panic!("no object") };
        let said = Value::Object(Mistral { safe_prompt: true }.said(body));
        let id = call_id("call_1");
        let expected = json!({"model": "m", "random_seed": 7, "metadata": {"user": "u"}, "tool_choice": "any",
            "safe_prompt": true, "messages": [
            {"role": "assistant", "tool_calls": [{"id": id}]},
            {"role": "tool", "content": "x", "tool_call_id": id},
            {"role": "assistant", "content": "It is", "prefix": true}]});
        assert_eq!(said, expected);
    }

    proptest! {
        #[test]
        fn names_of_calls_are_nine_letters_and_digits_and_stay_themselves(id in ".{0,40}") {
            let name = call_id(&id);
            prop_assert!(name.len() == CALL_ID_CHARS && name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            prop_assert_eq!(call_id(&name), name);
        }
    }
}
