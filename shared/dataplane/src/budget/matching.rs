//! Which accounts a call is charged to.

use orrery_proto::v1::{Account, Caller, Limit};
use orrery_routing::period::Period;
use orrery_types::UnixMillis;

use super::Amounts;

/// One limit that a call meets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Met {
    pub account: Account,
    /// What the call may use of it.
    pub need: u64,
    pub metric: Metric,
    pub soft: bool,
    pub open: bool,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Cost,
    Tokens,
    Requests,
}

impl Metric {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "cost" => Some(Self::Cost),
            "tokens" => Some(Self::Tokens),
            "requests" => Some(Self::Requests),
            _ => None,
        }
    }

    pub fn of(self, amounts: &Amounts) -> u64 {
        match self {
            Self::Cost => amounts.cost_nanos,
            Self::Tokens => amounts.tokens,
            Self::Requests => amounts.requests,
        }
    }
}

/// The limits that a call to `model` meets. One whose words this process does not know is left to the router, which
/// refuses to set such a limit.
pub(super) fn met(limits: &[Limit], caller: &Caller, model: &str, amounts: &Amounts, now: UnixMillis) -> Vec<Met> {
    limits.iter().filter_map(|limit| meets(limit, caller, model, amounts, now)).collect()
}

fn meets(limit: &Limit, caller: &Caller, model: &str, amounts: &Amounts, now: UnixMillis) -> Option<Met> {
    let subject = match limit.scope.as_str() {
        "tenant" => "",
        "team" => &caller.team,
        "user" => &caller.principal,
        "key" => &caller.key_id,
        _ => return None,
    };
    // Work that no key began has no account per key, and one without a team none per team.
    if limit.scope != "tenant" && (subject.is_empty() || !(limit.subject.is_empty() || limit.subject == subject)) {
        return None;
    }
    let per_model = limit.model == "*";
    if !(limit.model.is_empty() || per_model || limit.model == model) {
        return None;
    }
    let metric = Metric::parse(&limit.metric)?;
    let (start, _) = Period::parse(&limit.window)?.window(now);
    let account = Account {
        tenant: caller.tenant.clone(),
        limit_id: limit.id.clone(),
        subject: if limit.subject.is_empty() { subject.to_owned() } else { String::new() },
        model: if per_model { model.to_owned() } else { String::new() },
        window_start_ms: start.0,
    };
    let open = limit.when_unavailable == "open";
    Some(Met { account, need: metric.of(amounts), metric, soft: limit.soft, open })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(scope: &str, subject: &str, model: &str) -> Limit {
        Limit {
            id: "l".into(),
            scope: scope.into(),
            subject: subject.into(),
            model: model.into(),
            metric: "tokens".into(),
            window: "hour".into(),
            ..Limit::default()
        }
    }

    fn account(limit: &Limit) -> Option<(String, String)> {
        let caller =
            Caller { tenant: "acme".into(), principal: "ana".into(), team: "claims".into(), ..Caller::default() };
        let amounts = Amounts { tokens: 7, ..Amounts::default() };
        let mut met = met(std::slice::from_ref(limit), &caller, "m", &amounts, UnixMillis(3_600_001));
        met.pop().map(|met| {
            assert_eq!((met.need, met.account.window_start_ms), (7, 3_600_000));
            (met.account.subject, met.account.model)
        })
    }

    #[test]
    fn a_limit_meets_its_own_subjects_and_models() {
        let at = |subject: &str, model: &str| Some((subject.to_owned(), model.to_owned()));
        let cases = [
            (limit("tenant", "", ""), at("", "")),
            (limit("tenant", "", "m"), at("", "")),
            (limit("tenant", "", "other"), None),
            (limit("tenant", "", "*"), at("", "m")),
            (limit("user", "", ""), at("ana", "")),
            (limit("user", "ana", ""), at("", "")),
            (limit("user", "bob", ""), None),
            (limit("team", "claims", "*"), at("", "m")),
            (limit("key", "", ""), None),
            (limit("planet", "", ""), None),
        ];
        for (limit, expected) in cases {
            assert_eq!(account(&limit), expected, "{limit:?}");
        }
    }
}
