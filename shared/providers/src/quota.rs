//! What a provider says is left of its rate limits, from the headers of its answers.

use std::time::Duration;

use orrery_types::UnixMillis;
use reqwest::header::HeaderMap;

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
        (self.requests == Some(0) || self.tokens == Some(0)).then(|| self.resets_in.unwrap_or(Duration::from_secs(1)))
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

/// Seconds or a date in `Retry-After`, or OpenAI's milliseconds, which are finer.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(ms) = text(headers, "retry-after-ms").and_then(|value| value.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let value = text(headers, "retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = jiff::fmt::rfc2822::parse(&value).ok()?.timestamp().as_millisecond();
    Some(UnixMillis(u64::try_from(at).ok()?).since(UnixMillis::now()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
    fn a_hint_is_seconds_milliseconds_or_a_date() {
        assert_eq!(retry_after(&headers(&[("retry-after", "7")])), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers(&[("retry-after-ms", "250")])), Some(Duration::from_millis(250)));
        assert_eq!(retry_after(&headers(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")])), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers(&[("retry-after", "never")])), None);
    }
}
