//! One generation: prompt in, tokens out one at a time, until the model, a limit, a stop string or the caller ends it.

use std::ops::ControlFlow;

use super::super::ModelError;
use super::super::byte_level::Utf8Stream;
use super::SmolLm2;
use super::decoder::{Cache, PIECE_TOKENS_MAX};
use super::grammar::Grammar;
use super::sampling::{Choice, Sampler, SamplingParameters};
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
    /// What the text must look like; of [`SmolLm2::grammar`].
    pub grammar: Option<Grammar>,
    /// Tokens that are reported beside each chosen one.
    pub alternatives: usize,
}

impl GenerateRequest {
    /// The most probable text of up to `tokens_max` tokens.
    pub fn new(prompt: impl Into<String>, tokens_max: usize) -> Self {
        Self {
            prompt: prompt.into(),
            tokens_max,
            sampling: SamplingParameters::default(),
            stop: Vec::new(),
            grammar: None,
            alternatives: 0,
        }
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended its turn, the grammar is complete, or a stop string came up.
    Stop,
    /// `tokens_max` or the context is used up; a grammar may be incomplete then.
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
    /// Natural logarithm of the token's probability as the model gave it, before temperature, penalties and grammar.
    pub log_probability: f32,
    /// The most probable tokens with the same, best first.
    pub alternatives: Vec<(u32, f32)>,
    /// It ends the turn and stands for no text.
    pub ends_turn: bool,
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
    request: GenerateRequest,
    prompt: Vec<u32>,
    tokens_max: usize,
    cache: Cache,
    /// What follows the prompt; empty until it is read.
    prompt_scores: Vec<f32>,
    answer: Answer,
    /// Tokens of the answers before this one.
    earlier_tokens: usize,
}

/// What belongs to one of the answers to a prompt.
struct Answer {
    sampler: Sampler,
    grammar: Option<Grammar>,
    characters: Utf8Stream,
    scanner: StopScanner,
    /// Chosen last and not read yet.
    unread: Option<u32>,
    tokens: usize,
    finish: Option<FinishReason>,
}

impl Answer {
    fn new(request: &GenerateRequest, prompt: &[u32], seed: u64) -> Self {
        let sampling = SamplingParameters { seed, ..request.sampling.clone() };
        Self {
            sampler: Sampler::new(sampling, prompt, request.alternatives),
            grammar: request.grammar.clone(),
            characters: Utf8Stream::default(),
            scanner: StopScanner::new(request.stop.clone()),
            unread: None,
            tokens: 0,
            finish: None,
        }
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

impl std::fmt::Debug for Generation<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Generation")
            .field("usage", &self.usage())
            .field("finish", &self.answer.finish)
            .finish_non_exhaustive()
    }
}

impl SmolLm2 {
    /// Prepares a generation; the prompt is read with the first token.
    ///
    /// # Errors
    /// When a parameter is out of bounds or the prompt leaves no room in the context.
    pub fn start(&self, request: &GenerateRequest) -> Result<Generation<'_>, ModelError> {
        request.sampling.validate(self.decoder.vocabulary_size())?;
        if request.tokens_max == 0 {
            return Err(ModelError::InvalidInput("tokens_max must be at least 1".into()));
        }
        let prompt = self.tokenize(&request.prompt)?;
        let context = self.context_length();
        if prompt.is_empty() {
            return Err(ModelError::InvalidInput("the prompt is empty".into()));
        }
        if prompt.len() >= context {
            return Err(ModelError::ContextOverflow { prompt: prompt.len(), context });
        }
        let tokens_max = request.tokens_max.min(context - prompt.len());
        Ok(Generation {
            model: self,
            answer: Answer::new(request, &prompt, request.sampling.seed),
            cache: self.decoder.new_cache(prompt.len() + tokens_max)?,
            request: request.clone(),
            prompt,
            tokens_max,
            prompt_scores: Vec::new(),
            earlier_tokens: 0,
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
    /// Reads one piece of the prompt, a bounded amount of work; false once all is read.
    ///
    /// # Errors
    /// When libtorch fails; the generation is over then.
    pub fn read_prompt(&mut self) -> Result<bool, ModelError> {
        let rest = self.prompt.get(self.cache.length()..).unwrap_or_default();
        if rest.is_empty() || !self.prompt_scores.is_empty() {
            return Ok(false);
        }
        let piece = rest.get(..PIECE_TOKENS_MAX).unwrap_or(rest);
        let scores = self.model.decoder.forward(piece, &mut self.cache)?;
        if piece.len() == rest.len() {
            self.prompt_scores = scores;
        }
        Ok(piece.len() < rest.len())
    }

    /// Chooses the next token; none once the answer has ended. Reads what is left of the prompt first.
    ///
    /// # Errors
    /// When libtorch fails or the grammar's limits are reached; the generation is over then.
    pub fn next_token(&mut self) -> Result<Option<Token>, ModelError> {
        while self.read_prompt()? {}
        if self.answer.finish.is_some() {
            return Ok(None);
        }
        let scores = match self.answer.unread {
            Some(token) => self.model.decoder.forward(&[token], &mut self.cache)?,
            None => self.prompt_scores.clone(),
        };
        let allowed = self.answer.grammar.as_mut().map(Grammar::allowed).transpose()?;
        let Choice { token: id, log_probability, alternatives } = self.answer.sampler.choose(scores, allowed.as_ref());
        self.answer.tokens += 1;
        self.answer.unread = Some(id);
        let ends_turn = self.model.tokenizer.ends_turn(id);
        let text = self.accept(id, ends_turn)?;
        Ok(Some(Token { id, text, log_probability, alternatives, ends_turn }))
    }

    /// Begins another answer to the same prompt, which is not read again.
    pub fn again(&mut self, seed: u64) {
        self.earlier_tokens += self.answer.tokens;
        self.cache.truncate(self.prompt.len());
        self.answer = Answer::new(&self.request, &self.prompt, seed);
    }

    /// Why the answer ended; none while it goes on.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.answer.finish
    }

    /// Tokens of the prompt, and those chosen so far for all answers; an end-of-turn token counts as chosen.
    pub fn usage(&self) -> Usage {
        Usage { prompt_tokens: self.prompt.len(), completion_tokens: self.earlier_tokens + self.answer.tokens }
    }

    /// Tokens whose keys and values are held.
    pub fn cached_tokens(&self) -> usize {
        self.cache.length()
    }

    fn accept(&mut self, id: u32, ends_turn: bool) -> Result<String, ModelError> {
        let answer = &mut self.answer;
        if ends_turn {
            answer.finish = Some(FinishReason::Stop);
            return Ok(answer.flush(String::new()));
        }
        let complete = answer.grammar.as_mut().map_or(Ok(false), |grammar| grammar.accept(id))?;
        let piece = answer.characters.push(self.model.tokenizer.bytes(id));
        let text = match answer.scanner.push(&piece) {
            Scan::Stopped(text) => {
                answer.finish = Some(FinishReason::Stop);
                return Ok(text);
            }
            Scan::Clear(text) => text,
        };
        if complete || answer.tokens >= self.tokens_max {
            answer.finish = Some(if complete { FinishReason::Stop } else { FinishReason::Length });
            return Ok(answer.flush(text));
        }
        Ok(text)
    }
}
