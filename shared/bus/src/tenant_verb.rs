//! Calls that other systems of a tenant make: the tenant stands in the subject, where the NATS user's permissions hold it
//! fast, and a message is protobuf or JSON, as its `Content-Type` says.

use std::marker::PhantomData;

use async_nats::HeaderMap;
use bytes::Bytes;
use orrery_errors::{Error, ErrorCode};
use orrery_types::TenantId;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::wire;

/// Header: the encoding of a message. Without it, protobuf.
const HEADER_CONTENT_TYPE: &str = "Content-Type";
const JSON: &str = "application/json";

/// A call of another system, with one reply.
#[derive(Debug)]
pub struct TenantVerb<Req, Rep> {
    /// The call's name.
    pub name: &'static str,
    /// Where requests of any tenant go, with a `*` where the tenant stands.
    pub subject: &'static str,
    /// Position of the tenant in the subject.
    token: usize,
    types: PhantomData<fn(Req) -> Rep>,
}

impl<Req, Rep> TenantVerb<Req, Rep> {
    pub(crate) const fn new(name: &'static str, subject: &'static str, token: usize) -> Self {
        Self { name, subject, token, types: PhantomData }
    }

    /// Where the requests of one tenant go.
    pub fn subject_of(&self, tenant: &TenantId) -> String {
        self.subject.replace('*', tenant.as_str())
    }

    pub(crate) fn tenant(&self, subject: &str) -> Result<TenantId, Error> {
        let name = subject.split('.').nth(self.token).unwrap_or_default();
        TenantId::new(name).map_err(|error| Error::new(ErrorCode::InvalidRequest, error.to_string()))
    }
}

impl<Req, Rep> Clone for TenantVerb<Req, Rep> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Req, Rep> Copy for TenantVerb<Req, Rep> {}

/// How a request is written, and so its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub(crate) fn of(headers: Option<&HeaderMap>) -> Self {
        let header = headers.and_then(|headers| headers.get(HEADER_CONTENT_TYPE));
        match header.is_some_and(|value| value.as_str().starts_with(JSON)) {
            true => Self::Json,
            false => Self::Protobuf,
        }
    }

    pub(crate) fn decode<M: Message + Default + DeserializeOwned>(self, payload: &[u8]) -> Result<M, Error> {
        match self {
            Self::Protobuf => wire::decode(payload),
            Self::Json => serde_json::from_slice(payload).map_err(|error| {
                Error::new(ErrorCode::InvalidRequest, format!("the message is not what this call takes: {error}"))
            }),
        }
    }

    pub(crate) fn encode<M: Message + Serialize>(self, reply: &M, headers: &mut HeaderMap) -> Result<Bytes, Error> {
        match self {
            Self::Protobuf => Ok(reply.encode_to_vec().into()),
            Self::Json => {
                headers.insert(HEADER_CONTENT_TYPE, JSON);
                let written = serde_json::to_vec(reply);
                written.map(Bytes::from).map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))
            }
        }
    }

    /// The body of an error; its headers are those of the NATS services API in either encoding.
    pub(crate) fn encode_error(self, error: &Error, headers: &mut HeaderMap) -> Bytes {
        let protobuf = wire::encode_error(error, headers);
        if self == Self::Protobuf {
            return protobuf;
        }
        headers.insert(HEADER_CONTENT_TYPE, JSON);
        let retry_after_ms = error.retry_after.map_or(0, |after| after.as_millis());
        let body = json!({
            "code": error.code.as_str(), "message": error.message, "retry_after_ms": retry_after_ms,
            "detail": error.detail,
        });
        body.to_string().into()
    }
}
