//! OpenAI's HTTP interface, as OpenAI, vLLM, Ollama, llama.cpp, OpenRouter, Groq, DeepSeek and others offer it.
//!
//! Chat with tools, images, sound, documents, formats, choices and probabilities; prompts that are continued
//! (`completions`); embeddings; transcription and translation of speech; moderation; images made, edited and varied; and,
//! where the option says so, reranking.
//!
//! Options of its entry:
//!
//! - `organization`, `project`: sent as headers.
//! - `max_tokens`: how the limit on output is called, `max_completion_tokens` (the default at OpenAI itself) or
//!   `max_tokens` (elsewhere).
//! - `stream_usage`: `no` for servers that refuse `stream_options`; usage of streams is estimated then.
//! - `embeddings`: `base64` (the default at OpenAI itself) or `float` (elsewhere), how they are asked for.
//! - `query_prefix`, `document_prefix`: put before texts to be embedded whose `input_type` is `query`, or `document`, as
//!   models like E5 and Nomic want it. Without them the type is not told: OpenAI's models treat all texts alike.
//! - `rerank`: `yes` where the server has `/rerank` (vLLM, Jina, llama.cpp).
//! - `transcripts`: `segments` (`verbose_json`) or `text` (`json`); by default as OpenAI's models by that name want it.
//! - `images`: `gpt-image` or `dall-e`, the words of which generation are spoken; by default told from the model's name.
//! - `thoughts`: `reasoning_content` or `reasoning`, the name under which an assistant's earlier thoughts are sent back.
//!   Without it they are not, as vendors ask for.
//!
//! Refused by name: `top_k` at OpenAI itself, `reasoning_tokens_max`, sound and documents by address, anything but text in
//! a prompt to be continued, a schema of what is read, what a generation of image models does not know.

mod audio;
mod chat_events;
mod chat_reply;
mod chat_request;
mod completions;
mod embed;
mod image;
mod message;
mod moderate;
mod rerank;
mod server;
mod usage;
mod words;

use std::sync::Arc;

use orrery_routing::catalogue::Provider as Entry;

use crate::options::{one_of, only, text, yes};
use crate::payloads::Payloads;
use crate::upstream::Upstream;
use crate::{Provider, Quota, Setup, SetupError};

pub(crate) use audio::Transcripts;
pub(crate) use chat_request::ChatRequest;
pub(crate) use image::ImageWords;
pub(crate) use server::{Dialect, Server, written};
pub(crate) use words::{LimitField, Offer, Thoughts, Words};

/// What OpenAI itself is reached at, and those who relay to it: the part of the base that tells.
const OWN_HOST: &str = "https://api.openai.com";
/// Its own name for a call, by which its bills can be compared.
const CALL_HEADER: &str = "x-client-request-id";
const OPTIONS: &[&str] = &[
    "organization",
    "project",
    "max_tokens",
    "stream_usage",
    "embeddings",
    "query_prefix",
    "document_prefix",
    "rerank",
    "transcripts",
    "images",
    "thoughts",
];

/// OpenAI's own interface: nothing differs.
#[derive(Debug)]
struct Plain;

impl Dialect for Plain {}

/// Makes a provider of kind `openai`.
pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
    only(entry, OPTIONS)?;
    let upstream = Upstream::new(entry, None, Quota::openai)?;
    let own = upstream.base_url.starts_with(OWN_HOST);
    let header = |option, name| text(entry, option).map(|value| (name, value));
    let headers = [header("organization", "openai-organization"), header("project", "openai-project")];
    let mut offers =
        vec![Offer::Chat, Offer::Raw, Offer::Embed, Offer::Transcribe, Offer::Translate, Offer::Moderate, Offer::Image];
    if yes(entry, "rerank")? == Some(true) {
        offers.push(Offer::Rerank);
    }
    let thoughts = [("reasoning_content", Thoughts::ReasoningContent), ("reasoning", Thoughts::Reasoning)];
    let words = Words {
        offers,
        limit: limit(entry, own)?,
        headers: headers.into_iter().flatten().collect(),
        call_header: Some(CALL_HEADER),
        stream_usage: yes(entry, "stream_usage")?.unwrap_or(true),
        top_k: !own,
        token_choice: true,
        speakers: true,
        thoughts: one_of(entry, "thoughts", &thoughts)?,
        base64: one_of(entry, "embeddings", &[("base64", true), ("float", false)])?.unwrap_or(own),
        dimensions: "dimensions",
        prefixes: prefixes(entry),
        transcripts: transcripts(entry)?,
        images: images(entry)?,
        ..Words::default()
    };
    let payloads = Payloads::new(setup.bus.clone());
    let key = setup.api_key(entry)?;
    Ok(Arc::new(Server { upstream, payloads, key, words, dialect: Box::new(Plain) }))
}

/// The option `max_tokens`.
pub(crate) fn limit(entry: &Entry, newer: bool) -> Result<LimitField, SetupError> {
    let fields = [("max_tokens", LimitField::MaxTokens), ("max_completion_tokens", LimitField::MaxCompletionTokens)];
    let usual = if newer { LimitField::MaxCompletionTokens } else { LimitField::MaxTokens };
    Ok(one_of(entry, "max_tokens", &fields)?.unwrap_or(usual))
}

/// The options `query_prefix` and `document_prefix`.
pub(crate) fn prefixes(entry: &Entry) -> [String; 2] {
    ["query_prefix", "document_prefix"].map(|name| text(entry, name).unwrap_or_default())
}

/// The option `transcripts`.
pub(crate) fn transcripts(entry: &Entry) -> Result<Transcripts, SetupError> {
    let ways = [("segments", Transcripts::Segments), ("text", Transcripts::Text)];
    Ok(one_of(entry, "transcripts", &ways)?.unwrap_or_default())
}

/// The option `images`.
pub(crate) fn images(entry: &Entry) -> Result<ImageWords, SetupError> {
    let generations = [("gpt-image", ImageWords::Gpt), ("dall-e", ImageWords::DallE)];
    Ok(one_of(entry, "images", &generations)?.unwrap_or_default())
}

/// A text as it is, cut off, and with bytes replaced: what a parser must stand.
#[cfg(test)]
pub(crate) fn mangled(text: &'static str) -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let bytes = text.as_bytes().to_vec();
    let swap = (0..bytes.len(), prop_oneof![any::<u8>(), prop::sample::select(b"\"{}[]:,0-9en".to_vec())]);
    (proptest::collection::vec(swap, 0..4), 0..=bytes.len(), any::<bool>()).prop_map(move |(swaps, end, cut)| {
        let mut bytes = bytes.clone();
        for (at, byte) in swaps {
            bytes.iter_mut().skip(at).take(1).for_each(|it| *it = byte);
        }
        if cut {
            bytes.truncate(end);
        }
        bytes
    })
}
