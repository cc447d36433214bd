//! How models do, and decisions made again.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_dataplane::{caller, decision_digest};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ModelStatsReply, ModelStatsRequest, ReplayDecisionReply, ReplayDecisionRequest};
use orrery_routing::catalogue_file;
use orrery_routing::decide::{self, Inputs};
use orrery_routing::statistics::{Statistics, Summary};
use orrery_types::UnixMillis;
use serde_json::{Value, json};

use super::convert::OPERATOR;
use crate::Router;

pub(super) async fn stats(router: Arc<Router>, request: ModelStatsRequest) -> Result<ModelStatsReply, Error> {
    let caller = caller(request.caller)?;
    let all = caller.roles.iter().any(|role| role == OPERATOR);
    let spans = router.measured.spans(UnixMillis::now()).map_err(|error| Error::internal(&error))?;
    let told: BTreeMap<String, Value> = spans
        .into_iter()
        .map(|(model, it)| {
            let spans = json!({
                "minute": span(&it.minute, all),
                "hour": span(&it.hour, all),
                "day": span(&it.day, all),
            });
            (model, spans)
        })
        .collect();
    let models_json = serde_json::to_string(&told).map_err(|error| Error::internal(&error))?;
    Ok(ModelStatsReply { models_json, revision: router.plane.snapshot().statistics().revision })
}

/// How fast and how sure a model is may everybody know; how much the tenants call it may not.
fn span(summary: &Summary, all: bool) -> Value {
    let error_ppm = summary.failed().saturating_mul(1_000_000).checked_div(summary.calls).unwrap_or(0);
    let mut told = json!({
        "latency": summary.latency,
        "ttft": summary.ttft,
        "tokens_per_second": summary.tokens_per_second,
        "error_ppm": error_ppm,
    });
    if let (true, Some(fields)) = (all, told.as_object_mut()) {
        fields.insert("calls".to_owned(), json!(summary.calls));
        fields.insert("errors".to_owned(), json!(summary.errors));
        fields.insert("output_tokens".to_owned(), json!(summary.output_tokens));
        fields.insert("spent_nanos".to_owned(), json!(summary.spent.get()));
    }
    told
}

pub(super) async fn replay(router: Arc<Router>, request: ReplayDecisionRequest) -> Result<ReplayDecisionReply, Error> {
    let caller = caller(request.caller)?;
    let ledger = &router.ledger;
    let Some(row) = ledger.decision(&caller.tenant, &request.id).await? else {
        let message = format!("there is no decision {:?}; the ledger has it a moment after the answer", request.id);
        return Err(Error::new(ErrorCode::NotFound, message));
    };
    let inputs: Inputs = serde_json::from_str(&row.inputs).map_err(|error| Error::internal(&error))?;
    let digest = inputs.catalogue_digest.to_string();
    let Some(catalogue) = ledger.catalogue(&digest).await? else { return Err(gone("catalogue", &digest)) };
    let catalogue = catalogue_file::parse_json(&catalogue).map_err(|error| Error::internal(&error))?;
    let statistics: Statistics = match inputs.statistics_revision {
        0 => Statistics::default(),
        revision => match ledger.statistics(revision).await? {
            Some(json) => serde_json::from_str(&json).map_err(|error| Error::internal(&error))?,
            None => return Err(gone("statistics", &revision.to_string())),
        },
    };
    let again = decide::replay(&row.inputs, &catalogue, &statistics).map_err(|error| Error::internal(&error))?;
    Ok(ReplayDecisionReply {
        decision_json: serde_json::to_string(&again).map_err(|error| Error::internal(&error))?,
        explanation: again.explain(),
        verified: decision_digest(&again) == row.digest,
        attempts: row.attempts(),
        model: row.model,
        outcome: row.outcome,
    })
}

fn gone(what: &str, name: &str) -> Error {
    let message =
        format!("the {what} {name} that the decision was made from is no longer kept; it cannot be made again");
    Error::new(ErrorCode::FailedPrecondition, message)
}
