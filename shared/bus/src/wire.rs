//! Encoding of requests, replies and errors. An error is a reply with the headers of the NATS services API and an
//! `Error` message as its body.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE};
use bytes::Bytes;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1;
use prost::Message;

pub(crate) fn encode_error(error: &Error, headers: &mut HeaderMap) -> Bytes {
    // A header is one line; the whole message is in the body.
    let line = error.message.replace(['\r', '\n'], " ");
    headers.insert(NATS_SERVICE_ERROR, line.as_str());
    headers.insert(NATS_SERVICE_ERROR_CODE, error.code.http_status().to_string());
    let retry_after_ms = error.retry_after.map_or(0, |after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    let body = v1::Error {
        code: error.code.as_str().to_owned(),
        message: error.message.clone(),
        retry_after_ms,
        detail_json: error.detail.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    body.encode_to_vec().into()
}

pub(crate) fn decode_reply<Rep: Message + Default>(message: &async_nats::Message) -> Result<Rep, Error> {
    let failed = message.headers.as_ref().is_some_and(|headers| headers.get(NATS_SERVICE_ERROR_CODE).is_some());
    if failed {
        return Err(decode_error(&message.payload));
    }
    decode(&message.payload)
}

fn decode_error(body: &[u8]) -> Error {
    let Ok(error) = v1::Error::decode(body) else {
        return Error::new(ErrorCode::Internal, "a service answered with an error that cannot be read");
    };
    let code = error.code.parse().unwrap_or(ErrorCode::Internal);
    Error {
        code,
        message: error.message,
        retry_after: (error.retry_after_ms > 0).then(|| Duration::from_millis(error.retry_after_ms)),
        detail: serde_json::from_str(&error.detail_json).ok(),
    }
}

pub(crate) fn decode<M: Message + Default>(payload: &[u8]) -> Result<M, Error> {
    M::decode(payload).map_err(|error| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("the message does not decode ({error}); check the sender's version"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_error_arrives_as_it_was_sent() {
        let sent = Error::new(ErrorCode::Overloaded, "queue full\nreally")
            .retry_after(Duration::from_millis(250))
            .detail(serde_json::json!({"waiting": 3}));
        let mut headers = HeaderMap::new();
        let body = encode_error(&sent, &mut headers);
        assert_eq!(decode_error(&body), sent);
        assert_eq!(headers.get(NATS_SERVICE_ERROR_CODE).unwrap().as_str(), "503");
    }

    #[test]
    fn a_body_that_is_no_error_is_an_internal_error_and_not_a_success() {
        assert_eq!(decode_error(&[0xff, 0xff]).code, ErrorCode::Internal);
    }
}
