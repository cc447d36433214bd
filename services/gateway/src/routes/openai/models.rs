//! The catalogue in OpenAI's shape, with what clients of Anthropic look for in theirs.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::CatalogueModel;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::answer::time;
use crate::http::{Answer, Call, Failure, Gateway};

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelObject {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: String,
    /// As Anthropic says what it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// As Anthropic calls it.
    display_name: String,
    /// When Anthropic says that it came.
    created_at: Option<String>,
    /// What OpenAI's shape has no place for.
    orrery: CatalogueView,
}

/// What the catalogue knows of a model.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueView {
    /// `local` or `external`.
    location: String,
    capabilities: Vec<String>,
    /// Classes of data that it may be given.
    data_classes: Vec<String>,
    input_nanos_per_token: u64,
    output_nanos_per_token: u64,
    healthy: bool,
}

/// A list of models.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    object: &'static str,
    data: Vec<ModelObject>,
    /// Always false.
    has_more: bool,
    first_id: Option<String>,
    last_id: Option<String>,
}

impl From<CatalogueModel> for ModelObject {
    fn from(model: CatalogueModel) -> Self {
        Self {
            display_name: model.name.clone(),
            id: model.name,
            object: "model",
            kind: "model",
            created_at: time(model.created.saturating_mul(1000)),
            created: model.created,
            owned_by: model.provider,
            orrery: CatalogueView {
                location: model.location,
                capabilities: model.capabilities,
                data_classes: model.data_classes,
                input_nanos_per_token: model.input_nanos_per_token,
                output_nanos_per_token: model.output_nanos_per_token,
                healthy: model.healthy,
            },
        }
    }
}

async fn catalogue(gateway: &Gateway, call: &Call) -> Result<Vec<ModelObject>, Failure> {
    Ok(gateway.models.list(call).await?.into_iter().map(ModelObject::from).collect())
}

/// The models that may be named.
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses((status = 200, body = ModelList)))]
pub async fn list(gateway: Data<Gateway>, call: Call) -> Answer {
    let data = catalogue(&gateway, &call).await?;
    let id = |model: Option<&ModelObject>| model.map(|model| model.id.clone());
    let (first_id, last_id) = (id(data.first()), id(data.last()));
    Ok(HttpResponse::Ok().json(ModelList { object: "list", data, has_more: false, first_id, last_id }))
}

/// One model.
#[utoipa::path(get, path = "/v1/models/{model}", tag = "openai", params(("model" = String, Path)),
    responses((status = 200, body = ModelObject)))]
pub async fn get(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let name = request.match_info().get("model").unwrap_or_default();
    let models = catalogue(&gateway, &call).await?;
    match models.into_iter().find(|model| model.id == name) {
        Some(model) => Ok(HttpResponse::Ok().json(model)),
        None => {
            let message = format!("there is no model {name:?}; `GET /v1/models` lists them");
            Err(Failure { param: Some("model".to_owned()), ..Error::new(ErrorCode::NotFound, message).into() })
        }
    }
}
