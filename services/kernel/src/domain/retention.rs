//! How long runs that are over are kept, and which rule that is for each: its workflow's, else its tenant's, else the
//! system's. Without any, a run is kept for good.

use std::time::Duration;

/// Longest that can be asked for: a hundred years.
pub const KEEP_MS_MAX: i64 = 100 * 365 * 24 * 3_600_000;

/// How long, and what becomes of it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// After its end.
    pub keep: Duration,
    /// Whether it is archived before it is removed.
    pub archive: bool,
}

/// To what a rule applies: the more special one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Every tenant that has no rule of its own.
    System,
    /// Every workflow of a tenant that has no rule of its own.
    Tenant(String),
    /// A workflow of a tenant, in all versions.
    Workflow(String, String),
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where.
    pub reach: Reach,
    /// What.
    pub keep: Keep,
}

/// Checks how long runs may be kept, in milliseconds.
pub fn check(keep_ms: i64, keep_ms_min: i64) -> Result<(), String> {
    match keep_ms {
        short if short < keep_ms_min => {
            Err(format!("tasks are kept for {keep_ms_min} ms after their end at least, not {short}"))
        }
        long if long > KEEP_MS_MAX => Err(format!("tasks are kept for {KEEP_MS_MAX} ms at most, not {long}")),
        _ => Ok(()),
    }
}

impl Rule {
    /// The rule of a run: the most special of those that reach it.
    pub fn of<'a>(rules: &'a [Rule], tenant: &str, workflow: &str) -> Option<&'a Rule> {
        let reaches = |rule: &&Rule| match &rule.reach {
            Reach::System => true,
            Reach::Tenant(of) => of == tenant,
            Reach::Workflow(of, name) => of == tenant && name == workflow,
        };
        rules.iter().filter(reaches).max_by(|a, b| a.reach.cmp(&b.reach))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_special_rule_is_the_runs_own() {
        let rule = |reach: Reach, days: u64| Rule {
            reach,
            keep: Keep { keep: Duration::from_secs(days * 86_400), archive: true },
        };
        let all = [
            rule(Reach::Workflow("acme".into(), "claims".into()), 1),
            rule(Reach::System, 3),
            rule(Reach::Tenant("acme".into()), 2),
        ];
        let days = |rules: &[Rule], tenant, workflow| {
            Rule::of(rules, tenant, workflow).map(|rule| rule.keep.keep.as_secs() / 86_400)
        };
        for (tenant, workflow, expected) in [("acme", "claims", 1), ("acme", "other", 2), ("else", "claims", 3)] {
            assert_eq!(days(&all, tenant, workflow), Some(expected), "{tenant}/{workflow}");
        }
        assert_eq!(days(&all[..1], "acme", "other"), None, "without a rule it is kept");
    }

    #[test]
    fn a_time_is_in_its_bounds() {
        for (keep, fits) in
            [(3_600_000, true), (3_599_999, false), (KEEP_MS_MAX, true), (KEEP_MS_MAX + 1, false), (-1, false)]
        {
            assert_eq!(check(keep, 3_600_000).is_ok(), fits, "{keep}");
        }
    }
}
