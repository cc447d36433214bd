//! How Claude is asked to think; the same words hold with Anthropic and with Bedrock.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::ChatInput;
use serde_json::{Value, json};

use crate::failure::unsupported;

/// The vendor takes no smaller budget for thoughts.
const BUDGET_MIN: u32 = 1024;

/// What `reasoning_effort` becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// A share of `max_tokens`, as models before Claude 4.6 want it.
    Budget,
    /// An effort by which the model decides, as later models want it.
    Adaptive,
}

/// As an option of an entry.
pub(crate) const MODES: [(&str, Thinking); 2] = [("budget", Thinking::Budget), ("adaptive", Thinking::Adaptive)];

impl Thinking {
    /// What `thinking` and `output_config.effort` say.
    pub fn say(self, provider: &str, input: &ChatInput) -> Result<(Option<Value>, Option<&'static str>), Error> {
        let effort = match input.reasoning_effort.as_str() {
            "" => None,
            "none" => return Ok((Some(json!({"type": "disabled"})), None)),
            "minimal" | "low" => Some("low"),
            "medium" => Some("medium"),
            "high" => Some("high"),
            other => return Err(unsupported(provider, &format!("the reasoning effort {other:?}"))),
        };
        let budget = match (self, input.reasoning_tokens_max, effort) {
            (_, 0, None) => return Ok((None, None)),
            (Self::Adaptive, 0, effort) => return Ok((Some(json!({"type": "adaptive"})), effort)),
            (Self::Adaptive, _, _) => {
                return Err(unsupported(
                    provider,
                    "a limit on reasoning (reasoning_tokens_max) where it thinks adaptively",
                ));
            }
            (Self::Budget, 0, Some(effort)) => {
                // Thoughts count against `max_tokens`, so the effort is a share of it.
                let tenths = match effort {
                    "low" => 2,
                    "medium" => 5,
                    _ => 8,
                };
                (input.max_tokens / 10 * tenths).max(BUDGET_MIN)
            }
            (Self::Budget, limit, _) => limit,
        };
        if budget < BUDGET_MIN || budget >= input.max_tokens {
            let message = format!(
                "provider {provider} thinks within {BUDGET_MIN} tokens or more, and fewer than max_tokens; \
                 here are {budget} of {}: raise max_tokens or leave reasoning out",
                input.max_tokens
            );
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
        Ok((Some(json!({"type": "enabled", "budget_tokens": budget})), None))
    }
}
