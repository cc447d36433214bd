//! The end of a call: what it used and cost, settled in the budget and written down, in that order, before its answer leaves.

use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proof::facts::{self, ModelCalled};
use orrery_proto::v1::{CallRecord, Charge, InvokeReply, Usage};
use orrery_routing::catalogue::Model;
use orrery_routing::decide;
use orrery_routing::price::Quantities;
use orrery_types::{Sha256Digest, UnixMillis};
use prost::Message as _;

use super::attempt::{Course, Taken, amounts, report_answered};
use super::{Call, KeptReply, Plan, decision};
use crate::DataPlane;
use crate::budget::{Amounts, Hold};
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
    pub usage: Usage,
    pub charges: Vec<Charge>,
    pub first_token_ms: u64,
}

/// What a model has answered.
pub(super) struct Answered {
    pub answer: Answer,
    /// Of a stream; 0 otherwise.
    pub first_token_ms: u64,
    /// What a cache has to do with it.
    pub cache: &'static str,
}

impl DataPlane {
    /// Writes down that a provider is about to be asked, and what it can cost at most.
    pub(super) fn begin(
        &self,
        call: &Call,
        plan: &Plan,
        course: &mut Course,
        model: &Model,
        hold: &Hold,
        most: &Amounts,
    ) -> Result<(), Error> {
        let record = CallRecord {
            model: model.name.clone(),
            provider: model.provider.clone(),
            outcome: IN_DOUBT.to_owned(),
            usage: Some(Usage { cost_nanos: most.cost_nanos, ..Usage::default() }),
            attempts: course.attempts + 1,
            decision_json: decision_json(plan)?,
            decision_digest: decision::decision_digest(&plan.decision),
            charges: hold.at_most(most),
            ..self.record_of(call)
        };
        self.recorder.began(&record)?;
        course.began = true;
        Ok(())
    }

    pub(super) async fn conclude_answered(
        &self,
        call: &Call,
        plan: &Plan,
        course: &Course,
        taken: Taken<'_, ()>,
        answered: Answered,
    ) -> Result<InvokeReply, Error> {
        let Answered { answer, first_token_ms, cache } = answered;
        let now = UnixMillis::now();
        report_answered(&plan.snapshot, taken.model, now.since(taken.began));
        let used = amounts(&quantities(&answer.usage), taken.model, call.started);
        let charges = self.budgets.settle(taken.hold, &used);
        let duration_ms = millis(now.since(call.started));
        let usage = Usage { cost_nanos: used.cost_nanos, duration_ms, ..answer.usage };
        let end = End { outcome: OK, answer: Some(&answer), usage, charges, first_token_ms };
        let record = self.ended(call, plan, course, end);
        let reply = InvokeReply {
            output: Some(answer.output),
            models: answer.models,
            usage: Some(usage),
            decision: Some(decision::told(&plan.decision, &taken.model.name, course.attempts)),
            cache: cache.to_owned(),
            ..InvokeReply::default()
        };
        self.note_answered(call, record, &reply).await?;
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
    #[allow(clippy::too_many_arguments)] // one caller; a struct would only rename them
    pub(super) async fn conclude_broken_off(
        &self,
        call: &Call,
        plan: &Plan,
        course: &Course,
        taken: Taken<'_, ()>,
        used: Quantities,
        first_token_ms: u64,
        error: Error,
    ) -> Error {
        let amounts = amounts(&used, taken.model, call.started);
        let charges = self.budgets.settle(taken.hold, &amounts);
        let usage = Usage {
            input_tokens: used.input_tokens,
            output_tokens: used.output_tokens,
            audio_ms: used.audio_ms,
            pages: used.pages,
            cost_nanos: amounts.cost_nanos,
            duration_ms: millis(UnixMillis::now().since(call.started)),
            ..Usage::default()
        };
        let end = End { outcome: error.code.as_str(), answer: None, usage, charges, first_token_ms };
        self.note_end(call, plan, course, end).await;
        error
    }

    pub(super) async fn conclude_failed(&self, call: &Call, plan: &Plan, course: &Course, error: Error) -> Error {
        let usage = Usage { duration_ms: millis(UnixMillis::now().since(call.started)), ..Usage::default() };
        let end = End { outcome: error.code.as_str(), answer: None, usage, charges: Vec::new(), first_token_ms: 0 };
        self.note_end(call, plan, course, end).await;
        error
    }

    /// The caller has its error; that the end was not written down is for the log, and the call stays in doubt.
    async fn note_end(&self, call: &Call, plan: &Plan, course: &Course, end: End<'_>) {
        let record = self.ended(call, plan, course, end);
        if let Err(error) = self.recorder.ended(record).await {
            tracing::error!(%error, call.id, "the end of a call was not recorded");
        }
    }

    pub(super) fn ended(&self, call: &Call, plan: &Plan, course: &Course, end: End<'_>) -> CallRecord {
        measure(call, course, &end);
        // What began has the decision already.
        let (decision_json, decision_digest) = if course.began {
            Default::default()
        } else {
            (decision_json(plan).unwrap_or_default(), decision::decision_digest(&plan.decision))
        };
        CallRecord {
            model: course.model.clone(),
            provider: course.provider.clone(),
            outcome: end.outcome.to_owned(),
            attempts: course.attempts,
            decision_json,
            decision_digest,
            facts_json: facts::to_json(&model_called(call, plan, course, &end)),
            usage: Some(end.usage),
            charges: end.charges,
            first_token_ms: end.first_token_ms,
            ..self.record_of(call)
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

fn decision_json(plan: &Plan) -> Result<String, Error> {
    decide::record(&plan.inputs, &plan.snapshot.catalogue).map_err(|error| Error::internal(&error))
}

fn model_called(call: &Call, plan: &Plan, course: &Course, end: &End<'_>) -> ModelCalled {
    let (decision, answer) = (&plan.decision, end.answer);
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
        models: answer.map(|answer| answer.models.iter().map(identity).collect()).unwrap_or_default(),
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
            input_tokens: end.usage.input_tokens,
            output_tokens: end.usage.output_tokens,
            audio_ms: end.usage.audio_ms,
            pages: end.usage.pages,
        },
        cost_nanos: end.usage.cost_nanos,
        latency_ms: end.usage.duration_ms,
        attempts: course.attempts,
        outcome: end.outcome.to_owned(),
    }
}

/// OpenTelemetry's GenAI metrics; money is our own.
fn measure(call: &Call, course: &Course, end: &End<'_>) {
    let labels = [
        ("gen_ai.operation.name", call.facts.capability.to_string()),
        ("gen_ai.provider.name", course.provider.clone()),
        ("gen_ai.request.model", course.model.clone()),
        ("outcome", end.outcome.to_owned()),
    ];
    let took = Duration::from_millis(end.usage.duration_ms);
    metrics::histogram!("gen_ai.client.operation.duration", &labels).record(took.as_secs_f64());
    metrics::counter!("gen_ai.client.input_tokens", &labels).increment(end.usage.input_tokens);
    metrics::counter!("gen_ai.client.output_tokens", &labels).increment(end.usage.output_tokens);
    metrics::counter!("orrery.router.cost_nanos", &labels).increment(end.usage.cost_nanos);
    if end.outcome != OK && end.outcome != ErrorCode::Cancelled.as_str() {
        tracing::warn!(
            call.id,
            task.id = call.task_id,
            gen_ai.operation.name = call.facts.capability.as_str(),
            outcome = end.outcome,
            attempts = course.attempts,
            "call failed"
        );
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
