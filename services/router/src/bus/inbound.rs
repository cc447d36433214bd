//! The calls that the router answers.

use std::sync::Arc;

use futures::StreamExt as _;
use orrery_bus::{Bus, CallContext, FrameSender, Server, verbs};
use orrery_dataplane::{Call, accept, caller};
use orrery_errors::Error;
use orrery_proto::v1::{
    InvokeFrame, InvokeReply, InvokeRequest, ListModelsReply, ListModelsRequest, SpendReply, SpendRequest,
};
use orrery_types::UnixMillis;
use tracing::Instrument as _;

use super::budgets::{self, BUDGET};
use super::{catalogue, convert, decisions, holders, secrets};
use crate::Router;
use crate::window::Window;

/// Model calls at once, plain and streamed each; more are turned away with a retry hint.
const MODEL_CALLS: usize = 1024;
/// Questions at once, of each kind.
const QUESTIONS: usize = 64;

/// All calls, ready to be started.
pub fn server(bus: &Bus, router: &Arc<Router>) -> Server {
    let with = || router.clone();
    let (invoke, stream, models, spend) = (with(), with(), with(), with());
    let (stats, decision) = (with(), with());
    let server = Server::new(bus, "router", env!("CARGO_PKG_VERSION"))
        .handle(verbs::router::INVOKE, MODEL_CALLS, move |context, request| {
            answer_invoke(invoke.clone(), context, request)
        })
        .handle_stream(verbs::router::STREAM, MODEL_CALLS, move |context, request, frames| {
            answer_stream(stream.clone(), context, request, frames)
        })
        .handle(verbs::router::MODELS, QUESTIONS, move |_, request| answer_models(models.clone(), request))
        .handle(verbs::router::SPEND, QUESTIONS, move |_, request| answer_spend(spend.clone(), request))
        .handle(verbs::router::STATS, QUESTIONS, move |_, it| decisions::stats(stats.clone(), it))
        .handle(verbs::router::DECISION, QUESTIONS, move |_, it| decisions::replay(decision.clone(), it));
    about_providers(about_budgets(server, router), router)
}

fn about_providers(server: Server, router: &Arc<Router>) -> Server {
    let with = || router.clone();
    let (list, set, remove, reseal, standing) = (with(), with(), with(), with(), with());
    server
        .handle(verbs::router::CATALOGUE, QUESTIONS, move |_, it| catalogue::standing(standing.clone(), it))
        .handle(verbs::router::SECRETS, QUESTIONS, move |_, it| secrets::list(list.clone(), it))
        .handle(verbs::router::SET_SECRET, QUESTIONS, move |_, it| secrets::set(set.clone(), it))
        .handle(verbs::router::REMOVE_SECRET, QUESTIONS, move |_, it| secrets::remove(remove.clone(), it))
        .handle(verbs::router::RESEAL_SECRETS, QUESTIONS, move |_, it| secrets::reseal(reseal.clone(), it))
}

fn about_budgets(server: Server, router: &Arc<Router>) -> Server {
    let with = || router.clone();
    let (set_budget, limits, set_limit, remove_limit) = (with(), with(), with(), with());
    let (tenant_limits, lease, record, retire) = (with(), with(), with(), with());
    server
        .handle(verbs::router::SET_BUDGET, QUESTIONS, move |_, it| budgets::set_budget(set_budget.clone(), it))
        .handle(verbs::router::LIMITS, QUESTIONS, move |_, it| budgets::limits(limits.clone(), it))
        .handle(verbs::router::SET_LIMIT, QUESTIONS, move |_, it| budgets::set_limit(set_limit.clone(), it))
        .handle(verbs::router::REMOVE_LIMIT, QUESTIONS, move |_, it| budgets::remove_limit(remove_limit.clone(), it))
        .handle(verbs::router::TENANT_LIMITS, QUESTIONS, move |_, it| holders::limits(tenant_limits.clone(), it))
        .handle(verbs::router::LEASE, QUESTIONS, move |_, it| holders::lease(lease.clone(), it))
        .handle(verbs::router::RECORD, QUESTIONS, move |_, it| holders::record(record.clone(), it))
        .handle(verbs::router::RETIRE, QUESTIONS, move |_, it| holders::retire(retire.clone(), it))
}

async fn answer_invoke(
    router: Arc<Router>,
    context: CallContext,
    request: InvokeRequest,
) -> Result<InvokeReply, Error> {
    let call = accept(request, &context)?;
    let span = span(&call);
    router.plane.invoke(call).instrument(span).await
}

/// Dropping the future, which the bus does when the caller leaves, drops the frames and so cancels the work.
async fn answer_stream(
    router: Arc<Router>,
    context: CallContext,
    request: InvokeRequest,
    frames: FrameSender<InvokeFrame>,
) -> Result<(), Error> {
    let call = accept(request, &context)?;
    let mut answer = span(&call).in_scope(|| router.plane.stream(call));
    while let Some(frame) = answer.next().await {
        frames.send(&frame?).await?;
    }
    Ok(())
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
    caller(request.caller)?;
    let (snapshot, now) = (router.plane.snapshot(), UnixMillis::now());
    let catalogue = &snapshot.catalogue;
    let models = catalogue.models.values();
    let models = models.map(|model| convert::model(catalogue, model, snapshot.is_healthy(&model.name, now)));
    Ok(ListModelsReply { models: models.collect() })
}

async fn answer_spend(router: Arc<Router>, request: SpendRequest) -> Result<SpendReply, Error> {
    let caller = caller(request.caller)?;
    let now = UnixMillis::now();
    let window = Window::at(now);
    let standings = router.ledger.standings(&caller.tenant, now).await?;
    let budget = standings.iter().find(|standing| standing.limit.as_ref().is_some_and(|limit| limit.id == BUDGET));
    let rows = match request.task_id.as_str() {
        "" => router.ledger.spend_of_month(&caller.tenant, &window.to_string()).await?,
        task_id => router.ledger.spend_of_task(&caller.tenant, task_id).await?,
    };
    Ok(SpendReply {
        rows: rows.into_iter().map(convert::spend_row).collect(),
        window: window.to_string(),
        limit_nanos: budget.and_then(|standing| standing.limit.as_ref()).map_or(0, |limit| limit.amount),
        spent_nanos: router.ledger.spent(&caller.tenant, &window.to_string()).await?.get(),
        reserved_nanos: budget.map_or(0, |standing| standing.held),
        currency: router.plane.snapshot().catalogue.currency.clone(),
    })
}
