//! The end of a call: what it used and cost, settled in the budget and written down, in that order, before its answer leaves.

use std::time::Duration;

use orrery_errors::Error;
use orrery_proof::facts::{self, ModelCalled};
use orrery_proto::v1::{CallRecord, InvokeReply, ModelIdentity, Usage};
use orrery_routing::catalogue::Model;
use orrery_routing::price::Quantities;
use orrery_types::{Sha256Digest, UnixMillis};
use prost::Message as _;

use super::attempt::{Run, Taken, amounts};
use super::course::Tally;
use super::{Answered, Call, KeptReply, decision, meters};
use crate::DataPlane;
use crate::budget::Amounts;
use orrery_providers::Answer;

pub(super) const OK: &str = "ok";
/// What a call is recorded as whose end nobody saw.
const IN_DOUBT: &str = "in_doubt";
/// Larger replies are not kept: a message of the bus holds 8 MiB.
const REPLY_BYTES_MAX: usize = 8 << 20;

/// What there is to record.
pub(super) struct End<'a> {
    pub outcome: &'static str,
    pub answer: Option<&'a Answer>,
    pub first_token_ms: u64,
}

impl DataPlane {
    /// Writes down that a provider is about to be asked, and what the call can cost at most by now.
    pub(super) fn begin(&self, run: &Run<'_>, model: &Model) -> Result<(), Error> {
        let (attempts, cost_nanos, charges) = run.course.about_to_ask();
        let record = CallRecord {
            model: model.name.clone(),
            provider: model.provider.clone(),
            outcome: IN_DOUBT.to_owned(),
            usage: Some(Usage { cost_nanos, ..Usage::default() }),
            attempts,
            decision_json: run.plan.record.clone(),
            decision_digest: run.plan.digest.clone(),
            charges,
            ..self.record_of(run.call)
        };
        self.recorder.began(&record)
    }

    /// Settles what was set aside for an answer. Attempts of one call are one request together.
    pub(super) fn pay(&self, run: &Run<'_>, taken: Taken<'_, ()>, usage: &Usage, models: &[ModelIdentity]) {
        let used = amounts(&quantities(usage), taken.model, run.call.started);
        let requests = run.course.requests();
        let charges = taken.held.settle(&Amounts { requests, ..used });
        run.course.paid(&Usage { cost_nanos: used.cost_nanos, ..*usage }, charges, models);
    }

    /// The same for a whole answer.
    pub(super) fn pay_for(&self, run: &Run<'_>, taken: Taken<'_, Answer>) -> Answered {
        let (answer, mut taken) = taken.split();
        taken.answered(answer.quota);
        let model = taken.model.name.clone();
        run.course.answered_by(taken.model);
        self.pay(run, taken, &answer.usage, &answer.models);
        Answered { answer, model }
    }

    /// Records a copy's answer. Of what it cost its tenant pays so much at most, the operator the rest; returns all of it.
    pub(super) async fn conclude_copy(
        &self,
        run: &Run<'_>,
        taken: Taken<'_, Answer>,
        share_max: u64,
    ) -> Result<u64, Error> {
        let (answer, mut taken) = taken.split();
        taken.answered(answer.quota);
        let model = taken.model.name.clone();
        let cost = amounts(&quantities(&answer.usage), taken.model, run.call.started).cost_nanos;
        let share = cost.min(share_max);
        let charges = taken.held.settle(&Amounts { cost_nanos: share, tokens: 0, requests: 0 });
        run.course.paid(&Usage { cost_nanos: share, ..answer.usage }, charges, &answer.models);
        run.course.paid_by_operator(cost - share);
        self.conclude_answered(run, Answered { answer, model }, 0, "").await?;
        Ok(cost)
    }

    /// Records a call whose answer is paid for, and makes its reply. `cache` says what a cache has to do with it.
    pub(super) async fn conclude_answered(
        &self,
        run: &Run<'_>,
        answered: Answered,
        first_token_ms: u64,
        cache: &'static str,
    ) -> Result<InvokeReply, Error> {
        let tally = run.course.tally();
        let usage = whole(run, &tally);
        let end = End { outcome: OK, answer: Some(&answered.answer), first_token_ms };
        let record = self.ended(run, &tally, usage, &end);
        let reply = InvokeReply {
            output: Some(answered.answer.output),
            models: tally.models,
            usage: Some(usage),
            decision: Some(decision::told(&run.plan.decision, &answered.model, tally.attempts)),
            cache: cache.to_owned(),
            ..InvokeReply::default()
        };
        self.note_answered(run.call, record, &reply).await?;
        Ok(reply)
    }

    /// Writes an answered call down, with its reply where it has a key.
    pub(super) async fn note_answered(
        &self,
        call: &Call,
        record: CallRecord,
        reply: &InvokeReply,
    ) -> Result<(), Error> {
        match (&call.key, &self.replies) {
            (Some(_), Some(replies)) if reply.encoded_len() <= REPLY_BYTES_MAX => {
                let kept = KeptReply { request_digest: call.request_digest.clone(), reply: reply.clone() };
                self.recorder.ended_with(record, kept, replies.as_ref()).await
            }
            _ => self.recorder.ended(record).await,
        }
    }

    /// A stream that did not reach its end: what passed through is paid for.
    pub(super) async fn conclude_broken_off(
        &self,
        run: &Run<'_>,
        taken: Taken<'_, ()>,
        used: &Quantities,
        first_token_ms: u64,
        error: Error,
    ) -> Error {
        self.pay(run, taken, &usage_of(used), &[]);
        self.note_end(run, End { outcome: error.code.as_str(), answer: None, first_token_ms }).await;
        error
    }

    /// A call that nobody answered. What was paid for is recorded all the same.
    pub(super) async fn conclude_failed(&self, run: &Run<'_>, error: Error) -> Error {
        self.note_end(run, End { outcome: error.code.as_str(), answer: None, first_token_ms: 0 }).await;
        decision::last_resort(&run.plan.decision, error)
    }

    /// The caller has its error; that the end was not written down is for the log, and the call stays in doubt.
    async fn note_end(&self, run: &Run<'_>, end: End<'_>) {
        let tally = run.course.tally();
        let record = self.ended(run, &tally, whole(run, &tally), &end);
        if let Err(error) = self.recorder.ended(record).await {
            tracing::error!(%error, run.call.id, "the end of a call was not recorded");
        }
    }

    pub(super) fn ended(&self, run: &Run<'_>, tally: &Tally, usage: Usage, end: &End<'_>) -> CallRecord {
        meters::count(run.call, tally, &usage, end.outcome);
        // What began has the decision already.
        let (decision_json, decision_digest) =
            if tally.began { Default::default() } else { (run.plan.record.clone(), run.plan.digest.clone()) };
        CallRecord {
            model: tally.model.clone(),
            provider: tally.provider.clone(),
            outcome: end.outcome.to_owned(),
            attempts: tally.attempts,
            decision_json,
            decision_digest,
            facts_json: facts::to_json(&model_called(run, tally, &usage, end)),
            usage: Some(usage),
            charges: tally.charges.clone(),
            first_token_ms: end.first_token_ms,
            ..self.record_of(run.call)
        }
    }

    fn record_of(&self, call: &Call) -> CallRecord {
        CallRecord {
            id: call.id.clone(),
            caller: Some(call.caller.clone()),
            task_id: call.task_id.clone(),
            step: call.step.clone(),
            capability: call.facts.capability.to_string(),
            idempotency_key: call.key.clone().unwrap_or_default(),
            at_ms: UnixMillis::now().0,
            holder: self.budgets.holder().to_owned(),
            ..CallRecord::default()
        }
    }
}

/// What all attempts used, and how long the call took.
fn whole(run: &Run<'_>, tally: &Tally) -> Usage {
    Usage { duration_ms: millis(UnixMillis::now().since(run.call.started)), ..tally.usage }
}

fn model_called(run: &Run<'_>, tally: &Tally, usage: &Usage, end: &End<'_>) -> ModelCalled {
    let (call, decision, answer) = (run.call, &run.plan.decision, end.answer);
    let identity = |model: &orrery_proto::v1::ModelIdentity| facts::ModelIdentity {
        name: model.name.clone(),
        version: model.version.clone(),
        digest: model.digest.clone(),
        provider: model.provider.clone(),
    };
    ModelCalled {
        decision_id: decision.id.clone(),
        step: call.step.clone(),
        capability: call.facts.capability.to_string(),
        models: tally.models.iter().map(identity).collect(),
        candidates: decision::candidates(decision),
        policy_digest: decision.policy_digest.to_string(),
        catalogue_digest: decision.catalogue_digest.to_string(),
        data_classes: call.facts.data_classes.clone(),
        purpose: call.facts.purpose.clone(),
        input_digest: Sha256Digest::of(&call.input.encode_to_vec()).to_string(),
        output_digest: answer
            .map(|answer| Sha256Digest::of(&answer.output.encode_to_vec()).to_string())
            .unwrap_or_default(),
        usage: facts::Usage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            audio_ms: usage.audio_ms,
            pages: usage.pages,
        },
        cost_nanos: usage.cost_nanos.saturating_add(tally.operator_nanos),
        latency_ms: usage.duration_ms,
        attempts: tally.attempts,
        outcome: end.outcome.to_owned(),
    }
}

pub(super) fn usage_of(used: &Quantities) -> Usage {
    Usage {
        input_tokens: used.input_tokens,
        output_tokens: used.output_tokens,
        pages: used.pages,
        audio_ms: used.audio_ms,
        cached_input_tokens: used.cached_input_tokens,
        cache_write_tokens: used.cache_write_tokens,
        reasoning_tokens: used.reasoning_tokens,
        images: used.images,
        ..Usage::default()
    }
}

fn quantities(usage: &Usage) -> Quantities {
    Quantities {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        pages: usage.pages,
        audio_ms: usage.audio_ms,
        cached_input_tokens: usage.cached_input_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        images: usage.images,
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
