//! What a call is likely to cost, what it can cost at most, and what it did cost. Prices are those of the time at which
//! the call was taken in, also where others have come to hold since.

use orrery_types::{Nanos, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Capability, Model, Price, amount};
use crate::request::RequestFacts;

/// Framing of one chat message or text, in tokens; chat templates in use need at most 8.
const FRAMING_TOKENS: u64 = 8;
/// English text has about four bytes to a token.
const BYTES_PER_TOKEN_LIKELY: u64 = 4;
/// Speech codecs go down to about 6 kbit/s, so a second of sound has at least this many bytes.
const AUDIO_BYTES_PER_SECOND_MIN: u64 = 500;
/// For estimates only: 16-bit mono at 16 kHz.
const AUDIO_BYTES_PER_SECOND_LIKELY: u64 = 32_000;
/// For estimates only: what an image of common size is read as.
const IMAGE_TOKENS_LIKELY: u64 = 1_000;

/// Quantities that a provider charges for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantities {
    /// Tokens read, all of them.
    pub input_tokens: u64,
    /// Of the tokens read: those that came from the provider's cache.
    pub cached_input_tokens: u64,
    /// Of the tokens read: those that the provider put into its cache.
    pub cache_write_tokens: u64,
    /// Tokens written in all choices, all of them.
    pub output_tokens: u64,
    /// Of the tokens written: reasoning.
    pub reasoning_tokens: u64,
    /// Pages or images read, unless they are charged as tokens.
    pub pages: u64,
    /// Images made.
    pub images: u64,
    /// Sound read.
    pub audio_ms: u64,
}

impl Quantities {
    /// What these cost with this model at this time. A part above its whole counts as the whole, so that a provider's
    /// slip of counting never makes a call cheaper or dearer than its tokens.
    pub fn cost(&self, model: &Model, at: UnixMillis) -> Nanos {
        self.at_price(&model.price.at(at))
    }

    fn at_price(&self, price: &Price) -> Nanos {
        let cached = self.cached_input_tokens.min(self.input_tokens);
        let written = self.cache_write_tokens.min(self.input_tokens - cached);
        let reasoning = self.reasoning_tokens.min(self.output_tokens);
        let parts = [
            amount(price.input_token, self.input_tokens - cached - written),
            amount(price.cached_input_token(), cached),
            amount(price.cache_write_token(), written),
            amount(price.output_token, self.output_tokens - reasoning),
            amount(price.reasoning_token(), reasoning),
            amount(price.page, self.pages),
            amount(price.image, self.images),
            amount(price.audio_second, self.audio_ms.div_ceil(1000)),
        ];
        let most = amount(u64::MAX, 1);
        parts.into_iter().fold(amount(price.request, 1), |sum, part| sum.checked_add(part).unwrap_or(most))
    }
}

/// Tokens that the caller gets at most from this model in one choice: what was asked for, within the model's limit.
pub fn output_tokens_max(facts: &RequestFacts, model: &Model) -> u64 {
    match (facts.capability, facts.size.output_tokens) {
        (Capability::Chat, 0) => model.limits.output_tokens,
        (Capability::Chat, wanted) => wanted.min(model.limits.output_tokens),
        _ => 0,
    }
}

/// The most that this call can use. A byte-level tokenizer never makes more tokens than there are bytes.
pub fn ceiling(facts: &RequestFacts, model: &Model) -> Quantities {
    quantities(facts, model, 1, AUDIO_BYTES_PER_SECOND_MIN, model.limits.pages, model.limits.image_tokens)
}

/// The most that this call can cost: a reservation of this much is never overrun by an honest provider. Which
/// tokens come from the provider's cache, go into it or are reasoning is not known before, so each counts as the dearest.
pub fn ceiling_cost(facts: &RequestFacts, model: &Model, at: UnixMillis) -> Nanos {
    ceiling(facts, model).at_price(&model.price.at(at).dearest())
}

/// What this call will probably use; for comparing candidates.
pub fn likely(facts: &RequestFacts, model: &Model) -> Quantities {
    let image_tokens = IMAGE_TOKENS_LIKELY.min(model.limits.image_tokens);
    quantities(facts, model, BYTES_PER_TOKEN_LIKELY, AUDIO_BYTES_PER_SECOND_LIKELY, 1, image_tokens)
}

/// What this call will probably cost.
pub fn likely_cost(facts: &RequestFacts, model: &Model, at: UnixMillis) -> Nanos {
    likely(facts, model).cost(model, at)
}

fn quantities(
    facts: &RequestFacts,
    model: &Model,
    token: u64,
    audio_second: u64,
    pages: u64,
    image_tokens: u64,
) -> Quantities {
    let size = &facts.size;
    let text = size.text_bytes.div_ceil(token).saturating_add(size.items.saturating_mul(FRAMING_TOKENS));
    let mut used = Quantities {
        input_tokens: text.saturating_add(size.images_read.saturating_mul(image_tokens)),
        output_tokens: output_tokens_max(facts, model).saturating_mul(size.choices.max(1)),
        // Charged as pages by some and as tokens by others; a model's prices say which.
        pages: size.images_read,
        images: size.images,
        ..Quantities::default()
    };
    match facts.media_type.as_deref() {
        Some(media) if media.starts_with("audio/") => {
            used.audio_ms = (size.blob_bytes / audio_second + 1).min(model.limits.audio_seconds).saturating_mul(1000);
        }
        Some(media) if media.starts_with("image/") && media != "image/tiff" => used.pages = 1,
        Some(_) => used.pages = pages,
        None => {}
    }
    used
}

/// What a stream that broke off has used, from what passed through: text in at the likely rate, out at one token per
/// piece but never fewer than its bytes suggest.
pub fn used_so_far(facts: &RequestFacts, model: &Model, pieces: u64, bytes: u64) -> Quantities {
    let likely = likely(facts, model);
    let output_tokens = pieces.max(bytes.div_ceil(BYTES_PER_TOKEN_LIKELY)).min(likely.output_tokens);
    Quantities { output_tokens, ..likely }
}
