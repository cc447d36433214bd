//! How sure an answer of a cascade is, read from what came with it. Never from another model.

use crate::catalogue::route::{Cascade, Signal};

/// How answers begin that refuse; lower case.
const REFUSALS: [&str; 14] = [
    "i'm sorry, but i can",
    "i am sorry, but i can",
    "i'm sorry, i can",
    "i can't help",
    "i cannot help",
    "i can't assist",
    "i cannot assist",
    "i cannot provide",
    "i can't provide",
    "i'm unable to",
    "i am unable to",
    "i don't know",
    "i do not know",
    "as an ai",
];

/// What came with an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Evidence<'a> {
    /// The answer.
    pub text: &'a str,
    /// It calls tools, so that it need not say anything.
    pub calls_tools: bool,
    /// It was told as a refusal by the provider itself.
    pub refused: bool,
    /// Mean logarithm of its tokens' probabilities, where the provider tells them.
    pub mean_logprob: Option<f64>,
    /// What the model itself says, 0 to 1, where it was asked.
    pub self_reported: Option<f64>,
    /// Whether it has the asked shape, where one was asked for.
    pub schema_valid: Option<bool>,
}

/// How sure an answer is.
#[derive(Debug, Clone, PartialEq)]
pub struct Confidence {
    /// 0 to 1.
    pub value: f64,
    /// What it was read from, in words.
    pub reason: String,
}

impl Confidence {
    /// Whether the answer is taken.
    pub fn suffices(&self, cascade: &Cascade, model: &str) -> bool {
        self.value >= cascade.threshold_of(model)
    }
}

/// The lowest of the signals that can be read. None that can be read is no confidence: the next stage is asked.
pub fn confidence(cascade: &Cascade, evidence: &Evidence<'_>) -> Confidence {
    let read = |signal: &Signal| {
        let (value, reason) = read(*signal, cascade, evidence)?;
        let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        Some(Confidence { value, reason: format!("{reason}: {value:.2}") })
    };
    let lowest = cascade.signals.iter().filter_map(read).min_by(|a, b| a.value.total_cmp(&b.value));
    lowest.unwrap_or_else(|| Confidence { value: 0.0, reason: "nothing to judge it by".to_owned() })
}

fn read(signal: Signal, cascade: &Cascade, evidence: &Evidence<'_>) -> Option<(f64, &'static str)> {
    let yes = |good: bool| f64::from(u8::from(good));
    match signal {
        // The geometric mean of the tokens' probabilities.
        Signal::Logprob => evidence.mean_logprob.map(|mean| (mean.exp(), "mean token probability")),
        Signal::SelfReported => evidence.self_reported.map(|said| (said, "what the model says itself")),
        Signal::Schema => evidence.schema_valid.map(|valid| (yes(valid), "keeps to the schema")),
        Signal::Refusal => Some((yes(!refuses(cascade, evidence)), "answers at all")),
    }
}

fn refuses(cascade: &Cascade, evidence: &Evidence<'_>) -> bool {
    let text = evidence.text.trim_start().replace('\u{2019}', "'").to_lowercase();
    let begins = |phrase: &str| text.starts_with(phrase);
    evidence.refused
        || (text.is_empty() && !evidence.calls_tools)
        || REFUSALS.iter().any(|phrase| begins(phrase))
        || cascade.refusals.iter().filter(|phrase| !phrase.is_empty()).any(|phrase| begins(&phrase.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_signal_that_can_be_read_counts() {
        let all = Cascade {
            signals: vec![Signal::Refusal, Signal::Schema, Signal::Logprob, Signal::SelfReported],
            refusals: vec!["Das kann ich nicht".into()],
            ..Cascade::default()
        };
        let only = |signal| Cascade { signals: vec![signal], ..Cascade::default() };
        let plain = Evidence { text: "Paris", ..Evidence::default() };
        let table = [
            ("an answer", &all, plain, 1.0),
            ("nothing", &all, Evidence { text: " \n", ..plain }, 0.0),
            ("a call of a tool says nothing", &all, Evidence { text: "", calls_tools: true, ..plain }, 1.0),
            ("a refusal", &all, Evidence { text: "I\u{2019}m sorry, but I can't do that.", ..plain }, 0.0),
            ("a refusal by the provider", &all, Evidence { refused: true, ..plain }, 0.0),
            ("a refusal of the route's own", &all, Evidence { text: "das kann ich nicht sagen", ..plain }, 0.0),
            ("a quoted one", &all, Evidence { text: "He said: as an AI", ..plain }, 1.0),
            ("the wrong shape", &all, Evidence { schema_valid: Some(false), mean_logprob: Some(0.0), ..plain }, 0.0),
            ("probable tokens", &all, Evidence { mean_logprob: Some(0.5f64.ln()), ..plain }, 0.5),
            ("what it says", &all, Evidence { self_reported: Some(0.3), mean_logprob: Some(-0.1), ..plain }, 0.3),
            ("what it says too boldly", &all, Evidence { self_reported: Some(7.0), ..plain }, 1.0),
            ("nonsense", &all, Evidence { mean_logprob: Some(f64::NAN), ..plain }, 0.0),
            ("nothing to judge by", &only(Signal::Logprob), plain, 0.0),
            (
                "only what was asked for",
                &only(Signal::Schema),
                Evidence { schema_valid: Some(true), refused: true, ..plain },
                1.0,
            ),
        ];
        for (what, cascade, evidence, expected) in table {
            let found = confidence(cascade, &evidence);
            assert!((found.value - expected).abs() < 1e-9, "{what}: {found:?}");
        }
    }

    #[test]
    fn each_stage_has_its_threshold() {
        let cascade = Cascade { threshold: 0.7, thresholds: [("mid".into(), 0.4)].into(), ..Cascade::default() };
        let half = Confidence { value: 0.5, reason: String::new() };
        assert!(!half.suffices(&cascade, "cheap") && half.suffices(&cascade, "mid"));
    }
}
