//! The end of a call: what it used and cost, in the ledger, on the audit record and in the budget, in that order.

use std::time::Duration;

use orrery_bus::subjects;
use orrery_errors::{Error, ErrorCode};
use orrery_proof::facts::{self, ModelCalled, kind};
use orrery_proto::v1::{AuditRecord, InvokeReply, Usage};
use orrery_store::outbox;
use orrery_types::{Nanos, Sha256Digest, UnixMillis};
use prost::Message as _;

use super::attempt::{Course, Taken};
use super::plan::Plan;
use super::{Call, Router};
use crate::bus::convert;
use crate::store::{Entry, KeptReply};
use orrery_providers::Answer;
use orrery_routing::decide::{self, Decision};
use orrery_routing::price::Quantities;
use orrery_routing::window::Window;

const SERVICE: &str = "router";
const OK: &str = "ok";
/// Larger replies are not kept: a message of the bus holds 8 MiB.
const REPLY_BYTES_MAX: usize = 8 << 20;

/// What there is to record.
struct End<'a> {
    outcome: &'static str,
    window: Window,
    answer: Option<&'a Answer>,
    used: Quantities,
    cost: Nanos,
    took: Duration,
    reply: Option<KeptReply>,
}

impl Router {
    pub(super) async fn conclude_answered(
        &self,
        call: &Call,
        plan: &Plan,
        course: &Course,
        taken: Taken<'_, ()>,
        answer: Answer,
    ) -> Result<InvokeReply, Error> {
        let now = UnixMillis::now();
        self.report_answered(taken.model, now.since(taken.began));
        let used = quantities(&answer.usage);
        let cost = used.cost(taken.model, call.started);
        let took = now.since(call.started);
        let usage = Usage { cost_nanos: cost.get(), duration_ms: millis(took), ..answer.usage };
        let decision = convert::decision(&plan.decision, &taken.model.name, course.attempts);
        let reply = InvokeReply {
            output: Some(answer.output.clone()),
            models: answer.models.clone(),
            usage: Some(usage),
            decision: Some(decision),
            ..InvokeReply::default()
        };
        let kept = call.key.as_ref().filter(|_| reply.encoded_len() <= REPLY_BYTES_MAX);
        let kept =
            kept.map(|_| KeptReply { request_digest: call.request_digest.clone(), bytes: reply.encode_to_vec() });
        let window = taken.reservation.window();
        let end = End { outcome: OK, window, answer: Some(&answer), used, cost, took, reply: kept };
        let total = self.write(call, plan, course, end).await?;
        self.budgets.settle(taken.reservation, total).await;
        Ok(reply)
    }

    /// A stream that did not reach its end: what passed through is paid for.
    pub(super) async fn conclude_broken_off(
        &self,
        call: &Call,
        plan: &Plan,
        course: &Course,
        taken: Taken<'_, ()>,
        used: Quantities,
        error: Error,
    ) -> Error {
        let cost = used.cost(taken.model, call.started);
        let took = UnixMillis::now().since(call.started);
        let window = taken.reservation.window();
        let end = End { outcome: error.code.as_str(), window, answer: None, used, cost, took, reply: None };
        match self.write(call, plan, course, end).await {
            Ok(total) => self.budgets.settle(taken.reservation, total).await,
            // What is held runs out later; the log has the cause.
            Err(unrecorded) => tracing::error!(error = %unrecorded, call.id, "a broken stream was not recorded"),
        }
        error
    }

    pub(super) async fn conclude_failed(&self, call: &Call, plan: &Plan, course: &Course, error: Error) -> Error {
        let took = UnixMillis::now().since(call.started);
        let end = End {
            outcome: error.code.as_str(),
            window: Window::at(call.started),
            answer: None,
            used: Quantities::default(),
            cost: Nanos::ZERO,
            took,
            reply: None,
        };
        if let Err(unrecorded) = self.write(call, plan, course, end).await {
            tracing::error!(error = %unrecorded, call.id, "a failed call was not recorded");
        }
        error
    }

    async fn write(&self, call: &Call, plan: &Plan, course: &Course, end: End<'_>) -> Result<Nanos, Error> {
        measure(call, course, &end);
        let at = UnixMillis::now();
        let decision_inputs = decide::record(&plan.inputs, &self.catalogue).map_err(|error| Error::internal(&error))?;
        let record = AuditRecord {
            id: format!("{SERVICE}-{}", call.id),
            tenant: call.facts.tenant.clone(),
            task_id: call.task_id.clone(),
            service: SERVICE.to_owned(),
            kind: kind::MODEL_CALLED.to_owned(),
            at_ms: at.0,
            facts_json: facts::to_json(&model_called(call, &plan.decision, course, &end)),
        };
        let audit = outbox::Message {
            subject: subjects::audit_record(SERVICE),
            message_id: record.id.clone(),
            payload: record.encode_to_vec(),
            created_ms: i64::try_from(at.0).unwrap_or(i64::MAX),
        };
        let entry = Entry {
            id: call.id.clone(),
            tenant: call.facts.tenant.clone(),
            principal: call.facts.principal.clone(),
            task_id: call.task_id.clone(),
            step: call.step.clone(),
            month: end.window.to_string(),
            capability: call.facts.capability.as_str(),
            model: course.model.clone(),
            provider: course.provider.clone(),
            outcome: end.outcome.to_owned(),
            used: end.used,
            cost: end.cost,
            latency_ms: millis(end.took),
            attempts: course.attempts,
            idempotency_key: call.key.clone().unwrap_or_default(),
            decision_inputs,
            at,
            reply: end.reply,
            audit,
        };
        self.ledger.record(entry).await.map_err(Error::from)
    }
}

fn model_called(call: &Call, decision: &Decision, course: &Course, end: &End<'_>) -> ModelCalled {
    let answer = end.answer;
    let identity = |model: &orrery_proto::v1::ModelIdentity| facts::ModelIdentity {
        name: model.name.clone(),
        version: model.version.clone(),
        digest: model.digest.clone(),
        provider: model.provider.clone(),
    };
    let candidate = |candidate: &orrery_routing::decide::Candidate| facts::Candidate {
        model: candidate.model.clone(),
        provider: candidate.provider.clone(),
        eligible: candidate.dropped.is_none(),
        reason: candidate.reason.clone(),
        policies: candidate.policies.clone(),
    };
    ModelCalled {
        decision_id: decision.id.clone(),
        step: call.step.clone(),
        capability: call.facts.capability.to_string(),
        models: answer.map(|answer| answer.models.iter().map(identity).collect()).unwrap_or_default(),
        candidates: decision.candidates.iter().map(candidate).collect(),
        policy_digest: decision.policy_digest.to_string(),
        catalogue_digest: decision.catalogue_digest.to_string(),
        data_classes: call.facts.data_classes.clone(),
        purpose: call.facts.purpose.clone(),
        input_digest: Sha256Digest::of(&call.input.encode_to_vec()).to_string(),
        output_digest: answer
            .map(|answer| Sha256Digest::of(&answer.output.encode_to_vec()).to_string())
            .unwrap_or_default(),
        usage: facts::Usage {
            input_tokens: end.used.input_tokens,
            output_tokens: end.used.output_tokens,
            audio_ms: end.used.audio_ms,
            pages: end.used.pages,
        },
        cost_nanos: end.cost.get(),
        latency_ms: millis(end.took),
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
    metrics::histogram!("gen_ai.client.operation.duration", &labels).record(end.took.as_secs_f64());
    metrics::counter!("gen_ai.client.input_tokens", &labels).increment(end.used.input_tokens);
    metrics::counter!("gen_ai.client.output_tokens", &labels).increment(end.used.output_tokens);
    metrics::counter!("orrery.router.cost_nanos", &labels).increment(end.cost.get());
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
