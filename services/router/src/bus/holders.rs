//! What those who make calls ask: limits, leases, and the ledger's taking of what they did.

use std::sync::Arc;

use orrery_dataplane::Authority;
use orrery_errors::Error;
use orrery_proto::v1::{
    LeaseReply, LeaseRequest, RecordCallsReply, RecordCallsRequest, RetireHoldersReply, RetireHoldersRequest,
    TenantLimitsReply, TenantLimitsRequest,
};

use crate::Router;

pub(super) async fn limits(router: Arc<Router>, request: TenantLimitsRequest) -> Result<TenantLimitsReply, Error> {
    Ok(TenantLimitsReply { limits: router.authority.limits(&request.tenant).await? })
}

pub(super) async fn lease(router: Arc<Router>, request: LeaseRequest) -> Result<LeaseReply, Error> {
    router.authority.lease(request).await
}

pub(super) async fn record(router: Arc<Router>, request: RecordCallsRequest) -> Result<RecordCallsReply, Error> {
    Authority::record(router.authority.as_ref(), request.calls).await?;
    Ok(RecordCallsReply {})
}

pub(super) async fn retire(router: Arc<Router>, request: RetireHoldersRequest) -> Result<RetireHoldersReply, Error> {
    router.authority.retire(&request.instance, &request.present).await?;
    Ok(RetireHoldersReply {})
}
