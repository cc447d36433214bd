//! Images: made from words, changed, varied.

mod order;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{GeneratedImage, ImageInput, InvokeReply, model_input, model_output};
use serde::Serialize;
use utoipa::ToSchema;

use super::unix_seconds;
use crate::http::multipart::{self, Form};
use crate::http::{Answer, Call, Failure, Gateway, body};
use crate::models::{self, other_than};

pub use order::ImageRequest;
use order::{Order, Shape};

/// Parts of a form that hold files.
const FILES: [&str; 3] = ["image", "image[]", "mask"];
const IMAGES_MAX: usize = 16;

/// The form of an image to be changed or varied.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // describes the form, which is read part by part
pub struct ImageForm {
    /// The image, or up to 16 as `image[]`.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    image: String,
    /// Where it may be changed.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    mask: Option<String>,
    /// What is to be seen; of a change only.
    prompt: Option<String>,
    /// A model that `GET /v1/models` lists. Default: `auto`.
    model: Option<String>,
    /// 1 to 10.
    n: Option<u32>,
    /// For example `1024x1024`.
    size: Option<String>,
    /// `b64_json` or `url`.
    response_format: Option<String>,
}

/// Images.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImageList {
    created: u64,
    data: Vec<ImageObject>,
}

/// An image: its bytes or its address.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImageObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    b64_json: Option<String>,
    /// Where the provider keeps it, or a `data:` URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revised_prompt: Option<String>,
}

/// Makes images from words.
#[utoipa::path(post, path = "/v1/images/generations", tag = "openai", request_body = ImageRequest,
    responses((status = 200, body = ImageList)))]
pub async fn generate(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: ImageRequest = body::json(&gateway, &request, payload).await?;
    answer(&gateway, &call, &request, wanted.order("generate")?).await
}

/// Changes images as words say.
#[utoipa::path(post, path = "/v1/images/edits", tag = "openai",
    request_body(content_type = "multipart/form-data", content = ImageForm),
    responses((status = 200, body = ImageList)))]
pub async fn edit(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    from_form(&gateway, &call, &request, payload, "edit").await
}

/// Varies an image.
#[utoipa::path(post, path = "/v1/images/variations", tag = "openai",
    request_body(content_type = "multipart/form-data", content = ImageForm),
    responses((status = 200, body = ImageList)))]
pub async fn vary(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    from_form(&gateway, &call, &request, payload, "vary").await
}

async fn from_form(
    gateway: &Gateway,
    call: &Call,
    request: &HttpRequest,
    payload: Payload,
    operation: &'static str,
) -> Answer {
    let _place = gateway.uploads.enter()?;
    let form = multipart::receive(gateway, request, payload, |part| !FILES.contains(&part)).await?;
    let Form { texts, files } = form;
    let mut order = ImageRequest::from_form(Form { texts, files: Vec::new() })?.order(operation)?;
    let (masks, images): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.field == "mask");
    let images_max = if operation == "vary" { 1 } else { IMAGES_MAX };
    if images.is_empty() || images.len() > images_max {
        let rule = format!("the form has {} parts `image`; send 1 to {images_max}", images.len());
        return Err(Failure::param("image", rule));
    }
    if masks.len() > 1 || (operation == "vary" && !masks.is_empty()) {
        return Err(Failure::param("mask", "a change has at most one mask, and a variation none"));
    }
    if let Some(file) = images.iter().chain(&masks).find(|file| !file.media_type.starts_with("image/")) {
        let wrong = format!("{} is {:?}, no image", file.field, file.media_type);
        return Err(Failure::param(&file.field, wrong));
    }
    for file in images {
        order.input.images.push(gateway.uploads.store(&gateway.bus, &call.identity.tenant, file).await?);
    }
    for file in masks {
        order.input.mask = Some(gateway.uploads.store(&gateway.bus, &call.identity.tenant, file).await?);
    }
    answer(gateway, call, request, order).await
}

async fn answer(gateway: &Gateway, call: &Call, request: &HttpRequest, order: Order) -> Answer {
    let Order { model, shape, input } = order;
    let invoke = models::invocation(gateway, call, request, &model, model_input::Kind::Image(input))?;
    let mut reply = gateway.models.invoke(call, invoke).await?;
    let data = images(&mut reply, shape)?;
    let mut response = HttpResponse::Ok();
    models::told(&mut response, &reply);
    Ok(response.json(ImageList { created: unix_seconds(), data }))
}

fn images(reply: &mut InvokeReply, shape: Shape) -> Result<Vec<ImageObject>, Failure> {
    match reply.output.take().and_then(|output| output.kind) {
        Some(model_output::Kind::Image(made)) => made.images.into_iter().map(|image| write(image, shape)).collect(),
        _ => Err(other_than("images")),
    }
}

fn write(image: GeneratedImage, shape: Shape) -> Result<ImageObject, Failure> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let revised_prompt = given(image.revised_prompt);
    let (b64_json, url) = match (shape, image.data.is_empty(), image.url.is_empty()) {
        (_, true, true) => return Err(other_than("an image")),
        (Shape::Bytes, true, false) => {
            let message = "the provider gave the address of an image, not its bytes; ask for response_format url";
            return Err(Error::new(ErrorCode::ModelFailed, message).into());
        }
        (Shape::Url | Shape::AsGiven, _, false) => (None, given(image.url)),
        (Shape::Url, false, true) => {
            let kind = given(image.media_type).unwrap_or_else(|| "image/png".to_owned());
            (None, Some(format!("data:{kind};base64,{}", STANDARD.encode(image.data))))
        }
        (Shape::Bytes | Shape::AsGiven, false, _) => (Some(STANDARD.encode(image.data)), None),
    };
    Ok(ImageObject { b64_json, url, revised_prompt })
}

/// What an order asks a model for.
fn asked(operation: &str, prompt: String) -> ImageInput {
    ImageInput { operation: operation.to_owned(), prompt, ..ImageInput::default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_image_is_written_as_it_was_asked_for() {
        let bytes = || GeneratedImage {
            media_type: "image/webp".to_owned(),
            data: b"hi".to_vec(),
            ..GeneratedImage::default()
        };
        let address = || GeneratedImage { url: "https://x.example/a".to_owned(), ..GeneratedImage::default() };
        assert_eq!(write(bytes(), Shape::AsGiven).unwrap().b64_json.as_deref(), Some("aGk="));
        assert_eq!(write(bytes(), Shape::Url).unwrap().url.as_deref(), Some("data:image/webp;base64,aGk="));
        assert_eq!(write(address(), Shape::AsGiven).unwrap().url.as_deref(), Some("https://x.example/a"));
        assert!(write(address(), Shape::Bytes).unwrap_err().error.message.contains("response_format"));
        assert!(write(GeneratedImage::default(), Shape::AsGiven).is_err());
    }
}
