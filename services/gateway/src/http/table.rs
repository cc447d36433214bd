//! The one table of routes: method, pattern, who may, and the handler. What is not in it does not exist, and the OpenAPI
//! document is held against it.

use std::collections::HashSet;
use std::sync::LazyLock;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use orrery_errors::{Error, ErrorCode};

use super::failure::Dialect;
use super::{Answer, Failure};
use crate::domain::role::Access::{self, AnyRole, Of, Public};
use crate::domain::role::Role::{Admin, Auditor, Developer, Operator, Reviewer};
use crate::routes;

/// One method of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// As HTTP writes it.
    pub method: &'static str,
    /// With its parts in braces.
    pub pattern: &'static str,
    /// Who may.
    pub access: Access,
}

macro_rules! table {
    ($($pattern:literal { $($method:ident $access:expr => $handler:path;)+ })+) => {
        const ROUTES: &[Route] = &[$($(
            Route { method: stringify!($method), pattern: $pattern, access: $access },
        )+)+];

        /// Hands every route to the server.
        pub fn register(config: &mut ServiceConfig) {
            $(config.service(
                web::resource($pattern)$(.route(web::method(Method::$method).to($handler)))+
                    .default_service(web::to(not_found)),
            );)+
        }
    };
}

// Calls to models come first: paths are tried in this order, and these are asked for a thousand times as often.
table! {
    "/v1/models" { GET Of(&[Developer, Admin]) => routes::openai::models::list; }
    "/v1/models/{model}" { GET Of(&[Developer, Admin]) => routes::openai::models::get; }
    "/v1/chat/completions" { POST Of(&[Developer, Admin]) => routes::openai::chat::complete; }
    "/v1/completions" { POST Of(&[Developer, Admin]) => routes::openai::completions::create; }
    "/v1/responses" { POST Of(&[Developer, Admin]) => routes::openai::responses::create; }
    "/v1/messages" { POST Of(&[Developer, Admin]) => routes::anthropic::messages::create; }
    "/v1/messages/count_tokens" { POST Of(&[Developer, Admin]) => routes::anthropic::count_tokens::count; }
    "/v1/embeddings" { POST Of(&[Developer, Admin]) => routes::openai::embeddings::create; }
    "/v1/rerank" { POST Of(&[Developer, Admin]) => routes::openai::rerank::create; }
    "/v1/moderations" { POST Of(&[Developer, Admin]) => routes::openai::moderations::create; }
    "/v1/images/generations" { POST Of(&[Developer, Admin]) => routes::openai::images::generate; }
    "/v1/images/edits" { POST Of(&[Developer, Admin]) => routes::openai::images::edit; }
    "/v1/images/variations" { POST Of(&[Developer, Admin]) => routes::openai::images::vary; }
    "/v1/audio/translations" { POST Of(&[Developer, Admin]) => routes::openai::transcriptions::translate; }
    "/v1/audio/transcriptions" { POST Of(&[Developer, Admin]) => routes::openai::transcriptions::create; }
    "/v1/files" {
        POST Of(&[Developer, Admin]) => routes::openai::files::create;
        GET Of(&[Developer, Admin]) => routes::openai::files::list;
    }
    "/v1/files/{id}" {
        GET Of(&[Developer, Admin]) => routes::openai::files::get;
        DELETE Of(&[Developer, Admin]) => routes::openai::files::delete;
    }
    "/v1/files/{id}/content" { GET Of(&[Developer, Admin]) => routes::openai::files::content; }
    "/v1/batches" {
        POST Of(&[Developer, Admin]) => routes::openai::batches::create;
        GET Of(&[Developer, Admin]) => routes::openai::batches::list;
    }
    "/v1/batches/{id}" { GET Of(&[Developer, Admin]) => routes::openai::batches::get; }
    "/v1/batches/{id}/cancel" { POST Of(&[Developer, Admin]) => routes::openai::batches::cancel; }
    "/openapi.json" { GET Public => routes::openapi::serve; }
    "/v1/me" { GET AnyRole => routes::identity::me; }
    "/v1/admin/keys" {
        POST Of(&[Admin, Operator]) => routes::identity::create_key;
        GET Of(&[Admin]) => routes::identity::list_keys;
    }
    "/v1/admin/keys/{id}" { DELETE Of(&[Admin]) => routes::identity::revoke_key; }
    "/v1/admin/tenants" {
        POST Of(&[Operator]) => routes::identity::create_tenant;
        GET Of(&[Operator]) => routes::identity::list_tenants;
    }
    "/v1/admin/catalogue" { GET Of(&[Admin, Operator]) => routes::catalogue::get; }
    "/v1/admin/secrets" { GET Of(&[Operator]) => routes::secrets::list; }
    "/v1/admin/secrets/{name}" {
        PUT Of(&[Operator]) => routes::secrets::set;
        DELETE Of(&[Operator]) => routes::secrets::remove;
    }
    "/v1/admin/reseal" { POST Of(&[Operator]) => routes::secrets::reseal; }
    "/v1/tasks" {
        POST Of(&[Developer, Admin]) => routes::tasks::submit;
        GET AnyRole => routes::tasks::list;
    }
    "/v1/tasks/{id}" { GET AnyRole => routes::tasks::get; }
    "/v1/tasks/{id}/cancel" { POST Of(&[Developer, Admin]) => routes::tasks::cancel; }
    "/v1/tasks/{id}/terminate" { POST Of(&[Developer, Admin]) => routes::control::terminate; }
    "/v1/tasks/{id}/signals/{name}" { POST Of(&[Developer, Admin]) => routes::control::signal; }
    "/v1/tasks/{id}/updates/{name}" { POST Of(&[Developer, Admin]) => routes::control::update; }
    "/v1/tasks/{id}/queries/{name}" { POST AnyRole => routes::control::query; }
    "/v1/tasks/{id}/state" { GET AnyRole => routes::control::state; }
    "/v1/tasks/{id}/pause" { POST Of(&[Developer, Admin]) => routes::control::pause_task; }
    "/v1/tasks/{id}/resume" { POST Of(&[Developer, Admin]) => routes::control::resume_task; }
    "/v1/tasks/{id}/reset" { POST Of(&[Developer, Admin]) => routes::control::reset; }
    "/v1/tasks/{id}/fork" { POST Of(&[Developer, Admin]) => routes::control::fork; }
    "/v1/tasks/{id}/retry" { POST Of(&[Developer, Admin]) => routes::control::retry; }
    "/v1/tasks/{id}/migrate" { POST Of(&[Developer, Admin]) => routes::control::migrate; }
    "/v1/task-batches" {
        POST Of(&[Developer, Admin]) => routes::task_batches::create;
        GET AnyRole => routes::task_batches::list;
    }
    "/v1/task-batches/{id}" { GET AnyRole => routes::task_batches::get; }
    "/v1/task-batches/{id}/pause" { POST Of(&[Developer, Admin]) => routes::task_batches::pause; }
    "/v1/task-batches/{id}/resume" { POST Of(&[Developer, Admin]) => routes::task_batches::resume; }
    "/v1/task-batches/{id}/cancel" { POST Of(&[Developer, Admin]) => routes::task_batches::cancel; }
    "/v1/retention" {
        GET AnyRole => routes::retention::get;
        PUT Of(&[Admin]) => routes::retention::set;
        DELETE Of(&[Admin]) => routes::retention::remove;
    }
    "/v1/tasks/{id}/archive" { GET AnyRole => routes::retention::archive; }
    "/v1/pause" {
        POST Of(&[Admin]) => routes::control::pause_tenant;
        GET AnyRole => routes::control::pauses;
        DELETE Of(&[Admin]) => routes::control::resume_tenant;
    }
    "/v1/workflows/{name}/pause" { POST Of(&[Developer, Admin]) => routes::control::pause_workflow; }
    "/v1/workflows/{name}/resume" { POST Of(&[Developer, Admin]) => routes::control::resume_workflow; }
    "/v1/tasks/{id}/events" { GET AnyRole => routes::task_events::follow; }
    "/v1/workflows" {
        POST Of(&[Developer, Admin]) => routes::workflows::deploy;
        GET AnyRole => routes::workflows::list;
    }
    "/v1/reviews" { GET Of(&[Reviewer, Admin]) => routes::reviews::list; }
    "/v1/reviews/work" { GET Of(&[Reviewer, Admin]) => routes::reviews::work; }
    "/v1/reviews/keys" { GET AnyRole => routes::reviews::keys; }
    "/v1/reviews/{id}" { GET AnyRole => routes::reviews::get; }
    "/v1/reviews/{id}/claim" { POST Of(&[Reviewer, Admin]) => routes::reviews::claim; }
    "/v1/reviews/{id}/release" { POST Of(&[Reviewer, Admin]) => routes::reviews::release; }
    "/v1/reviews/{id}/delegate" { POST Of(&[Reviewer, Admin]) => routes::reviews::delegate; }
    "/v1/reviews/{id}/reassign" { POST Of(&[Reviewer, Admin]) => routes::reviews::reassign; }
    "/v1/reviews/{id}/comments" { POST AnyRole => routes::reviews::comment; }
    "/v1/reviews/{id}/decide" { POST Of(&[Reviewer, Admin]) => routes::reviews::decide; }
    "/v1/knowledge" { GET AnyRole => routes::knowledge::collections; }
    "/v1/knowledge/{collection}" { GET AnyRole => routes::knowledge::documents; }
    "/v1/knowledge/{collection}/search" { POST AnyRole => routes::knowledge::search; }
    "/v1/knowledge/{collection}/{document}" {
        PUT Of(&[Developer, Admin]) => routes::knowledge::ingest;
        DELETE Of(&[Developer, Admin]) => routes::knowledge::delete;
    }
    "/v1/audit/tasks/{id}/explain" { GET AnyRole => routes::audit::explain; }
    "/v1/audit/tasks/{id}/proof" { GET AnyRole => routes::audit::proof; }
    "/v1/audit/checkpoint" { GET AnyRole => routes::audit::checkpoint; }
    "/v1/audit/export" { GET Of(&[Auditor, Admin]) => routes::audit::export; }
    "/v1/spend" { GET Of(&[Admin, Auditor, Developer]) => routes::spend::get; }
    "/v1/budget" { PUT Of(&[Admin]) => routes::spend::set_budget; }
    "/v1/limits" { GET Of(&[Admin, Auditor, Developer]) => routes::limits::list; }
    "/v1/limits/{id}" {
        PUT Of(&[Admin]) => routes::limits::set;
        DELETE Of(&[Admin]) => routes::limits::remove;
    }
    "/v1/stats/models" { GET Of(&[Admin, Auditor, Developer]) => routes::decisions::stats; }
    "/v1/decisions/{id}" { GET Of(&[Admin, Auditor, Developer]) => routes::decisions::replay; }
    "/v1/system/status" { GET Of(&[Admin]) => routes::system::status; }
}

/// Paths under which errors have OpenAI's shape.
const OPENAI: [&str; 11] = [
    "/v1/models",
    "/v1/chat/",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/moderations",
    "/v1/images/",
    "/v1/audio/",
    "/v1/files",
    "/v1/batches",
];
/// The path under which they have Anthropic's.
const ANTHROPIC: &str = "/v1/messages";

/// Every route.
pub fn routes() -> &'static [Route] {
    ROUTES
}

/// What the table says of a request.
#[derive(Debug, Clone)]
pub enum Routed {
    /// There is a handler.
    Found(&'static Route),
    /// The path is there, for other methods.
    WrongMethod {
        /// The path.
        pattern: &'static str,
        /// Separated by commas.
        allowed: String,
    },
    /// No such path.
    Nothing,
}

impl Routed {
    /// The pattern, for metrics and records; never what a client made up.
    pub fn pattern(&self) -> &'static str {
        match self {
            Self::Found(route) => route.pattern,
            Self::WrongMethod { pattern, .. } => pattern,
            Self::Nothing => "none",
        }
    }

    /// Whether a model is asked: what is created in the dialects of models, but for files and batches of calls, which wait.
    pub fn asks_a_model(&self, dialect: Dialect) -> bool {
        let Self::Found(route) = self else { return false };
        let waits = ["/v1/files", "/v1/batches"].iter().any(|path| route.pattern.starts_with(path));
        dialect != Dialect::Orrery && route.method == "POST" && !waits
    }

    /// The shape of errors.
    pub fn dialect(&self, path: &str) -> Dialect {
        if path.starts_with(ANTHROPIC) {
            Dialect::Anthropic
        } else if OPENAI.iter().any(|prefix| path.starts_with(prefix)) {
            Dialect::OpenAi
        } else {
            Dialect::Orrery
        }
    }
}

/// Paths without parts, which need no pattern to be matched.
static PLAIN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| ROUTES.iter().map(|route| route.pattern).filter(|pattern| !pattern.contains('{')).collect());

/// Looks a request up.
pub fn route(request: &ServiceRequest) -> Routed {
    let plain = PLAIN.get(request.path()).map(|pattern| (*pattern).to_owned());
    let Some(pattern) = plain.or_else(|| request.match_pattern()) else { return Routed::Nothing };
    let mut of_path = ROUTES.iter().filter(|route| route.pattern == pattern);
    let method = request.method().as_str();
    if let Some(route) = of_path.clone().find(|route| route.method == method) {
        return Routed::Found(route);
    }
    let allowed = of_path.clone().map(|route| route.method).collect::<Vec<_>>().join(", ");
    match of_path.next() {
        Some(route) => Routed::WrongMethod { pattern: route.pattern, allowed },
        None => Routed::Nothing,
    }
}

/// For paths that are not in the table; admission has answered them already.
pub async fn not_found() -> Answer {
    Err(Failure::from(Error::new(ErrorCode::NotFound, "there is no such path; /openapi.json lists all")))
}
