//! What is left of the rate limits, by Anthropic's headers: `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-
//! {remaining,reset}`, where a reset is a moment in RFC 3339.

use std::time::Duration;

use jiff::Timestamp;
use orrery_types::UnixMillis;
use reqwest::header::HeaderMap;

use crate::Quota;
use crate::quota::text;

const TOKENS: [&str; 3] = ["tokens", "input-tokens", "output-tokens"];

pub(super) fn read(headers: &HeaderMap) -> Option<Quota> {
    let of = |limit: &str, what: &str| text(headers, &format!("anthropic-ratelimit-{limit}-{what}"));
    let remaining = |limit: &str| of(limit, "remaining").and_then(|value| value.parse::<u64>().ok());
    let reset = |limit: &str| of(limit, "reset").and_then(|value| until(&value));
    let requests = remaining("requests");
    let tokens = TOKENS.into_iter().filter_map(remaining).min();
    let used_up = ["requests"].into_iter().chain(TOKENS).filter(|limit| remaining(limit) == Some(0));
    let resets_in = used_up.filter_map(reset).max();
    (requests.is_some() || tokens.is_some()).then_some(Quota { requests, tokens, resets_in })
}

fn until(moment: &str) -> Option<Duration> {
    let at = moment.parse::<Timestamp>().ok()?.as_millisecond();
    Some(UnixMillis(u64::try_from(at).ok()?).since(UnixMillis::now()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn quota(lines: &[(&'static str, &str)]) -> Option<Quota> {
        read(&lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn the_scarcest_kind_of_token_counts_and_a_moment_becomes_a_span() {
        let soon =
            Timestamp::from_millisecond(i64::try_from(UnixMillis::now().0).unwrap() + 30_000).unwrap().to_string();
        let used = quota(&[
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2099-01-01T00:00:00Z"),
            ("anthropic-ratelimit-tokens-remaining", "9000"),
            ("anthropic-ratelimit-output-tokens-remaining", "0"),
            ("anthropic-ratelimit-output-tokens-reset", &soon),
        ])
        .unwrap();
        assert_eq!((used.requests, used.tokens), (Some(49), Some(0)));
        let pause = used.pause().unwrap();
        assert!(pause > Duration::from_secs(20) && pause <= Duration::from_secs(30), "{pause:?}");
        assert_eq!(quota(&[("anthropic-ratelimit-tokens-remaining", "many")]), None);
        assert_eq!(until("yesterday"), None);
        assert_eq!(until("2001-01-01T00:00:00Z"), Some(Duration::ZERO));
    }
}
