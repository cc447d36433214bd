//! Searching: the query is embedded, the index ranked on a thread of its own, and the answer given once the record of it
//! is durable.

use std::time::Instant;

use orrery_bus::CallContext;
use orrery_proto::v1::{Hit, ModelIdentity, SearchReply, SearchRequest};
use orrery_types::{TaskId, UnixMillis};
use tokio::task::spawn_blocking;

use super::Api;
use super::request::{self, Asker, invalid};
use crate::domain::index::{DENSE_WEIGHT, Found, Index, Model, Query};
use crate::domain::lexical::Terms;
use crate::error::RetrievalError;
use crate::records;

/// Longest query; a model reads less of it, the words count all the same.
const QUERY_BYTES_MAX: usize = 16 * 1024;
const TOP_K_DEFAULT: u32 = 5;
const TOP_K_MAX: u32 = 100;

impl Api {
    pub(super) async fn search(
        &self,
        context: CallContext,
        request: SearchRequest,
    ) -> Result<SearchReply, RetrievalError> {
        let began = Instant::now();
        let asker = Asker::of(request.caller.clone())?;
        let collection = asker.collection(&request.collection)?;
        let (top_k, dense_weight) = check(&request)?;
        let filter = request::filter(&asker, request.filter.clone())?;
        // Before the model is asked: a collection that is not there needs no embedding.
        self.known_index(&collection).await?;
        let embedded = self.models.embed(&context, std::slice::from_ref(&request.query)).await?;
        let vector = embedded.vectors.into_iter().next().unwrap_or_default();
        let index = self.known_index(&collection).await?;
        check_model(&index, &asker, &embedded.model)?;

        let query = Query { terms: Terms::of(&request.query), vector, top_k, dense_weight, filter };
        let searched = index.clone();
        let found = spawn_blocking(move || searched.search(&query)).await?;
        let outcome = (index.version, &embedded.model, found.as_slice());
        self.store.report(records::searched(&asker.tenant, &request, outcome, UnixMillis::now().0)).await?;
        metrics::histogram!("orrery_retrieval_search_seconds").record(began.elapsed().as_secs_f64());
        Ok(SearchReply {
            hits: found.iter().map(hit).collect(),
            collection_version: index.version,
            embedding_model: Some(identity(embedded.model)),
        })
    }
}

fn check(request: &SearchRequest) -> Result<(usize, f32), RetrievalError> {
    if request.query.trim().is_empty() {
        return Err(RetrievalError::Unnamed("query"));
    }
    if request.query.len() > QUERY_BYTES_MAX {
        return Err(invalid("query", &format!("at most {QUERY_BYTES_MAX} bytes")));
    }
    if !request.task_id.is_empty() {
        TaskId::new(&request.task_id).map_err(|error| invalid("task_id", &error.to_string()))?;
    }
    let top_k = match request.top_k {
        0 => TOP_K_DEFAULT,
        top_k if top_k <= TOP_K_MAX => top_k,
        _ => return Err(invalid("top_k", &format!("1 to {TOP_K_MAX}"))),
    };
    let dense_weight = request.dense_weight.unwrap_or(DENSE_WEIGHT);
    if !(0.0..=1.0).contains(&dense_weight) {
        return Err(invalid("dense_weight", "0 to 1"));
    }
    Ok((usize::try_from(top_k).unwrap_or_default(), dense_weight))
}

/// Vectors of different models do not compare; what the asker may not see is not named.
fn check_model(index: &Index, asker: &Asker, model: &Model) -> Result<(), RetrievalError> {
    let documents = index.documents(asker.roles.as_deref());
    let Some((document, _)) = documents.values().find(|(document, _)| document.model != *model) else { return Ok(()) };
    let name = |model: &Model| format!("{} {}", model.name, model.version);
    Err(RetrievalError::OtherModel { document: document.name.clone(), old: name(&document.model), new: name(model) })
}

fn hit(found: &Found) -> Hit {
    let entry = &found.entry;
    Hit {
        chunk_id: entry.id.clone(),
        chunk_digest: entry.digest.clone(),
        document: entry.document.name.clone(),
        document_digest: entry.document.digest.clone(),
        title: entry.document.title.clone(),
        section_path: entry.section_path.clone(),
        clause: entry.clause.clone(),
        text: entry.text.clone(),
        start: entry.start,
        end: entry.end,
        page: entry.page,
        score: f64::from(found.score),
        dense_score: f64::from(found.dense),
        lexical_score: f64::from(found.lexical),
    }
}

fn identity(model: Model) -> ModelIdentity {
    ModelIdentity { name: model.name, version: model.version, digest: model.digest, provider: model.provider }
}
