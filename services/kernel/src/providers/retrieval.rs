//! Knowledge: passages of a collection, found on behalf of who submitted the task.

use async_trait::async_trait;
use orrery_bus::{Bus, CallContext, verbs};
use orrery_errors::Error;
use orrery_proto::v1::{Hit, SearchFilter, SearchRequest};
use orrery_types::UnixMillis;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::router::caller;
use super::{Failure, Provider};
use crate::domain::command::{Reply, Run};
use crate::domain::effect::Call;

/// Calls the retrieval service.
pub struct Retrieval {
    bus: Bus,
}

impl Retrieval {
    pub(super) fn new(bus: Bus) -> Self {
        Self { bus }
    }
}

#[async_trait]
impl Provider for Retrieval {
    async fn call(&self, run: &Run, call: &Call, deadline: UnixMillis) -> Result<Reply, Failure> {
        let arguments = Arguments(call);
        arguments.required("collection")?;
        arguments.required("query")?;
        let request = SearchRequest {
            caller: Some(caller(run)),
            task_id: run.id.to_string(),
            step: call.pointer.to_string(),
            collection: arguments.text("collection")?,
            query: arguments.text("query")?,
            top_k: u32::try_from(arguments.whole("top_k")?.unwrap_or(0)).unwrap_or(u32::MAX),
            filter: filter(&arguments)?,
            dense_weight: arguments.number("dense_weight")?,
        };
        let context = CallContext::until(deadline).with_key(&*call.key);
        let reply = self.bus.call(verbs::retrieval::SEARCH, &context, &request).await?;
        let model = reply.embedding_model.unwrap_or_default();
        let output = json!({
            "hits": reply.hits.iter().map(hit).collect::<Vec<_>>(),
            "collection_version": reply.collection_version,
            "embedding_model": { "name": model.name, "version": model.version, "digest": model.digest },
        });
        Ok(Reply { output, decisions: Vec::new() })
    }
}

fn filter(arguments: &Arguments<'_>) -> Result<Option<SearchFilter>, Error> {
    let Some(filter) = arguments.get("filter") else { return Ok(None) };
    let texts = |field: &str| {
        let wrong = || arguments.wrong(&format!("`filter.{field}` must be a list of texts"));
        match filter.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    };
    Ok(Some(SearchFilter { documents: texts("documents")?, sections: texts("sections")? }))
}

fn hit(hit: &Hit) -> Value {
    json!({
        "chunk_id": hit.chunk_id, "chunk_digest": hit.chunk_digest,
        "document": hit.document, "document_digest": hit.document_digest,
        "title": hit.title, "section_path": hit.section_path, "clause": hit.clause, "text": hit.text,
        "start": hit.start, "end": hit.end, "page": hit.page,
        "score": hit.score, "dense_score": hit.dense_score, "lexical_score": hit.lexical_score,
    })
}
