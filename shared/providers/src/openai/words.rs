//! In what the servers that speak OpenAI's interface differ, as far as it is not code.

use super::audio::Transcripts;
use super::image::ImageWords;

/// How the limit on output is called: `max_tokens` on most servers, `max_completion_tokens` at OpenAI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LimitField {
    #[default]
    MaxTokens,
    MaxCompletionTokens,
}

/// Under which name an assistant's earlier thoughts are sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thoughts {
    ReasoningContent,
    Reasoning,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Chat,
    Raw,
    Embed,
    Rerank,
    Transcribe,
    Translate,
    Moderate,
    Image,
}

impl Offer {
    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Raw => "a prompt to be continued (raw)",
            Self::Embed => "embeddings",
            Self::Rerank => "reranking",
            Self::Transcribe => "transcription",
            Self::Translate => "translation of speech",
            Self::Moderate => "moderation",
            Self::Image => "images",
        }
    }
}

/// How one server differs from another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    /// What it does.
    pub offers: Vec<Offer>,
    pub limit: LimitField,
    /// Sent with every request.
    pub headers: Vec<(&'static str, String)>,
    /// Header for our name of a call, by which bills can be compared.
    pub call_header: Option<&'static str>,
    /// `stream_options.include_usage` is taken.
    pub stream_usage: bool,
    pub top_k: bool,
    /// `logit_bias` and `logprobs` are taken.
    pub token_choice: bool,
    /// `name` of a message is taken.
    pub speakers: bool,
    pub thoughts: Option<Thoughts>,
    /// Sound is a text, not an object with its format.
    pub bare_audio: bool,
    /// Documents are named by address, `data:` included.
    pub document_urls: bool,
    /// Embeddings are asked for in base64.
    pub base64: bool,
    /// How the length of embeddings is called.
    pub dimensions: &'static str,
    /// Put before texts of `input_type` `query`, and `document`.
    pub prefixes: [String; 2],
    pub transcripts: Transcripts,
    pub images: ImageWords,
}
