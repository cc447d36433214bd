//! `orrery.register`: which other tasks of the tenant registered the same value before. Only the value's digest is kept.

use async_trait::async_trait;
use orrery_errors::Error;
use orrery_types::UnixMillis;
use serde_json::json;

use super::arguments::Arguments;
use super::{Failure, Provider};
use crate::domain::command::{Reply, Run};
use crate::domain::definition::digest;
use crate::domain::effect::Call;
use crate::store::KernelStore;

/// The kernel's own table.
pub struct Register {
    store: KernelStore,
}

impl Register {
    pub(super) fn new(store: KernelStore) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Provider for Register {
    async fn call(&self, run: &Run, call: &Call, _deadline: UnixMillis) -> Result<Reply, Failure> {
        let arguments = Arguments(call);
        arguments.required("key")?;
        let (key, value) = (arguments.text("key")?, arguments.required("value")?);
        let now = i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX);
        let (tenant, run) = (run.tenant.to_string(), run.id.to_string());
        let others = self.store.register(tenant, key, digest(value).to_string(), run, now).await;
        let others = others.map_err(Error::from)?;
        Ok(Reply { output: json!({ "others": others }), decisions: Vec::new() })
    }
}
