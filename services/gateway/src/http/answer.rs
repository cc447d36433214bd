//! What handlers give back, and how values of the bus become JSON.

use actix_web::HttpResponse;
use orrery_types::UnixMillis;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Failure;

/// What a handler gives back.
pub type Answer = Result<HttpResponse, Failure>;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Where the next page begins; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A whole list.
    pub fn all(data: Vec<T>) -> Self {
        Self { data, next_cursor: None }
    }

    /// One page; an empty cursor says that it is the last.
    pub fn with_cursor(data: Vec<T>, cursor: String) -> Self {
        Self { data, next_cursor: present(cursor) }
    }
}

/// A time as clients see it; zero is one that has not come.
pub fn time(millis: u64) -> Option<String> {
    (millis > 0).then(|| UnixMillis(millis).to_string())
}

/// A text that is there.
pub fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// JSON that a service sent as text; text that is none stays what it is.
pub fn json(text: String) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    Some(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
