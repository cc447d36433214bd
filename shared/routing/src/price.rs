//! What a call is likely to cost, what it can cost at most, and what it did cost.

use orrery_types::Nanos;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Capability, Model, amount};
use crate::request::RequestFacts;

/// Framing of one chat message or text, in tokens; chat templates in use need at most 8.
const FRAMING_TOKENS: u64 = 8;
/// English text has about four bytes to a token.
const BYTES_PER_TOKEN_LIKELY: u64 = 4;
/// Speech codecs go down to about 6 kbit/s, so a second of sound has at least this many bytes.
const AUDIO_BYTES_PER_SECOND_MIN: u64 = 500;
/// For estimates only: 16-bit mono at 16 kHz.
const AUDIO_BYTES_PER_SECOND_LIKELY: u64 = 32_000;

/// Quantities that a provider charges for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantities {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Pages or images read.
    pub pages: u64,
    /// Sound read.
    pub audio_ms: u64,
}

impl Quantities {
    /// What these cost with this model.
    pub fn cost(&self, model: &Model) -> Nanos {
        let price = &model.price;
        let parts = [
            amount(price.input_token, self.input_tokens),
            amount(price.output_token, self.output_tokens),
            amount(price.page, self.pages),
            amount(price.audio_second, self.audio_ms.div_ceil(1000)),
        ];
        parts.into_iter().fold(amount(price.request, 1), |sum, part| sum.checked_add(part).unwrap_or(sum.max(part)))
    }
}

/// Tokens that the caller gets at most from this model: what was asked for, within the model's limit.
pub fn output_tokens_max(facts: &RequestFacts, model: &Model) -> u64 {
    match (facts.capability, facts.size.output_tokens) {
        (Capability::Chat, 0) => model.limits.output_tokens,
        (Capability::Chat, wanted) => wanted.min(model.limits.output_tokens),
        _ => 0,
    }
}

/// The most that this call can use. A byte-level tokenizer never makes more tokens than there are bytes, so a
/// reservation of this much is never overrun by an honest provider.
pub fn ceiling(facts: &RequestFacts, model: &Model) -> Quantities {
    quantities(facts, model, 1, AUDIO_BYTES_PER_SECOND_MIN, model.limits.pages)
}

/// What this call will probably use; for comparing candidates.
pub fn likely(facts: &RequestFacts, model: &Model) -> Quantities {
    quantities(facts, model, BYTES_PER_TOKEN_LIKELY, AUDIO_BYTES_PER_SECOND_LIKELY, 1)
}

fn quantities(facts: &RequestFacts, model: &Model, token: u64, audio_second: u64, pages: u64) -> Quantities {
    let size = &facts.size;
    let input_tokens = size.text_bytes.div_ceil(token) + size.items * FRAMING_TOKENS;
    let mut used = Quantities { input_tokens, output_tokens: output_tokens_max(facts, model), pages: 0, audio_ms: 0 };
    match facts.media_type.as_deref() {
        Some(media) if media.starts_with("audio/") => {
            used.audio_ms = (size.blob_bytes / audio_second + 1).min(model.limits.audio_seconds) * 1000;
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
    let output_tokens = pieces.max(bytes.div_ceil(BYTES_PER_TOKEN_LIKELY)).min(output_tokens_max(facts, model));
    Quantities { output_tokens, ..likely(facts, model) }
}
