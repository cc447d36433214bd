//! Documents in the order in which they answer a query, in the shape that Cohere and Jina share.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InvokeReply, RerankInput, model_input, model_output};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::parameters::refuse_unknown;
use crate::http::{Answer, Call, Failure, Gateway, body};
use crate::models::{self, model_name, other_than};
use crate::routes::reading::{count, missing, object, text};

const DOCUMENTS_MAX: usize = 1000;

/// Documents to be put in order.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RerankRequest {
    /// A model that `GET /v1/models` lists, or `auto`.
    model: String,
    /// What they should answer.
    query: String,
    /// Up to 1000 texts, or objects with a `text`.
    #[schema(value_type = Vec<Object>)]
    documents: Vec<Value>,
    /// So many of the best. Default: all.
    top_n: Option<u32>,
    /// Whether results hold their documents. Default: false.
    return_documents: Option<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// The best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RerankAnswer {
    id: String,
    model: String,
    results: Vec<RankedDocument>,
    usage: RerankUsage,
}

/// A document in its place.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankedDocument {
    /// Into the documents as they came.
    index: u32,
    /// 0 to 1.
    relevance_score: f32,
    /// Where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<DocumentText>,
}

/// A document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DocumentText {
    text: String,
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct RerankUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl RerankRequest {
    fn input(self) -> Result<RerankInput, Failure> {
        refuse_unknown(&self.rest)?;
        if self.query.is_empty() {
            return Err(Failure::param("query", "query is empty; say what the documents should answer"));
        }
        if self.documents.is_empty() || self.documents.len() > DOCUMENTS_MAX {
            let rule = format!("documents holds {}; send 1 to {DOCUMENTS_MAX}", self.documents.len());
            return Err(Failure::param("documents", rule));
        }
        let read = |(index, document): (usize, &Value)| match document {
            Value::String(text) => Ok(text.clone()),
            other => {
                let at = format!("documents[{index}]");
                Ok(text(object(other, &at)?, "text", &at)?.ok_or_else(|| missing(&at, "text"))?.to_owned())
            }
        };
        Ok(RerankInput {
            query: self.query,
            documents: self.documents.iter().enumerate().map(read).collect::<Result<_, Failure>>()?,
            top_n: count("top_n", self.top_n, 1, u32::MAX)?.unwrap_or(0),
        })
    }
}

/// Puts documents in the order in which they answer a query.
#[utoipa::path(post, path = "/v1/rerank", tag = "openai", request_body = RerankRequest,
    responses((status = 200, body = RerankAnswer)))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: RerankRequest = body::json(&gateway, &request, payload).await?;
    let (model, with_documents) = (wanted.model.clone(), wanted.return_documents == Some(true));
    let input = wanted.input()?;
    let documents: Vec<DocumentText> = input.documents.iter().map(|text| DocumentText { text: text.clone() }).collect();
    let top_n = input.top_n;
    let invoke = models::invocation(&gateway, &call, &request, &model, model_input::Kind::Rerank(input))?;
    let reply = gateway.models.invoke(&call, invoke).await?;
    let results = results(&reply, &documents, top_n, with_documents)?;
    let mut response = HttpResponse::Ok();
    models::told(&mut response, &reply);
    let tokens = reply.usage.unwrap_or_default().input_tokens;
    Ok(response.json(RerankAnswer {
        id: format!("rerank-{}", Uuid::now_v7().simple()),
        model: model_name(&reply, &model),
        results,
        usage: RerankUsage { prompt_tokens: tokens, total_tokens: tokens },
    }))
}

fn results(
    reply: &InvokeReply,
    documents: &[DocumentText],
    top_n: u32,
    with_documents: bool,
) -> Result<Vec<RankedDocument>, Failure> {
    let Some(model_output::Kind::Rerank(ranked)) = reply.output.as_ref().and_then(|output| output.kind.as_ref()) else {
        return Err(other_than("documents in order"));
    };
    let place = |ranked: &orrery_proto::v1::Ranked| {
        let document = usize::try_from(ranked.index).ok().and_then(|index| documents.get(index));
        let document = document.ok_or_else(|| {
            Error::new(ErrorCode::ModelFailed, format!("the model ranks document {}, which there is not", ranked.index))
        })?;
        let document = with_documents.then(|| document.clone());
        Ok(RankedDocument { index: ranked.index, relevance_score: ranked.score, document })
    };
    let wanted = if top_n == 0 { documents.len() } else { usize::try_from(top_n).unwrap_or(usize::MAX) };
    ranked.results.iter().take(wanted).map(place).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<RerankInput, Option<String>> {
        let bytes = serde_json::to_vec(body).unwrap();
        let request: RerankRequest = body::parse(&bytes).map_err(|failure| failure.param)?;
        request.input().map_err(|failure| failure.param)
    }

    #[test]
    fn documents_are_texts_or_objects_with_one() {
        let input =
            read(&json!({"model": "m", "query": "q", "documents": ["a", {"text": "b", "id": 7}], "top_n": 1})).unwrap();
        assert_eq!((input.documents, input.top_n), (vec!["a".to_owned(), "b".to_owned()], 1));
        for (body, param) in [
            (json!({"model": "m", "query": "", "documents": ["a"]}), "query"),
            (json!({"model": "m", "query": 7, "documents": ["a"]}), "query"),
            (json!({"model": "m", "query": "q", "documents": []}), "documents"),
            (json!({"model": "m", "query": "q", "documents": "a"}), "documents"),
            (json!({"model": "m", "query": "q", "documents": [7]}), "documents[0]"),
            (json!({"model": "m", "query": "q", "documents": [{"title": "a"}]}), "documents[0].text"),
            (json!({"model": "m", "query": "q", "documents": ["a"], "top_n": 0}), "top_n"),
            (json!({"model": "m", "query": "q", "documents": ["a"], "colour": "red"}), "colour"),
        ] {
            assert_eq!(read(&body).unwrap_err().as_deref(), Some(param), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_list_breaks_the_reader(documents in crate::routes::reading::any_json()) {
            let _read = read(&json!({"model": "m", "query": "q", "documents": documents}));
            let _read = read(&json!({"model": "m", "query": "q", "documents": [documents]}));
        }
    }
}
