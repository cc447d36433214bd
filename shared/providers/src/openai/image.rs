//! Pictures in OpenAI's words: made from a description, changed, and varied.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{BlobRef, GeneratedImage, ImageInput, ImageOutput, ModelOutput, Usage, model_output};
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;

use super::server::Server;
use super::usage::UsageBody;
use crate::failure::{broken, unsupported};
use crate::{Answer, Order, estimate};

/// Longest picture that is read into memory; OpenAI takes 50 MB.
const IMAGE_BYTES_MAX: u64 = 50 << 20;

/// Which of OpenAI's two generations of models is spoken to: they take different words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ImageWords {
    /// By the model's name: `dall-e…` is the older one.
    #[default]
    ByName,
    /// `gpt-image-1` and later: always bytes; knows formats and backgrounds.
    Gpt,
    /// `dall-e-2` and `dall-e-3`, and most servers that are compatible: bytes only when asked; knows styles.
    DallE,
}

impl ImageWords {
    fn of(self, model: &str) -> Self {
        match self {
            Self::ByName if model.starts_with("dall-e") => Self::DallE,
            Self::ByName => Self::Gpt,
            other => other,
        }
    }
}

#[derive(Debug, Deserialize)]
struct ImageReply {
    #[serde(default)]
    model: Option<String>,
    data: Vec<Made>,
    #[serde(default)]
    output_format: Option<String>,
    #[serde(default)]
    usage: Option<UsageBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Made {
    b64_json: Option<String>,
    url: Option<String>,
    revised_prompt: Option<String>,
}

impl Server {
    pub(super) async fn draw(&self, order: &Order, input: &ImageInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let words = self.words().images.of(&order.upstream);
        refuse(name, input, words)?;
        let request = match input.operation.as_str() {
            "" | "generate" => self.generate(order, input, words),
            "edit" => self.change(order, input, words, "images/edits").await?,
            "vary" => self.change(order, input, words, "images/variations").await?,
            other => return Err(unsupported(name, &format!("the operation {other:?} on images"))),
        };
        let (reply, quota): (ImageReply, _) = self.upstream.exchange(request).await?;
        let usage = reply.usage.map(Usage::from).unwrap_or_default();
        let usage = Usage { images: reply.data.len() as u64, ..usage };
        let version = reply.model.clone().unwrap_or_default();
        let images = reply.images(&input.output_format).map_err(|what| broken(name, what))?;
        let output = ModelOutput { kind: Some(model_output::Kind::Image(ImageOutput { images })) };
        Ok(Answer { output, models: vec![estimate::identity(name, order, version)], usage, quota })
    }

    fn generate(&self, order: &Order, input: &ImageInput, words: ImageWords) -> RequestBuilder {
        let mut body: serde_json::Map<_, _> =
            fields(order, input, words).into_iter().map(|(field, value)| (field.to_owned(), value.into())).collect();
        if input.n > 1 {
            body.insert("n".to_owned(), input.n.into());
        }
        self.post("images/generations", order).json(&body)
    }

    async fn change(
        &self,
        order: &Order,
        input: &ImageInput,
        words: ImageWords,
        what: &str,
    ) -> Result<RequestBuilder, Error> {
        let mut form = Form::new();
        for (field, value) in fields(order, input, words) {
            form = form.text(field, value);
        }
        if input.n > 1 {
            form = form.text("n", input.n.to_string());
        }
        let field = if input.images.len() > 1 { "image[]" } else { "image" };
        for blob in &input.images {
            form = form.part(field, self.picture(order, blob).await?);
        }
        if let Some(mask) = &input.mask {
            form = form.part("mask", self.picture(order, mask).await?);
        }
        Ok(self.post(what, order).multipart(form))
    }

    async fn picture(&self, order: &Order, blob: &BlobRef) -> Result<Part, Error> {
        let extension = match blob.media_type.as_str() {
            "image/png" => "png",
            "image/jpeg" => "jpg",
            "image/webp" => "webp",
            other => return Err(unsupported(&self.upstream.name, &format!("{other:?} as an image"))),
        };
        let bytes = self.payloads.read(blob, IMAGE_BYTES_MAX, order.deadline).await?;
        let part = Part::bytes(bytes).file_name(format!("image.{extension}"));
        part.mime_str(&blob.media_type).map_err(|error| Error::new(ErrorCode::InvalidRequest, error.to_string()))
    }
}

fn refuse(provider: &str, input: &ImageInput, words: ImageWords) -> Result<(), Error> {
    let old = words == ImageWords::DallE;
    let (edit, vary) = (input.operation == "edit", input.operation == "vary");
    if (edit || vary) && input.images.is_empty() {
        return Err(Error::new(ErrorCode::InvalidRequest, "an image to be changed is missing; name it in images"));
    }
    let missing = [
        (!edit && !vary && !input.images.is_empty(), "images to generate from; edit them instead"),
        (!edit && input.mask.is_some(), "a mask without an edit"),
        (vary && input.images.len() > 1, "more than one image to vary"),
        (vary && !input.prompt.is_empty(), "a description with an image to vary"),
        (!old && !input.style.is_empty(), "a style of images"),
        (old && !input.background.is_empty(), "a background of images"),
        (old && !input.output_format.is_empty(), "a format of images"),
    ];
    match missing.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(unsupported(provider, what)),
        None => Ok(()),
    }
}

/// What a request says beside pictures and their number.
fn fields(order: &Order, input: &ImageInput, words: ImageWords) -> Vec<(&'static str, String)> {
    let bytes = if words == ImageWords::DallE { "b64_json" } else { "" };
    let all = [
        ("model", order.upstream.as_str()),
        ("prompt", &input.prompt),
        ("size", &input.size),
        ("quality", &input.quality),
        ("style", &input.style),
        ("background", &input.background),
        ("output_format", &input.output_format),
        ("user", &input.user),
        ("response_format", bytes),
    ];
    let said = all.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(field, value)| (field, value.to_owned())).collect()
}

impl ImageReply {
    fn images(self, wanted: &str) -> Result<Vec<GeneratedImage>, String> {
        let format = self.output_format.as_deref().unwrap_or(if wanted.is_empty() { "png" } else { wanted });
        let media_type = format!("image/{format}");
        let image = |made: Made| {
            let data = made.b64_json.map(|text| STANDARD.decode(text)).transpose();
            let data = data.map_err(|error| format!("an image is no base64: {error}"))?.unwrap_or_default();
            let url = made.url.unwrap_or_default();
            if data.is_empty() && url.is_empty() {
                return Err("an image has neither bytes nor an address".to_owned());
            }
            let revised_prompt = made.revised_prompt.unwrap_or_default();
            Ok(GeneratedImage { media_type: media_type.clone(), data, url, revised_prompt })
        };
        let images: Vec<_> = self.data.into_iter().map(image).collect::<Result<_, _>>()?;
        if images.is_empty() { Err("it made no image".to_owned()) } else { Ok(images) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openai::mangled;
    use proptest::prelude::*;

    #[test]
    fn each_generation_of_models_is_asked_only_for_what_it_knows() {
        let asked = |words, input: ImageInput| refuse("p", &input, words).map_err(|error| error.message);
        let style = ImageInput { style: "vivid".into(), ..ImageInput::default() };
        assert!(asked(ImageWords::Gpt, style.clone()).unwrap_err().contains("a style of images"));
        assert_eq!(asked(ImageWords::DallE, style), Ok(()));
        let clear = ImageInput { background: "transparent".into(), ..ImageInput::default() };
        assert!(asked(ImageWords::DallE, clear.clone()).unwrap_err().contains("a background"));
        assert_eq!(asked(ImageWords::Gpt, clear), Ok(()));
        let nothing = ImageInput { operation: "edit".into(), ..ImageInput::default() };
        assert!(asked(ImageWords::Gpt, nothing).unwrap_err().contains("is missing"));
        assert_eq!(ImageWords::ByName.of("dall-e-3"), ImageWords::DallE);
        assert_eq!(ImageWords::ByName.of("gpt-image-1"), ImageWords::Gpt);
    }

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(body in mangled(r#"{"data":[{"b64_json":"AQID","url":null}],"usage":{"input_tokens":1}}"#)) {
            if let Ok(reply) = serde_json::from_slice::<ImageReply>(&body) {
                let _ = reply.images("");
            }
        }
    }
}
