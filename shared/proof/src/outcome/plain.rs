//! The outcome in plain words, for someone who has never seen the system.

use std::fmt::Write as _;
use std::time::Duration;

use orrery_types::{Nanos, UnixMillis};

use super::{Control, Outcome, Review};
use crate::facts::{Candidate, ModelCalled, ModelIdentity};

impl Outcome {
    /// A page of text: what came in, what each model did, what was looked up, who decided, what it cost.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        self.intake(&mut out);
        self.model_work(&mut out);
        self.lookups(&mut out);
        self.people(&mut out);
        self.control(&mut out);
        self.ending(&mut out);
        out
    }

    // Writing to a String cannot fail, hence the ignored results below.
    fn intake(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "Task {} ran the workflow {} (definition {}), submitted by {} on {}.",
            self.task_id,
            self.workflow,
            short(&self.definition_hash),
            self.submitted_by,
            UnixMillis(self.submitted_at_ms)
        );
        if let Some(from) = &self.restarted {
            let (by, task, how) = (&from.by, &from.task, begun_by(&from.how));
            let _ =
                writeln!(out, "{by} {how} task {task}; what that one had done up to its event {} is kept.", from.seq);
        }
        if !self.attachments.is_empty() {
            let _ = writeln!(out, "It came with {}:", count(self.attachments.len(), "file", "files"));
        }
        for file in &self.attachments {
            let (name, media_type, size) = (&file.name, &file.media_type, file.size);
            let _ = writeln!(out, "  - {name}: {media_type}, {size} bytes, {}", short(&file.sha256));
        }
    }

    fn model_work(&self, out: &mut String) {
        if self.models.is_empty() {
            let _ = writeln!(out, "\nNo model took part.");
            return;
        }
        let _ = writeln!(out, "\n{} took part:", count(self.models.len(), "model", "models"));
        for model in &self.models {
            let _ = writeln!(out, "  - {}", identity(model));
        }
        if !self.calls.is_empty() {
            let _ = writeln!(out, "\n{}:", count(self.calls.len(), "model call", "model calls"));
        }
        for (position, call) in self.calls.iter().enumerate() {
            let _ = writeln!(out, "  {}. {}", position + 1, call_line(&call.facts));
            // What a policy held back stands out; what could not do it anyway is one line.
            let dropped = call.facts.candidates.iter().filter(|candidate| !candidate.eligible);
            let (forbidden, unfit): (Vec<_>, Vec<_>) = dropped.partition(|candidate| !candidate.policies.is_empty());
            for Candidate { model, policies, reason, .. } in forbidden {
                let _ = writeln!(out, "     {model} was not used by policy {}: {reason}", policies.join(", "));
            }
            let unfit: Vec<String> = unfit.iter().map(|one| format!("{} ({})", one.model, one.reason)).collect();
            if !unfit.is_empty() {
                let _ = writeln!(out, "     not used: {}", unfit.join(", "));
            }
        }
        for digest in self.policy_digests.iter().filter(|digest| !digest.is_empty()) {
            let _ = writeln!(out, "The policies in force were the set {}.", short(digest));
        }
    }

    fn lookups(&self, out: &mut String) {
        for search in &self.retrievals {
            let (facts, hits) = (&search.facts, search.facts.hits.len());
            let found = count(hits, "passage", "passages");
            let (name, version) = (&facts.collection, facts.collection_version);
            let _ = writeln!(out, "\nLooked up in the collection {name}, version {version}: {found}.");
            for hit in &facts.hits {
                let clause = if hit.clause.is_empty() { String::new() } else { format!(", clause {}", hit.clause) };
                let (document, chunk) = (short(&hit.document_digest), short(&hit.chunk_digest));
                let _ = writeln!(out, "  - {}{clause} (document {document}, passage {chunk})", hit.document);
            }
        }
    }

    fn people(&self, out: &mut String) {
        if self.reviews.is_empty() {
            let _ = writeln!(out, "\nNo person was asked.");
        }
        for review in &self.reviews {
            let _ = writeln!(out, "\n{}", review_line(review));
        }
    }

    fn control(&self, out: &mut String) {
        if !self.controls.is_empty() {
            let _ = writeln!(out, "\nWhile it ran:");
        }
        for control in &self.controls {
            let _ = writeln!(out, "  - {} on {}", control_line(&control.facts), UnixMillis(control.at_ms));
        }
    }

    fn ending(&self, out: &mut String) {
        match &self.closed {
            None => {
                let _ = writeln!(out, "\nThe task is still running.");
            }
            Some(closed) => {
                let facts = &closed.facts;
                let took = Duration::from_millis(closed.at_ms.saturating_sub(self.submitted_at_ms));
                let decision = facts.decision.as_ref().map(|text| format!(" The decision is {text:?}"));
                let clause = facts.clause.as_ref().map(|text| format!(", resting on clause {text}"));
                let decision = decision.map(|text| format!("{text}{}.", clause.unwrap_or_default()));
                let (when, status) = (UnixMillis(closed.at_ms), &facts.status);
                let was = if matches!(status.as_str(), "cancelled" | "terminated") { "was " } else { "" };
                let place = facts.error_at.as_ref().map(|pointer| format!(" at {pointer}")).unwrap_or_default();
                let error = facts.error.as_ref().map(|code| format!(", with the error {code}{place}"));
                let error = error.unwrap_or_default();
                let by = facts.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
                let place = facts.replaced_by.as_ref().map(|task| format!("; task {task} takes its place"));
                let place = place.unwrap_or_default();
                let _ = writeln!(
                    out,
                    "\nThe task {was}{status} on {when}, after {:.1} s{by}{error}{place}.{}",
                    took.as_secs_f64(),
                    decision.unwrap_or_default()
                );
                let _ = writeln!(out, "Its output has the digest {}.", facts.output_digest);
            }
        }
        let cost = Nanos::new(self.cost_nanos).map_or_else(|error| error.to_string(), |cost| cost.to_string());
        let _ = writeln!(out, "The models cost {cost} in the tenant's currency.");
        let _ = writeln!(out, "This rests on {}.", count(self.records_usize(), "audit record", "audit records"));
    }

    fn records_usize(&self) -> usize {
        usize::try_from(self.records).unwrap_or(usize::MAX)
    }
}

fn call_line(call: &ModelCalled) -> String {
    // Candidates stand in the order in which they are tried.
    let tried = usize::try_from(call.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let chosen = call.candidates.iter().filter(|candidate| candidate.eligible).nth(tried);
    let who = match call.models.as_slice() {
        [] => chosen.map_or_else(|| "no model".to_owned(), |candidate| candidate.model.clone()),
        models => models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(" and "),
    };
    let step = if call.step.is_empty() { String::new() } else { format!(" for {}", call.step) };
    let why = chosen.map_or_else(String::new, |candidate| format!("; chosen because {}", candidate.reason));
    let policies = chosen.map_or_else(String::new, |candidate| listed(", allowed by policy ", &candidate.policies));
    let outcome = if call.outcome == "ok" { String::new() } else { format!(", ended as {}", call.outcome) };
    format!("{who} did {}{step} in {} ms{outcome}{why}{policies}", call.capability, call.latency_ms)
}

fn review_line(review: &Review) -> String {
    let mut line = format!(
        "A person with the role {} was asked at {} on {}.",
        review.roles.join(" or "),
        review.pointer,
        UnixMillis(review.requested_at_ms)
    );
    for claim in &review.claims {
        let _ = write!(line, " {} took it on {}.", claim.by, UnixMillis(claim.at_ms));
    }
    for handover in &review.handovers {
        let by = if handover.by.is_empty() { String::new() } else { format!(" by {}", handover.by) };
        let to = listed(" to ", &handover.to);
        let _ = write!(line, " It was {}{by}{to} on {}.", handover.how, UnixMillis(handover.at_ms));
    }
    match &review.decided {
        None => line.push_str(" Nobody decided."),
        Some(decided) => {
            let edited = if decided.edited { " after changing fields" } else { "" };
            let (by, decision, at) = (&decided.by, &decided.decision, UnixMillis(decided.at_ms));
            let others: Vec<String> = decided.voters.iter().filter(|voter| *voter != by).cloned().collect();
            let others = listed(", with ", &others);
            let _ = write!(line, " {by} decided {decision:?}{edited} on {at}{others}.");
        }
    }
    line
}

fn control_line(control: &Control) -> String {
    match control {
        Control::Signalled(it) => {
            let (what, payload) = (if it.update { "update" } else { "signal" }, short(&it.payload_digest));
            format!("{} sent the {what} {:?} (payload {payload})", it.by, it.name)
        }
        Control::Paused(it) => format!("{} paused {}", it.by, held(&it.scope)),
        Control::Resumed(it) => format!("{} resumed {}", it.by, held(&it.scope)),
        Control::Migrated(it) => {
            format!("{} moved it to {} (definition {})", it.by, it.workflow, short(&it.definition_hash))
        }
    }
}

fn begun_by(how: &str) -> &'static str {
    match how {
        "reset" => "began it in place of",
        "fork" => "began it beside",
        _ => "began it to try again what failed in",
    }
}

fn held(scope: &str) -> &'static str {
    match scope {
        "definition" => "all tasks of its workflow",
        "tenant" => "all tasks of the tenant",
        _ => "it",
    }
}

fn identity(model: &ModelIdentity) -> String {
    let digest = if model.digest.is_empty() { "external, without digest" } else { model.digest.as_str() };
    format!("{} {} ({}, {digest})", model.name, model.version, model.provider)
}

fn listed(lead: &str, items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!("{lead}{}", items.join(", ")) }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The first digits of a digest, enough to compare by eye; the whole one is in the JSON.
fn short(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).chars().take(12).collect()
}
