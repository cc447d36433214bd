//! The calls of OpenAI's interface, such that its own packages work unchanged. What cannot be done is refused by name,
//! never ignored in silence; what changes nothing about an answer may be sent and is not used.

pub mod batches;
pub mod chat;
pub mod completions;
pub mod embeddings;
pub mod files;
pub mod images;
pub mod models;
pub mod moderations;
mod parameters;
pub mod rerank;
pub mod responses;
mod subtitles;
mod tokens;
pub mod transcriptions;

use orrery_errors::Error;
use orrery_proto::v1::InvokeReply;
use orrery_types::UnixMillis;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::batch::Endpoint;
use crate::http::{Call, Failure, Gateway, body};
use crate::models::{Terms, Whole};
use crate::routes::reading::count;

/// One page of a list, as OpenAI writes it: the next begins after its last item.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListObject<T> {
    /// Always `list`.
    object: &'static str,
    data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

impl<T> ListObject<T> {
    /// Of items of which one more than `limit` was read, if there are more.
    fn of(mut items: Vec<T>, limit: usize, id: impl Fn(&T) -> String) -> Self {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let (first_id, last_id) = (items.first().map(&id), items.last().map(&id));
        Self { object: "list", data: items, first_id, last_id, has_more }
    }
}

/// How many items a page has.
fn page(asked: Option<u32>, default: u32, max: u32) -> Result<usize, Failure> {
    let limit = count("limit", asked, 1, max)?.unwrap_or(default);
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// A time of a column as OpenAI tells it; zero is one that has not come.
fn seconds(millis: i64) -> Option<u64> {
    u64::try_from(millis / 1_000).ok().filter(|seconds| *seconds > 0)
}

fn unix_seconds() -> u64 {
    UnixMillis::now().0 / 1000
}

/// Answers a request as its endpoint does, whole: the body in JSON, and the reply that it was made from. For requests that come
/// in files.
pub async fn answer(
    endpoint: Endpoint,
    gateway: &Gateway,
    call: &Call,
    terms: &Terms,
    body: &[u8],
) -> Result<(String, InvokeReply), Failure> {
    match endpoint {
        Endpoint::Chat => written(chat::whole(gateway, call, terms, body::parse(body)?).await?),
        Endpoint::Completions => written(completions::whole(gateway, call, terms, body::parse(body)?).await?),
        Endpoint::Embeddings => written(embeddings::whole(gateway, call, terms, body::parse(body)?).await?),
        Endpoint::Responses => written(responses::whole(gateway, call, terms, body::parse(body)?).await?),
        Endpoint::Moderations => written(moderations::whole(gateway, call, terms, body::parse(body)?).await?),
    }
}

fn written<T: Serialize>(whole: Whole<T>) -> Result<(String, InvokeReply), Failure> {
    let body = serde_json::to_string(&whole.body).map_err(|error| Error::internal(&error))?;
    Ok((body, whole.reply))
}
