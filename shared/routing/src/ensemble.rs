//! When the answers of an ensemble are enough, and which of them wins.

use crate::decide::EnsemblePlan;

/// How far an ensemble is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// More answers are needed, and can come.
    Wait,
    /// The answers suffice; others may still come while there is time.
    Enough,
    /// The answers suffice and no other will come.
    Complete,
    /// The answers that are needed can no longer come.
    Hopeless(String),
}

/// How far it is with these members having answered and failed, each named once for each of its samples.
pub fn progress(plan: &EnsemblePlan, answered: &[&str], failed: &[&str]) -> Progress {
    let samples = plan.ensemble.samples as usize;
    let quorum = plan.quorum as usize;
    let count = |names: &[&str], member: &str| names.iter().filter(|name| **name == member).count();
    let open = plan.members.len().saturating_mul(samples).saturating_sub(answered.len()).saturating_sub(failed.len());
    // One of its samples is enough of a required member.
    if let Some(member) = plan.ensemble.required.iter().find(|member| count(failed, member) >= samples) {
        return Progress::Hopeless(format!("{member} failed and is required"));
    }
    if answered.len() + open < quorum {
        return Progress::Hopeless(format!("{} answers can still come, {quorum} are needed", answered.len() + open));
    }
    let required = plan.ensemble.required.iter().all(|member| count(answered, member) > 0);
    match (answered.len() >= quorum && required, open) {
        (false, _) => Progress::Wait,
        (true, 0) => Progress::Complete,
        (true, _) => Progress::Enough,
    }
}

/// The place of the answer that most others agree with, the earliest of several such, and how many agree. Answers agree
/// when they are the same JSON, or the same text but for case, space and closing punctuation.
pub fn vote(answers: &[&str]) -> Option<(usize, usize)> {
    let ballots: Vec<String> = answers.iter().map(|answer| ballot(answer)).collect();
    let votes = |ballot: &String| ballots.iter().filter(|other| *other == ballot).count();
    let mut best: Option<(usize, usize)> = None;
    for (place, ballot) in ballots.iter().enumerate() {
        let votes = votes(ballot);
        if best.is_none_or(|(_, most)| votes > most) {
            best = Some((place, votes));
        }
    }
    best
}

fn ballot(answer: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(answer.trim()) {
        Ok(value @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) => sorted(value).to_string(),
        _ => {
            let words: Vec<&str> = answer.split_whitespace().collect();
            words.join(" ").trim_end_matches(['.', '!']).to_lowercase()
        }
    }
}

/// Members in the order of their names, at every depth.
fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            let sorted_members: std::collections::BTreeMap<String, Value> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(sorted_members.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// The place of the answer that a judge names by its number, counted from 1; none when it names none of them.
pub fn picked(verdict: &str, answers: usize) -> Option<usize> {
    let mut numbers = verdict.split(|character: char| !character.is_ascii_digit()).filter(|part| !part.is_empty());
    let number: usize = numbers.next()?.parse().ok()?;
    (1..=answers).contains(&number).then(|| number - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::route::{Combine, Ensemble};
    use orrery_types::Nanos;

    fn plan(samples: u32, quorum: u32, required: &[&str]) -> EnsemblePlan {
        let required = required.iter().map(ToString::to_string).collect();
        EnsemblePlan {
            members: ["a", "b", "c"].map(String::from).to_vec(),
            quorum,
            combiner: None,
            price_ceiling: Nanos::ZERO,
            ensemble: Ensemble {
                members: Vec::new(),
                samples,
                quorum,
                required,
                combine: Combine::Vote,
                answer_bytes_max: 100,
            },
        }
    }

    #[test]
    fn progress_table() {
        let hopeless = |why: &str| Progress::Hopeless(why.to_owned());
        type Case<'a> = (EnsemblePlan, &'a [&'a str], &'a [&'a str], Progress);
        let table: [Case<'_>; 9] = [
            (plan(1, 2, &[]), &[], &[], Progress::Wait),
            (plan(1, 2, &[]), &["a"], &["b"], Progress::Wait),
            (plan(1, 2, &[]), &["a", "c"], &[], Progress::Enough),
            (plan(1, 2, &[]), &["a", "c"], &["b"], Progress::Complete),
            (plan(1, 2, &[]), &["a"], &["b", "c"], hopeless("1 answers can still come, 2 are needed")),
            (plan(1, 1, &["b"]), &["a", "c"], &[], Progress::Wait),
            (plan(1, 1, &["b"]), &["a", "c"], &["b"], hopeless("b failed and is required")),
            (plan(2, 3, &["b"]), &["a", "a", "b"], &["b"], Progress::Enough),
            (plan(2, 3, &["b"]), &["a", "a", "c"], &["b", "b"], hopeless("b failed and is required")),
        ];
        for (plan, answered, failed, expected) in table {
            assert_eq!(progress(&plan, answered, failed), expected, "{answered:?} {failed:?}");
        }
    }

    #[test]
    fn the_most_common_answer_wins_and_of_several_the_first() {
        type Case = (&'static [&'static str], Option<(usize, usize)>);
        let table: [Case; 7] = [
            (&[], None),
            (&["yes"], Some((0, 1))),
            (&["no", "Yes.", " yes ", "maybe"], Some((1, 2))),
            (&["b", "a", "a", "b"], Some((0, 2))),
            (&["x", "{\"a\": 1, \"b\": [ 2 ]}", "{\"b\":[2],\"a\":1}"], Some((1, 2))),
            (&["[1, 2]", "[2, 1]", "[2,1]"], Some((1, 2))),
            (&["1.0", "1"], Some((0, 1))),
        ];
        for (answers, expected) in table {
            assert_eq!(vote(answers), expected, "{answers:?}");
        }
    }

    #[test]
    fn a_judge_names_an_answer_that_there_is() {
        let table = [
            ("2", Some(1)),
            ("Answer 3.", Some(2)),
            ("**1**", Some(0)),
            ("0", None),
            ("4", None),
            ("none", None),
            ("", None),
        ];
        for (verdict, expected) in table {
            assert_eq!(picked(verdict, 3), expected, "{verdict:?}");
        }
        assert_eq!(picked("99999999999999999999999", 3), None);
    }
}
