//! Providers' secrets: set, listed without their values, removed. A value is sealed here, before it goes to the router, and
//! stands in no answer.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_config::Secret;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ListSecretsRequest, RemoveSecretRequest, ResealSecretsReply, ResealSecretsRequest, SecretInfo, SetSecretRequest,
};
use orrery_vault::Place;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::answer::{Page, present, time};
use crate::http::{Answer, Call, Failure, Gateway, body, call};

/// A value to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretBody {
    /// As the provider gave it: one line of printable ASCII characters. White space around it is left out.
    value: String,
}

/// A secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretView {
    name: String,
    /// Counts the values that it has had. Not there where providers want it and nobody has set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// The key that seals it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set_at: Option<String>,
    /// `<tenant>/<principal>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_by: Option<String>,
    /// The providers of the catalogue that use it.
    providers: Vec<String>,
}

impl From<SecretInfo> for SecretView {
    fn from(secret: SecretInfo) -> Self {
        Self {
            name: secret.name,
            version: Some(secret.version).filter(|version| *version > 0),
            key_id: present(secret.key_id),
            set_at: time(secret.set_at_ms),
            set_by: present(secret.set_by),
            providers: secret.providers,
        }
    }
}

/// What was sealed anew.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResealView {
    /// The key that seals all of them now.
    key_id: String,
    /// Those that another key had sealed.
    resealed: Vec<String>,
    /// Those whose key the router does not have; set them again.
    unopened: Vec<String>,
}

impl From<ResealSecretsReply> for ResealView {
    fn from(reply: ResealSecretsReply) -> Self {
        Self { key_id: reply.key_id, resealed: reply.resealed, unopened: reply.unopened }
    }
}

/// Sets a secret of providers, or gives it another value. It holds for calls that begin afterwards.
#[utoipa::path(put, path = "/v1/admin/secrets/{name}", tag = "secrets", params(("name" = String, Path)),
    request_body = SecretBody, responses((status = 200, body = SecretView)))]
pub async fn set(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let name = call::name(&request, "name")?;
    body::expect_type(&request, "application/json", |kind| kind == "application/json")?;
    let bytes = body::whole(&gateway, &request, payload).await?;
    let keys = gateway.sealing_keys.load();
    let keys = keys.map_err(|error| Error::new(ErrorCode::FailedPrecondition, format!("gateway: {error}")))?;
    let value = read(&bytes)?;
    let sealed = keys.seal(Place::sent(&name), &value).map_err(|error| Error::internal(&error))?;
    let set = SetSecretRequest { caller: call.caller(), name, sealed };
    let reply = gateway.bus.call(verbs::router::SET_SECRET, &call.context(), &set).await?;
    Ok(HttpResponse::Ok().json(SecretView::from(reply.secret.unwrap_or_default())))
}

/// The value. What is wrong with a body is told in words that hold nothing of it.
fn read(bytes: &[u8]) -> Result<Secret, Failure> {
    let body: Result<SecretBody, _> = serde_json::from_slice(bytes);
    let body = body.map_err(|_| Failure::invalid("the body is not of the form {\"value\": \"…\"}"))?;
    let value = body.value.trim();
    if value.is_empty() {
        return Err(Failure::param("value", "the value is empty; remove the secret with DELETE".to_owned()));
    }
    Ok(Secret::new(value))
}

/// The secrets, and those that providers want and nobody has set. Values are never told.
#[utoipa::path(get, path = "/v1/admin/secrets", tag = "secrets", responses((status = 200, body = Page<SecretView>)))]
pub async fn list(gateway: Data<Gateway>, call: Call) -> Answer {
    let request = ListSecretsRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::router::SECRETS, &call.context(), &request).await?;
    Ok(HttpResponse::Ok().json(Page::all(reply.secrets.into_iter().map(SecretView::from).collect())))
}

/// Removes a secret, and answers with what it was. Models of providers that use it are unavailable from then on.
#[utoipa::path(delete, path = "/v1/admin/secrets/{name}", tag = "secrets", params(("name" = String, Path)),
    responses((status = 200, body = SecretView)))]
pub async fn remove(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let remove = RemoveSecretRequest { caller: call.caller(), name: call::name(&request, "name")? };
    let reply = gateway.bus.call(verbs::router::REMOVE_SECRET, &call.context(), &remove).await?;
    Ok(HttpResponse::Ok().json(SecretView::from(reply.secret.unwrap_or_default())))
}

/// Seals all secrets with the router's present key, so that keys before it are needed no more.
#[utoipa::path(post, path = "/v1/admin/reseal", tag = "secrets", responses((status = 200, body = ResealView)))]
pub async fn reseal(gateway: Data<Gateway>, call: Call) -> Answer {
    let request = ResealSecretsRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::router::RESEAL_SECRETS, &call.context(), &request).await?;
    Ok(HttpResponse::Ok().json(ResealView::from(reply)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bad_body_is_refused_without_a_word_of_it() {
        assert_eq!(read(b"{\"value\": \" sk-hunter2\\n\"}").unwrap().expose(), "sk-hunter2");
        let bad: [&[u8]; 5] = [
            b"\"sk-hunter2\"",
            b"{\"sk-hunter2\": 1}",
            b"{\"value\": [\"sk-hunter2\"]}",
            b"sk-hunter2",
            b"{\"value\": \"sk-hunter2\", \"sk-hunter2\": 0}",
        ];
        for body in bad {
            let refused = format!("{:?}", read(body).unwrap_err());
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        assert!(read(b"{\"value\": \"  \"}").is_err());
    }
}
