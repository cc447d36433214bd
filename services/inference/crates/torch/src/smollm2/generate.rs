//! One generation: prompt in, tokens out one at a time, until the model, a limit, a stop string or the caller ends it.

use std::ops::ControlFlow;

use super::super::ModelError;
use super::super::byte_level::Utf8Stream;
use super::SmolLm2;
use super::decoder::Cache;
use super::sampling::{Sampler, SamplingParameters};
use super::stop::{Scan, StopScanner};

/// What to write and within which limits.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    pub prompt: String,
    /// Most tokens to write; at least 1.
    pub tokens_max: usize,
    pub sampling: SamplingParameters,
    /// The text ends before the first of these.
    pub stop: Vec<String>,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn or a stop string came up.
    Stop,
    /// `tokens_max` or the context is used up.
    Length,
    /// The caller broke off.
    Cancelled,
}

/// One chosen token.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub id: u32,
    /// Text that is complete and final with this token; empty while a character or a stop string may be half done.
    pub text: String,
    /// Natural logarithm of the token's probability.
    pub log_probability: f32,
}

/// Token counts of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
}

/// A finished generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    pub text: String,
    pub finish: FinishReason,
    pub usage: Usage,
}

/// A generation under way. Each call of [`Generation::next_token`] is one step of the model, so a caller can take
/// turns between several generations.
pub struct Generation<'a> {
    model: &'a SmolLm2,
    cache: Cache,
    sampler: Sampler,
    characters: Utf8Stream,
    scanner: StopScanner,
    /// Tokens that the model has not read yet: the prompt at first, then the token chosen last.
    unread: Vec<u32>,
    tokens_max: usize,
    usage: Usage,
    finish: Option<FinishReason>,
}

impl std::fmt::Debug for Generation<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Generation")
            .field("usage", &self.usage)
            .field("finish", &self.finish)
            .finish_non_exhaustive()
    }
}

impl SmolLm2 {
    /// Prepares a generation; the prompt is read with the first token.
    ///
    /// # Errors
    /// When a parameter is out of bounds or the prompt leaves no room in the context.
    pub fn start(&self, request: &GenerateRequest) -> Result<Generation<'_>, ModelError> {
        request.sampling.validate()?;
        if request.tokens_max == 0 {
            return Err(ModelError::InvalidInput("tokens_max must be at least 1".into()));
        }
        let prompt = self.tokenize(&request.prompt)?;
        let context = self.context_length();
        if prompt.len() >= context {
            return Err(ModelError::TooLong { actual: prompt.len(), limit: context - 1 });
        }
        let tokens_max = request.tokens_max.min(context - prompt.len());
        Ok(Generation {
            model: self,
            cache: self.decoder.new_cache(prompt.len() + tokens_max)?,
            sampler: Sampler::new(request.sampling.clone(), &prompt),
            characters: Utf8Stream::default(),
            scanner: StopScanner::new(request.stop.clone()),
            tokens_max,
            usage: Usage { prompt_tokens: prompt.len(), completion_tokens: 0 },
            unread: prompt,
            finish: None,
        })
    }

    /// Writes text and hands each token to `on_token`, which ends the generation by breaking.
    ///
    /// # Errors
    /// As [`SmolLm2::start`], and when libtorch fails.
    pub fn generate(
        &self,
        request: &GenerateRequest,
        mut on_token: impl FnMut(&Token) -> ControlFlow<()>,
    ) -> Result<Generated, ModelError> {
        let mut generation = self.start(request)?;
        let mut text = String::new();
        let mut cancelled = false;
        while let Some(token) = generation.next_token()? {
            text.push_str(&token.text);
            if on_token(&token).is_break() {
                cancelled = true;
                break;
            }
        }
        let finish = match generation.finish_reason() {
            Some(reason) if !cancelled => reason,
            _ => FinishReason::Cancelled,
        };
        Ok(Generated { text, finish, usage: generation.usage() })
    }
}

impl Generation<'_> {
    /// Chooses the next token; none once the generation has ended.
    ///
    /// # Errors
    /// When libtorch fails; the generation is over then.
    pub fn next_token(&mut self) -> Result<Option<Token>, ModelError> {
        if self.finish.is_some() {
            return Ok(None);
        }
        let scores = self.model.decoder.forward(&self.unread, &mut self.cache)?;
        let (id, log_probability) = self.sampler.choose(scores);
        self.usage.completion_tokens += 1;
        self.unread = vec![id];
        let text = self.accept(id);
        Ok(Some(Token { id, text, log_probability }))
    }

    /// Why the generation ended; none while it goes on.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finish
    }

    /// Tokens read and chosen so far; an end-of-turn token counts as chosen.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Tokens whose keys and values are held.
    pub fn cached_tokens(&self) -> usize {
        self.cache.length()
    }

    fn accept(&mut self, id: u32) -> String {
        if self.model.tokenizer.ends_turn(id) {
            self.finish = Some(FinishReason::Stop);
            return self.flush(String::new());
        }
        let piece = self.characters.push(self.model.tokenizer.bytes(id));
        let text = match self.scanner.push(&piece) {
            Scan::Stopped(text) => {
                self.finish = Some(FinishReason::Stop);
                return text;
            }
            Scan::Clear(text) => text,
        };
        if self.usage.completion_tokens >= self.tokens_max {
            self.finish = Some(FinishReason::Length);
            return self.flush(text);
        }
        text
    }

    /// Gives out what was held back for characters or stop strings that now cannot be completed.
    fn flush(&mut self, mut text: String) -> String {
        let rest = self.characters.finish();
        match self.scanner.push(&rest) {
            Scan::Stopped(before) => text.push_str(&before),
            Scan::Clear(clear) => {
                text.push_str(&clear);
                text.push_str(&self.scanner.finish());
            }
        }
        text
    }
}
