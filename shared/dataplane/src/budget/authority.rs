//! Who grants amounts to spend from and keeps the ledger: the router, in this process or over the bus.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use orrery_bus::{Bus, CallContext, verbs};
use orrery_errors::Error;
use orrery_proto::v1::{
    CallRecord, LeaseReply, LeaseRequest, Limit, RecordCallsRequest, RetireHoldersRequest, TenantLimitsRequest,
};

/// Longest wait for limits and leases; one that does not answer by then counts as away.
const TIMEOUT: Duration = Duration::from_millis(1_500);
const RECORD_TIMEOUT: Duration = Duration::from_secs(15);

/// Grants and records. Every method may be repeated with the same effect.
#[async_trait]
pub trait Authority: fmt::Debug + Send + Sync {
    /// The limits that meet a tenant's calls.
    async fn limits(&self, tenant: &str) -> Result<Vec<Limit>, Error>;

    /// Amounts to spend from, each granted or refused.
    async fn lease(&self, request: LeaseRequest) -> Result<LeaseReply, Error>;

    /// Takes calls that are over into the ledger; returns once that is durable. A call that is there already is left as
    /// it is.
    async fn record(&self, calls: Vec<CallRecord>) -> Result<(), Error>;

    /// Frees what earlier lives of an instance held.
    async fn retire(&self, instance: &str, present: &str) -> Result<(), Error>;
}

/// The router service, over the bus.
#[derive(Debug, Clone)]
pub struct RemoteAuthority {
    bus: Bus,
}

impl RemoteAuthority {
    /// Over this connection.
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }
}

#[async_trait]
impl Authority for RemoteAuthority {
    async fn limits(&self, tenant: &str) -> Result<Vec<Limit>, Error> {
        let request = TenantLimitsRequest { tenant: tenant.to_owned() };
        let reply = self.bus.call(verbs::router::TENANT_LIMITS, &CallContext::within(TIMEOUT), &request).await?;
        Ok(reply.limits)
    }

    async fn lease(&self, request: LeaseRequest) -> Result<LeaseReply, Error> {
        self.bus.call(verbs::router::LEASE, &CallContext::within(TIMEOUT), &request).await
    }

    async fn record(&self, calls: Vec<CallRecord>) -> Result<(), Error> {
        let request = RecordCallsRequest { calls };
        self.bus.call(verbs::router::RECORD, &CallContext::within(RECORD_TIMEOUT), &request).await.map(drop)
    }

    async fn retire(&self, instance: &str, present: &str) -> Result<(), Error> {
        let request = RetireHoldersRequest { instance: instance.to_owned(), present: present.to_owned() };
        self.bus.call(verbs::router::RETIRE, &CallContext::within(RECORD_TIMEOUT), &request).await.map(drop)
    }
}
