//! The calls that the router answers.

use std::sync::Arc;

use orrery_bus::{Bus, CallContext, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    InvokeReply, InvokeRequest, ListModelsReply, ListModelsRequest, SetBudgetReply, SetBudgetRequest, SpendReply,
    SpendRequest,
};
use orrery_types::{Nanos, UnixMillis};
use tracing::Instrument as _;
use uuid::Uuid;

use super::convert::{self, invalid};
use crate::calls::{Call, Router};
use crate::store::WhenUnavailable;
use orrery_routing::window::Window;

/// Model calls at once, plain and streamed each; more are turned away with a retry hint.
const MODEL_CALLS: usize = 1024;
/// Questions at once, of each kind.
const QUESTIONS: usize = 64;
const ADMIN: &str = "admin";

/// All calls, ready to be started.
pub fn server(bus: &Bus, router: &Arc<Router>) -> Server {
    let (invoke, stream, models, spend, set_budget) =
        (router.clone(), router.clone(), router.clone(), router.clone(), router.clone());
    Server::new(bus, "router", env!("CARGO_PKG_VERSION"))
        .handle(verbs::router::INVOKE, MODEL_CALLS, move |context, request| {
            answer_invoke(invoke.clone(), context, request)
        })
        .handle_stream(verbs::router::STREAM, MODEL_CALLS, move |context, request, frames| {
            let router = stream.clone();
            async move {
                let call = accept(request, &context)?;
                let span = span(&call);
                router.stream(call, frames).instrument(span).await
            }
        })
        .handle(verbs::router::MODELS, QUESTIONS, move |_, request| answer_models(models.clone(), request))
        .handle(verbs::router::SPEND, QUESTIONS, move |_, request| answer_spend(spend.clone(), request))
        .handle(verbs::router::SET_BUDGET, QUESTIONS, move |_, request| answer_set_budget(set_budget.clone(), request))
}

async fn answer_invoke(
    router: Arc<Router>,
    context: CallContext,
    request: InvokeRequest,
) -> Result<InvokeReply, Error> {
    let call = accept(request, &context)?;
    let span = span(&call);
    router.invoke(call).instrument(span).await
}

fn accept(request: InvokeRequest, context: &CallContext) -> Result<Call, Error> {
    convert::call(request, context, format!("dec_{}", Uuid::now_v7().simple()))
}

fn span(call: &Call) -> tracing::Span {
    tracing::info_span!(
        "gen_ai.call",
        gen_ai.operation.name = call.facts.capability.as_str(),
        gen_ai.request.model = call.facts.model,
        task.id = call.task_id,
        decision.id = call.id,
    )
}

async fn answer_models(router: Arc<Router>, request: ListModelsRequest) -> Result<ListModelsReply, Error> {
    convert::caller(request.caller)?;
    let health = router.board.health(UnixMillis::now());
    let healthy = |name: &str| health.get(name).is_none_or(|health| health.unavailable.is_none());
    let catalogue = &router.catalogue;
    let models = catalogue.models.values().map(|model| convert::model(catalogue, model, healthy(&model.name)));
    Ok(ListModelsReply { models: models.collect() })
}

async fn answer_spend(router: Arc<Router>, request: SpendRequest) -> Result<SpendReply, Error> {
    let caller = convert::caller(request.caller)?;
    let window = Window::at(UnixMillis::now());
    let standing = router.budgets.standing(&caller.tenant, window).await?;
    let rows = match request.task_id.as_str() {
        "" => router.ledger.spend_of_month(&caller.tenant, &window.to_string()).await?,
        task_id => router.ledger.spend_of_task(&caller.tenant, task_id).await?,
    };
    Ok(SpendReply {
        rows: rows.into_iter().map(convert::spend_row).collect(),
        window: window.to_string(),
        limit_nanos: standing.limit.unwrap_or_default().get(),
        spent_nanos: standing.spent.get(),
        reserved_nanos: standing.reserved.get(),
        currency: router.catalogue.currency.clone(),
    })
}

async fn answer_set_budget(router: Arc<Router>, request: SetBudgetRequest) -> Result<SetBudgetReply, Error> {
    let caller = convert::caller(request.caller)?;
    if !caller.roles.iter().any(|role| role == ADMIN) {
        return Err(Error::new(ErrorCode::Forbidden, "setting a budget needs the role admin"));
    }
    let unknown = || invalid(format!("when_unavailable {:?} is neither closed nor open", request.when_unavailable));
    let mode = WhenUnavailable::parse(&request.when_unavailable).ok_or_else(unknown)?;
    let limit = Nanos::new(request.limit_nanos).map_err(|error| invalid(format!("limit_nanos: {error}")))?;
    router.budgets.set(&caller.tenant, limit, mode).await?;
    tracing::info!(tenant = caller.tenant, limit_nanos = limit.get(), mode = mode.as_str(), "budget set");
    Ok(SetBudgetReply {})
}
