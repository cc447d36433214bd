//! The authority over limits and the ledger: for the router's own calls, and for those who ask over the bus. Tells all who
//! make calls when a limit has changed, or when somebody was refused what others hold.

use std::sync::Arc;

use async_trait::async_trait;
use orrery_bus::{Bus, subjects};
use orrery_dataplane::{Authority, KeptReply, Replies};
use orrery_errors::Error;
use orrery_proto::v1::{BudgetNotice, CallRecord, LeaseReply, LeaseRequest, Limit};
use orrery_types::UnixMillis;
use prost::Message as _;

use crate::measured::Measured;
use crate::store::Ledger;

/// The ledger, and the bus for notices.
#[derive(Debug, Clone)]
pub struct LedgerAuthority {
    ledger: Ledger,
    bus: Bus,
    measured: Arc<Measured>,
}

impl LedgerAuthority {
    /// Over this ledger. What it takes is told to `measured`.
    pub fn new(ledger: Ledger, bus: Bus, measured: Arc<Measured>) -> Self {
        Self { ledger, bus, measured }
    }

    /// Tells all who make calls. One that does not hear it finds out a little later by itself.
    pub async fn tell(&self, notice: BudgetNotice) {
        let sent = self.bus.publish(subjects::BUDGET_NOTICES.to_owned(), notice.encode_to_vec()).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "a notice about budgets was not sent");
        }
    }
}

#[async_trait]
impl Authority for LedgerAuthority {
    async fn limits(&self, tenant: &str) -> Result<Vec<Limit>, Error> {
        Ok(self.ledger.limits(tenant).await?)
    }

    async fn lease(&self, request: LeaseRequest) -> Result<LeaseReply, Error> {
        let (reply, recalled) = self.ledger.lease(request, UnixMillis::now()).await?;
        for account in recalled {
            let tenant = account.tenant.clone();
            self.tell(BudgetNotice { tenant, recalled: Some(account), limits_changed: false }).await;
        }
        Ok(reply)
    }

    async fn record(&self, calls: Vec<CallRecord>) -> Result<(), Error> {
        let taken = self.ledger.record(calls).await?;
        self.measured.note(&taken, UnixMillis::now());
        Ok(())
    }

    async fn retire(&self, instance: &str, present: &str) -> Result<(), Error> {
        Ok(self.ledger.retire(instance, present).await?)
    }
}

#[async_trait]
impl Replies for LedgerAuthority {
    async fn find(&self, tenant: &str, key: &str, since: UnixMillis) -> Result<Option<KeptReply>, Error> {
        Ok(self.ledger.replay(tenant, key, since).await?)
    }

    async fn record(&self, record: CallRecord, reply: KeptReply) -> Result<(), Error> {
        let taken = self.ledger.record_with(record, reply).await?;
        self.measured.note(&taken, UnixMillis::now());
        Ok(())
    }
}
