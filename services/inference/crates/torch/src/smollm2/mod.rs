//! SmolLM2, a Llama-shaped decoder, from a GGUF file: weights, tokenizer and chat template all come from that file.
//!
//! Owns text generation of one model. Never decides anything about a caller: deadlines and queues are outside; a
//! caller stops a generation by returning [`std::ops::ControlFlow::Break`].

mod attention;
mod blocks;
mod chat;
mod decoder;
mod generate;
mod gguf;
mod grammar;
mod projection;
mod sampling;
mod stop;
mod tokenizer;
mod tools;

use std::path::Path;

use llguidance::toktrie::TokTrie;
use tch::Device;

pub use chat::ChatMessage;
pub use generate::{FinishReason, GenerateRequest, Generated, Generation, Token, Usage};
pub use grammar::{AnswerForm, Grammar, Otherwise};
pub use sampling::SamplingParameters;
pub use tools::{AnswerPart, AnswerReader, Tool, ToolCall, calls_text, result_text, tools_text};

use self::chat::ChatTemplate;
use self::decoder::Decoder;
use self::gguf::Gguf;
use self::grammar::Grammars;
use self::tokenizer::TextTokenizer;
use super::ModelError;
use super::device::without_gradients;

/// A loaded model. Each generation has its own cache.
pub struct SmolLm2 {
    decoder: Decoder,
    tokenizer: TextTokenizer,
    template: ChatTemplate,
    grammars: Grammars,
}

impl std::fmt::Debug for SmolLm2 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SmolLm2").field("context", &self.context_length()).finish_non_exhaustive()
    }
}

impl SmolLm2 {
    /// Loads the model out of one GGUF file.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, or holds another architecture.
    pub fn load(gguf: &Path, device: Device) -> Result<Self, ModelError> {
        let file = Gguf::open(gguf)?;
        let tokenizer = TextTokenizer::from_gguf(&file)?;
        let template = ChatTemplate::from_gguf(&file)?;
        let decoder = without_gradients(|| Decoder::load(&file, device))?;
        if tokenizer.vocabulary_size() != decoder.vocabulary_size() {
            return Err(ModelError::corrupt(
                gguf,
                format!(
                    "the tokenizer has {} tokens and the embedding {}",
                    tokenizer.vocabulary_size(),
                    decoder.vocabulary_size()
                ),
            ));
        }
        let grammars = Grammars::new(&tokenizer.marked_tokens(TokTrie::SPECIAL_TOKEN_MARKER), &tokenizer.ends())?;
        Ok(Self { decoder, tokenizer, template, grammars })
    }

    /// Most tokens that prompt and answer may have together.
    pub fn context_length(&self) -> usize {
        self.decoder.context_length()
    }

    /// Writes a conversation in the model's own chat format, ready for the assistant's turn.
    ///
    /// # Errors
    /// When the template of the file refuses the messages.
    pub fn chat_prompt(&self, messages: &[ChatMessage]) -> Result<String, ModelError> {
        self.template.render(messages)
    }

    /// Makes a form of answers ready for one generation.
    ///
    /// # Errors
    /// [`ModelError::Schema`] naming what cannot be enforced and why.
    pub fn grammar(&self, form: &AnswerForm) -> Result<Grammar, ModelError> {
        self.grammars.compile(form)
    }

    /// The bytes that a token adds to a text; none for a control token.
    pub fn token_bytes(&self, token: u32) -> &[u8] {
        self.tokenizer.bytes(token)
    }

    /// Token ids of a prompt; control tokens in it (`<|im_start|>`) are recognised.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn tokenize(&self, prompt: &str) -> Result<Vec<u32>, ModelError> {
        self.tokenizer.encode(prompt)
    }

    /// The unnormalised scores of the token that follows `tokens`.
    ///
    /// # Errors
    /// When `tokens` is empty or longer than the context.
    pub fn next_token_logits(&self, tokens: &[u32]) -> Result<Vec<f32>, ModelError> {
        let mut cache = self.decoder.new_cache(tokens.len())?;
        self.decoder.forward(tokens, &mut cache)
    }
}
