//! Listening to what the router has to say about budgets.

use std::sync::Arc;

use futures::StreamExt as _;
use orrery_bus::{Bus, subjects};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::BudgetNotice;
use orrery_supervise::TaskSpec;
use prost::Message as _;

use super::Budgets;

/// The supervised task that follows notices and gives back what is not needed. A notice that is lost costs a moment.
pub fn notices(bus: &Bus, budgets: &Arc<Budgets>) -> TaskSpec {
    let (bus, budgets) = (bus.clone(), budgets.clone());
    TaskSpec::new("budgets", move |task| {
        let (bus, budgets) = (bus.clone(), budgets.clone());
        async move {
            let mut notices = bus.subscribe(subjects::BUDGET_NOTICES.to_owned()).await?;
            let follow = async {
                while let Some(message) = notices.next().await {
                    match BudgetNotice::decode(message.payload.as_ref()) {
                        Ok(notice) => budgets.notice(notice).await,
                        Err(error) => tracing::warn!(%error, "a notice about budgets does not read"),
                    }
                }
                Err(Error::new(ErrorCode::Unavailable, "the subscription to notices about budgets has ended"))
            };
            tokio::select! {
                ended = follow => ended,
                () = budgets.keep_tidy() => Ok(()),
                () = task.draining() => Ok(()),
            }
        }
    })
}
