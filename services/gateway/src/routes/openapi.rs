//! The OpenAPI 3.1 document. A test holds it against the table of routes, in both directions.

use actix_web::HttpResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder, SecurityRequirement};
use utoipa::{Modify, OpenApi};

use super::{
    anthropic, audit, catalogue, control, decisions, identity, knowledge, limits, openai, retention, reviews, secrets,
    spend, system, task_batches, task_events, tasks, workflows,
};
use crate::http::Answer;
use crate::http::failure::{AnthropicErrorBody, ErrorBody, OpenAiErrorBody};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orrery",
        description = "Tasks, reviews, knowledge, audit, spend, and model calls as OpenAI and Anthropic have them. Every call but this \
                       document needs `Authorization: Bearer ok_…` or `x-api-key: ok_…`. `Orrery-Deadline-Ms` says how long you will wait; \
                       `Orrery-Trace-Id` in the answer leads to logs and traces."
    ),
    paths(
        serve,
        identity::me, identity::create_key, identity::list_keys, identity::revoke_key,
        identity::create_tenant, identity::list_tenants,
        tasks::submit, tasks::list, tasks::get, tasks::cancel, task_events::follow,
        control::terminate, control::signal, control::update, control::query, control::state,
        control::pause_task, control::resume_task, control::pause_workflow, control::resume_workflow,
        control::pause_tenant, control::pauses, control::resume_tenant,
        control::reset, control::fork, control::retry, control::migrate,
        task_batches::create, task_batches::list, task_batches::get, task_batches::pause, task_batches::resume,
        task_batches::cancel,
        retention::get, retention::set, retention::remove, retention::archive,
        workflows::deploy, workflows::list,
        reviews::list, reviews::work, reviews::keys, reviews::get, reviews::claim, reviews::release, reviews::delegate,
        reviews::reassign, reviews::comment, reviews::decide,
        knowledge::collections, knowledge::documents, knowledge::search, knowledge::ingest, knowledge::delete,
        audit::explain, audit::proof, audit::checkpoint, audit::export,
        spend::get, spend::set_budget, limits::list, limits::set, limits::remove, decisions::stats, decisions::replay,
        catalogue::get, secrets::set, secrets::list, secrets::remove, secrets::reseal,
        system::status,
        openai::models::list, openai::models::get, anthropic::messages::create, anthropic::count_tokens::count,
        openai::chat::complete, openai::completions::create, openai::responses::create, openai::embeddings::create,
        openai::transcriptions::create, openai::transcriptions::translate,
        openai::rerank::create, openai::moderations::create, openai::images::generate, openai::images::edit,
        openai::images::vary,
        openai::files::create, openai::files::list, openai::files::get, openai::files::delete, openai::files::content,
        openai::batches::create, openai::batches::list, openai::batches::get, openai::batches::cancel,
    ),
    components(schemas(ErrorBody, OpenAiErrorBody, AnthropicErrorBody)),
    modifiers(&Promises)
)]
struct Document;

/// What holds for all routes: the key, and the shape of errors.
struct Promises;

impl Modify for Promises {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", bearer);
        for item in document.paths.paths.values_mut() {
            let operations =
                [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().filter_map(Option::as_mut);
            operations.for_each(promise);
        }
    }
}

fn promise(operation: &mut Operation) {
    let tags = operation.tags.clone().unwrap_or_default();
    if tags.iter().all(|tag| tag != "document") {
        operation.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    }
    let shape = match tags.first().map(String::as_str) {
        Some("openai") => "OpenAiErrorBody",
        Some("anthropic") => "AnthropicErrorBody",
        _ => "ErrorBody",
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(shape))).build();
    let failed =
        ResponseBuilder::new().description("what went wrong, and what to do").content("application/json", content);
    operation.responses.responses.insert("default".to_owned(), failed.build().into());
}

/// The document as JSON.
pub fn document() -> Result<String, serde_json::Error> {
    Document::openapi().to_pretty_json()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "document", responses((status = 200, body = Object)))]
pub async fn serve() -> Answer {
    let document = document().map_err(|error| orrery_errors::Error::internal(&error))?;
    Ok(HttpResponse::Ok().content_type("application/json").body(document))
}
