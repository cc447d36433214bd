//! What a provider says is left of its rate limits, from the headers of its answers.

use std::time::Duration;

use orrery_types::UnixMillis;
use reqwest::header::HeaderMap;

/// No hint is believed beyond this: a date of a wrong clock must not close a provider for ever.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

/// What is left until the limits are reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// When what is used up comes back.
    pub resets_in: Option<Duration>,
}

impl Quota {
    /// How long to keep away, when something is used up.
    pub fn pause(&self) -> Option<Duration> {
        let used_up = self.requests == Some(0) || self.tokens == Some(0);
        used_up.then(|| self.resets_in.unwrap_or(Duration::from_secs(1)).min(WAIT_MAX))
    }

    /// From headers with this beginning, in OpenAI's naming (`x-ratelimit-`): `…remaining-requests`, `…reset-tokens`.
    pub(crate) fn openai(headers: &HeaderMap) -> Option<Self> {
        let of = |what: &str| text(headers, &format!("x-ratelimit-{what}"));
        let requests = of("remaining-requests").and_then(|value| value.parse().ok());
        let tokens = of("remaining-tokens").and_then(|value| value.parse().ok());
        let reset = |used_up: bool, what: &str| used_up.then(|| of(what).and_then(|value| span(&value))).flatten();
        let resets_in = reset(requests == Some(0), "reset-requests").max(reset(tokens == Some(0), "reset-tokens"));
        (requests.is_some() || tokens.is_some()).then_some(Self { requests, tokens, resets_in })
    }

    /// Mistral's: a window of a minute for requests and tokens, one of a month for tokens; its gateways for some plans say
    /// `ratelimitbysize` for tokens. Only the last of these tells when the window ends.
    pub(crate) fn mistral(headers: &HeaderMap) -> Option<Self> {
        let count = |name: &str| text(headers, name).and_then(|value| value.parse::<u64>().ok());
        let requests = count("x-ratelimit-remaining-req-minute");
        let tokens = [
            "x-ratelimit-remaining-tokens-minute",
            "x-ratelimit-remaining-tokens-month",
            "x-ratelimitbysize-remaining-minute",
            "ratelimitbysize-remaining",
        ];
        let tokens = tokens.into_iter().filter_map(count).min();
        let used_up = requests == Some(0) || tokens == Some(0);
        let window = text(headers, "ratelimitbysize-reset").and_then(|value| span(&value)).unwrap_or(MINUTE);
        let resets_in = used_up.then_some(window);
        (requests.is_some() || tokens.is_some()).then_some(Self { requests, tokens, resets_in })
    }
}

/// A header's text.
pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned())
}

/// A span of time as Go writes it: `1s`, `6m0s`, `12ms`, `1h2m3.5s`; or plain seconds.
pub(crate) fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|it: char| it.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?)?;
        rest = tail;
    }
    Some(total)
}

/// Seconds or a date in `Retry-After`, or OpenAI's milliseconds, which are finer; a day at most.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = |value: f64| Duration::try_from_secs_f64(value).ok().map(|wait| wait.min(WAIT_MAX));
    if let Some(wait) = text(headers, "retry-after-ms").and_then(|value| seconds(value.parse::<f64>().ok()? / 1000.0)) {
        return Some(wait);
    }
    let value = text(headers, "retry-after")?;
    if let Ok(value) = value.parse::<f64>() {
        return seconds(value);
    }
    let at = jiff::fmt::rfc2822::parse(&value).ok()?.timestamp().as_millisecond();
    Some(UnixMillis(u64::try_from(at).ok()?).since(UnixMillis::now()).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn spans_read_as_vendors_write_them() {
        let cases =
            [("1s", 1000), ("6m0s", 360_000), ("12ms", 12), ("1h2m3.5s", 3_723_500), ("0.25", 250), ("30", 30_000)];
        for (text, ms) in cases {
            assert_eq!(span(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["soon", "1x", "s", "1e999", "-1"] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn a_pause_is_asked_for_only_when_something_is_used_up() {
        let left = headers(&[("x-ratelimit-remaining-requests", "3"), ("x-ratelimit-reset-requests", "9s")]);
        assert_eq!(Quota::openai(&left).unwrap().pause(), None);
        let used = headers(&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")]);
        assert_eq!(Quota::openai(&used).unwrap().pause(), Some(Duration::from_secs(360)));
        assert_eq!(Quota::openai(&headers(&[])), None);
    }

    #[test]
    fn mistrals_limits_are_read_in_its_own_words() {
        let left = [("x-ratelimit-remaining-req-minute", "4"), ("x-ratelimit-remaining-tokens-minute", "900")];
        let expected = Quota { requests: Some(4), tokens: Some(900), resets_in: None };
        assert_eq!(Quota::mistral(&headers(&left)), Some(expected));
        let used = headers(&[("x-ratelimit-remaining-req-minute", "0")]);
        assert_eq!(Quota::mistral(&used).unwrap().pause(), Some(MINUTE));
        let used = headers(&[("ratelimitbysize-remaining", "0"), ("ratelimitbysize-reset", "28")]);
        assert_eq!(Quota::mistral(&used).unwrap().pause(), Some(Duration::from_secs(28)));
        assert_eq!(Quota::mistral(&headers(&[])), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_wait_without_end(value in "[ -~]{0,24}|[0-9.e+-]{1,12}(h|m|s|ms|us|ns)?") {
            let names = ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "retry-after",
                "retry-after-ms", "ratelimitbysize-reset", "x-ratelimit-remaining-req-minute"];
            for zero in [false, true] {
                let mut all = HeaderMap::new();
                for name in names {
                    let text = if zero && name.contains("remaining") { "0" } else { &value };
                    all.insert(name, text.parse().unwrap());
                }
                for quota in [Quota::openai(&all), Quota::mistral(&all)].into_iter().flatten() {
                    prop_assert!(quota.pause().is_none_or(|pause| pause <= WAIT_MAX));
                }
                prop_assert!(retry_after(&all).is_none_or(|wait| wait <= WAIT_MAX));
            }
        }
    }

    #[test]
    fn a_hint_is_seconds_milliseconds_or_a_date() {
        assert_eq!(retry_after(&headers(&[("retry-after", "7")])), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers(&[("retry-after-ms", "250")])), Some(Duration::from_millis(250)));
        assert_eq!(retry_after(&headers(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")])), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers(&[("retry-after", "never")])), None);
    }
}
