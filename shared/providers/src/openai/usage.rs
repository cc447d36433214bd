//! What was used, as servers of OpenAI's interface count it.

use orrery_proto::v1::Usage;
use serde::Deserialize;

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(crate) struct UsageBody {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    /// Images and speech say it so.
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    /// Rerankers count nothing else.
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
    /// Of speech: OpenAI's, and Mistral's.
    seconds: Option<f64>,
    prompt_audio_seconds: Option<f64>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Option<u64>,
    /// OpenRouter's.
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl UsageBody {
    /// Length of what was heard, where it is told.
    pub fn audio_ms(&self) -> Option<u64> {
        self.seconds.or(self.prompt_audio_seconds).map(millis)
    }
}

/// Seconds as milliseconds; what is no time is none.
pub(crate) fn millis(seconds: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(seconds)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl From<UsageBody> for Usage {
    fn from(body: UsageBody) -> Self {
        let output_tokens = body.completion_tokens.or(body.output_tokens).unwrap_or_default();
        let input_tokens = body.prompt_tokens.or(body.input_tokens).or(body.total_tokens).unwrap_or_default();
        let (prompt, completion) =
            (body.prompt_tokens_details.unwrap_or_default(), body.completion_tokens_details.unwrap_or_default());
        Self {
            input_tokens,
            output_tokens,
            audio_ms: body.audio_ms().unwrap_or_default(),
            cached_input_tokens: prompt.cached_tokens.or(body.prompt_cache_hit_tokens).unwrap_or_default(),
            cache_write_tokens: prompt.cache_write_tokens.unwrap_or_default(),
            reasoning_tokens: completion.reasoning_tokens.unwrap_or_default(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_way_of_counting_is_read() {
        let table = [
            (
                json!({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 1}}),
                [9, 2, 4, 1, 0],
            ),
            (json!({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 3}), [9, 2, 3, 0, 0]),
            (json!({"prompt_tokens": 9, "completion_tokens": null, "prompt_tokens_details": null}), [9, 0, 0, 0, 0]),
            (json!({"type": "tokens", "input_tokens": 5, "output_tokens": 6}), [5, 6, 0, 0, 0]),
            (json!({"total_tokens": 8}), [8, 0, 0, 0, 0]),
            (json!({"type": "duration", "seconds": 1.25}), [0, 0, 0, 0, 1250]),
            (json!({"prompt_audio_seconds": 7, "prompt_tokens": 4}), [4, 0, 0, 0, 7000]),
            (json!({"seconds": -1}), [0, 0, 0, 0, 0]),
        ];
        for (body, expected) in table {
            let read = |body: &Value| serde_json::from_value::<UsageBody>(body.clone()).unwrap();
            let usage = Usage::from(read(&body));
            let got = [
                usage.input_tokens,
                usage.output_tokens,
                usage.cached_input_tokens,
                usage.reasoning_tokens,
                usage.audio_ms,
            ];
            assert_eq!(got, expected, "{body}");
        }
    }
}
