//! How long tasks are kept after their end, and the archives of those that were removed.

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use orrery_bus::verbs;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    GetArchiveRequest, ListRetentionRequest, RemoveRetentionRequest, RetentionReply, RetentionRule, SetRetentionRequest,
};
use serde::{Deserialize, Serialize};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};

use super::tasks::task_id;
use crate::http::answer::present;
use crate::http::{Answer, Call, Failure, Gateway, body, call};

/// How long tasks are kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionRequest {
    /// Of one workflow; left out: of all that have no rule of their own.
    #[serde(default)]
    workflow: String,
    /// After their end, as ISO 8601 (`P90D`) or in words (`90 days`); a day is 24 hours.
    keep: String,
    /// Whether they are archived before they are removed; they are when this is left out.
    #[serde(default = "archived")]
    archive: bool,
}

fn archived() -> bool {
    true
}

/// Whose rule.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RetentionTarget {
    /// Of one workflow; left out: the tenant's own.
    workflow: Option<String>,
}

/// How long the tasks of a tenant are kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionView {
    /// Whether this call changed anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    rules: Vec<RuleView>,
    /// For what has no rule; left out: it is kept for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<RuleView>,
}

/// One rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleView {
    /// Left out: of all that have no rule of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
    /// ISO 8601, in hours and less.
    keep: String,
    archive: bool,
}

impl From<RetentionRule> for RuleView {
    fn from(rule: RetentionRule) -> Self {
        let keep = SignedDuration::from_millis(i64::try_from(rule.keep_ms).unwrap_or(i64::MAX));
        Self { workflow: present(rule.workflow), keep: keep.to_string(), archive: rule.archive }
    }
}

impl RetentionView {
    fn of(reply: RetentionReply, changed: Option<bool>) -> Self {
        let rules = reply.rules.into_iter().map(RuleView::from).collect();
        Self { changed, rules, system: reply.system.map(RuleView::from) }
    }
}

/// How long tasks are kept after their end.
#[utoipa::path(get, path = "/v1/retention", tag = "retention", responses((status = 200, body = RetentionView)))]
pub async fn get(gateway: Data<Gateway>, call: Call) -> Answer {
    let list = ListRetentionRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::kernel::RETENTION, &call.context(), &list).await?;
    Ok(HttpResponse::Ok().json(RetentionView::of(reply, None)))
}

/// Sets how long the tasks of the tenant, or of one workflow, are kept after their end. Records of the log always stay.
#[utoipa::path(put, path = "/v1/retention", tag = "retention", request_body = RetentionRequest,
    responses((status = 200, body = RetentionView)))]
pub async fn set(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: RetentionRequest = body::json(&gateway, &request, payload).await?;
    let rule = RetentionRule { workflow: wanted.workflow, keep_ms: keep_ms(&wanted.keep)?, archive: wanted.archive };
    let set = SetRetentionRequest { caller: call.caller(), rule: Some(rule) };
    let reply = gateway.bus.call(verbs::kernel::RETENTION_SET, &call.context(), &set).await?;
    let changed = Some(reply.changed);
    Ok(HttpResponse::Ok().json(RetentionView::of(reply, changed)))
}

/// Takes a rule away: what it was for falls back to the tenant's rule, or the system's.
#[utoipa::path(delete, path = "/v1/retention", tag = "retention", params(RetentionTarget),
    responses((status = 200, body = RetentionView)))]
pub async fn remove(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let target: RetentionTarget = call::query(&request)?;
    let remove = RemoveRetentionRequest { caller: call.caller(), workflow: target.workflow.unwrap_or_default() };
    let reply = gateway.bus.call(verbs::kernel::RETENTION_REMOVE, &call.context(), &remove).await?;
    let changed = Some(reply.changed);
    Ok(HttpResponse::Ok().json(RetentionView::of(reply, changed)))
}

fn keep_ms(text: &str) -> Result<u64, Failure> {
    let wrong = || {
        let message = format!("keep is {text:?}; write a time in days, hours and less, such as P90D or \"90 days\"");
        Failure::param("keep", message)
    };
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    u64::try_from(length.as_millis()).map_err(|_| wrong())
}

/// The archive of a task that was removed: lines of JSON with its history, reviews and attachments' digests, the first of
/// which says what follows and its digest.
#[utoipa::path(get, path = "/v1/tasks/{id}/archive", tag = "retention", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/jsonl", body = String)))]
pub async fn archive(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let get = GetArchiveRequest { caller: call.caller(), task_id: task_id(&request)? };
    let archive = gateway.bus.call(verbs::kernel::ARCHIVE, &call.context(), &get).await?;
    let blob = archive.blob.ok_or_else(|| Error::new(ErrorCode::Internal, "the archive has no place"))?;
    let reader = gateway.bus.blobs().await?.open(&call.identity.tenant, &blob).await?;
    let file_name = format!("attachment; filename=\"{}\"", blob.name);
    Ok(HttpResponse::Ok()
        .content_type(blob.media_type)
        .insert_header((CONTENT_DISPOSITION, file_name))
        .no_chunking(blob.size_bytes)
        .insert_header(("Orrery-Digest", format!("sha256:{}", blob.sha256)))
        .streaming(ReaderStream::new(reader)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_days_and_less() {
        for (text, expected) in
            [("P90D", 7_776_000_000), ("90 days", 7_776_000_000), ("PT1H30M", 5_400_000), ("2w", 1_209_600_000)]
        {
            assert_eq!(keep_ms(text).ok(), Some(expected), "{text}");
        }
        for wrong in ["", "90", "P1Y", "1 month", "-P1D", "soon"] {
            assert!(keep_ms(wrong).is_err(), "{wrong}");
        }
    }
}
