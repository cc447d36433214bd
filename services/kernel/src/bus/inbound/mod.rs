//! The calls that the kernel answers.

mod batches;
mod control;
mod definitions;
mod pauses;
mod restarts;
mod retention;
mod reviews;
mod tasks;
mod work;
mod work_content;

use std::future::Future;
use std::sync::Arc;

use orrery_bus::{CallContext, Server, verbs};
use orrery_errors::Error;
use orrery_types::TenantId;

use crate::kernel::Kernel;
use crate::store::Page;

/// Calls of one kind at the same time.
const CALLS: usize = 256;
/// Callers that wait for the end of a task hold next to nothing.
const WAITS: usize = 4_096;
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 500;

/// The bus server.
pub fn server(kernel: &Arc<Kernel>) -> Server {
    let api = Api { kernel: kernel.clone() };
    let server = Server::new(&kernel.bus, "kernel", env!("CARGO_PKG_VERSION"));
    server
        .handle(verbs::kernel::DEPLOY, CALLS, api.answer(Api::deploy))
        .handle(verbs::kernel::DEFINITIONS, CALLS, api.answer(Api::definitions))
        .handle(verbs::kernel::START, CALLS, api.answer(Api::start))
        .handle(verbs::kernel::GET, CALLS, api.answer(Api::get))
        .handle(verbs::kernel::WAIT, WAITS, api.answer(Api::wait))
        .handle(verbs::kernel::LIST, CALLS, api.answer(Api::list))
        .handle(verbs::kernel::CANCEL, CALLS, api.answer(Api::cancel))
        .handle(verbs::kernel::HISTORY, CALLS, api.answer(Api::history))
        .handle(verbs::kernel::REVIEWS, CALLS, api.answer(Api::reviews))
        .handle(verbs::kernel::REVIEW, CALLS, api.answer(Api::review))
        .handle(verbs::kernel::CLAIM, CALLS, api.answer(Api::claim))
        .handle(verbs::kernel::DECIDE, CALLS, api.answer(Api::decide))
        .handle(verbs::kernel::RELEASE, CALLS, api.answer(Api::release))
        .handle(verbs::kernel::DELEGATE, CALLS, api.answer(Api::delegate))
        .handle(verbs::kernel::REASSIGN, CALLS, api.answer(Api::reassign))
        .handle(verbs::kernel::COMMENT, CALLS, api.answer(Api::comment))
        .handle(verbs::kernel::REVIEW_WORK, CALLS, api.answer(Api::review_work))
        .handle(verbs::kernel::REVIEW_KEYS, CALLS, api.answer(Api::review_keys))
        .handle(verbs::kernel::TERMINATE, CALLS, api.answer(Api::terminate))
        .handle(verbs::kernel::SIGNAL, CALLS, api.answer(Api::signal))
        .handle(verbs::kernel::UPDATE, CALLS, api.answer(Api::update))
        .handle(verbs::kernel::QUERY, CALLS, api.answer(Api::query))
        .handle(verbs::kernel::PAUSE, CALLS, api.answer(Api::pause))
        .handle(verbs::kernel::RESUME, CALLS, api.answer(Api::resume))
        .handle(verbs::kernel::PAUSES, CALLS, api.answer(Api::pauses))
        .handle(verbs::kernel::RESET, CALLS, api.answer(Api::reset))
        .handle(verbs::kernel::FORK, CALLS, api.answer(Api::fork))
        .handle(verbs::kernel::RETRY, CALLS, api.answer(Api::retry))
        .handle(verbs::kernel::MIGRATE, CALLS, api.answer(Api::migrate))
        .handle(verbs::kernel::BATCH_CREATE, CALLS, api.answer(Api::create_batch))
        .handle(verbs::kernel::BATCH, CALLS, api.answer(Api::batch))
        .handle(verbs::kernel::BATCHES, CALLS, api.answer(Api::batches))
        .handle(verbs::kernel::BATCH_PAUSE, CALLS, api.answer(Api::pause_batch))
        .handle(verbs::kernel::BATCH_RESUME, CALLS, api.answer(Api::resume_batch))
        .handle(verbs::kernel::BATCH_CANCEL, CALLS, api.answer(Api::cancel_batch))
        .handle(verbs::kernel::RETENTION, CALLS, api.answer(Api::retention))
        .handle(verbs::kernel::RETENTION_SET, CALLS, api.answer(Api::set_retention))
        .handle(verbs::kernel::RETENTION_REMOVE, CALLS, api.answer(Api::remove_retention))
        .handle(verbs::kernel::ARCHIVE, CALLS, api.answer(Api::archive))
        .handle_tenant(verbs::worker::OPEN, CALLS, api.serve(Api::open_work))
        .handle_tenant(verbs::worker::LEASE, CALLS, api.serve(Api::lease_work))
        .handle_tenant(verbs::worker::HEARTBEAT, CALLS, api.serve(Api::heartbeat_work))
        .handle_tenant(verbs::worker::FETCH, CALLS, api.serve(Api::fetch_work))
        .handle_tenant(verbs::worker::STORE, CALLS, api.serve(Api::store_work))
        .handle_tenant(verbs::worker::COMPLETE, CALLS, api.serve(Api::complete_work))
        .handle_tenant(verbs::worker::FAIL, CALLS, api.serve(Api::fail_work))
}

#[derive(Clone)]
struct Api {
    kernel: Arc<Kernel>,
}

impl Api {
    /// A method as a handler.
    fn answer<Req, Rep, F>(
        &self,
        method: fn(Self, CallContext, Req) -> F,
    ) -> impl Fn(CallContext, Req) -> F + Send + Sync + 'static
    where
        F: Future<Output = Result<Rep, Error>> + Send + 'static,
        Req: 'static,
    {
        let api = self.clone();
        move |context, request| method(api.clone(), context, request)
    }

    /// As [`Self::answer`], for calls of other systems.
    fn serve<Req, Rep, F>(
        &self,
        method: fn(Self, TenantId, Req) -> F,
    ) -> impl Fn(TenantId, Req) -> F + Send + Sync + 'static
    where
        F: Future<Output = Result<Rep, Error>> + Send + 'static,
        Req: 'static,
    {
        let api = self.clone();
        move |tenant, request| method(api.clone(), tenant, request)
    }
}

fn page(limit: u32, cursor: String) -> Page {
    let limit = if limit == 0 { PAGE_DEFAULT } else { limit.min(PAGE_MAX) };
    Page { before: Some(cursor).filter(|cursor| !cursor.is_empty()), limit: i64::from(limit) }
}

/// The cursor of the next page; empty: there is none.
fn next_cursor(last: Option<String>, found: usize, page_limit: i64) -> String {
    let full = i64::try_from(found).is_ok_and(|found| found >= page_limit);
    last.filter(|_| full).unwrap_or_default()
}
