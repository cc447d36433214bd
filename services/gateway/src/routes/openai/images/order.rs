//! What is asked of a model of images: read, checked, and put into the platform's shape.

use orrery_proto::v1::ImageInput;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::parameters::{refuse_unknown, unsupported};
use super::asked;
use crate::http::Failure;
use crate::http::multipart::Form;
use crate::routes::reading::count;

const COUNT_MAX: u32 = 10;
const PROMPT_BYTES_MAX: usize = 128 * 1024;
const WORD_BYTES_MAX: usize = 32;
/// Taken without effect.
const WITHOUT_EFFECT: [&str; 2] = ["moderation", "input_fidelity"];

/// Images to be made from words.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ImageRequest {
    /// What is to be seen.
    prompt: Option<String>,
    /// A model that `GET /v1/models` lists. Default: `auto`.
    model: Option<String>,
    /// 1 to 10.
    n: Option<u32>,
    /// For example `1024x1024`, or `auto`.
    size: Option<String>,
    /// As the model names it, for example `high`.
    quality: Option<String>,
    /// As the model names it, for example `vivid`.
    style: Option<String>,
    /// `transparent`, `opaque` or `auto`.
    background: Option<String>,
    /// `png`, `jpeg` or `webp`.
    output_format: Option<String>,
    /// `b64_json` or `url`. Default: as the provider gives it.
    response_format: Option<String>,
    /// The caller's own end user.
    user: Option<String>,
    /// Refused when true.
    stream: Option<bool>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// How images are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As base64.
    Bytes,
    /// By their address.
    Url,
    /// As the provider gave them.
    AsGiven,
}

/// What is asked for.
#[derive(Debug)]
pub struct Order {
    /// A model or `auto`.
    pub model: String,
    /// How the images are told.
    pub shape: Shape,
    /// In the platform's shape, without files.
    pub input: ImageInput,
}

impl ImageRequest {
    /// Out of the texts of a form.
    pub fn from_form(mut form: Form) -> Result<Self, Failure> {
        let n = form.take("n")?.map(|n| n.parse()).transpose();
        let n = n.map_err(|_| Failure::param("n", format!("n is no number from 1 to {COUNT_MAX}")))?;
        let mut request = Self {
            prompt: form.take("prompt")?,
            model: form.take("model")?,
            n,
            size: form.take("size")?,
            quality: form.take("quality")?,
            style: form.take("style")?,
            background: form.take("background")?,
            output_format: form.take("output_format")?,
            response_format: form.take("response_format")?,
            user: form.take("user")?,
            stream: form.take("stream")?.map(|stream| stream != "false"),
            rest: Map::new(),
        };
        request.rest.extend(form.texts.into_iter().map(|(name, values)| (name, Value::from(values))));
        Ok(request)
    }

    /// In the platform's shape.
    pub fn order(mut self, operation: &'static str) -> Result<Order, Failure> {
        if self.stream == Some(true) {
            return Err(unsupported("stream"));
        }
        self.rest.retain(|name, _| !WITHOUT_EFFECT.contains(&name.as_str()));
        refuse_unknown(&self.rest)?;
        let shape = match self.response_format.as_deref() {
            None | Some("") => Shape::AsGiven,
            Some("b64_json") => Shape::Bytes,
            Some("url") => Shape::Url,
            Some(other) => {
                let rule = format!("response_format is {other:?}; use b64_json or url");
                return Err(Failure::param("response_format", rule));
            }
        };
        let prompt = self.prompt.unwrap_or_default();
        match (operation, prompt.is_empty()) {
            ("vary", false) => return Err(Failure::param("prompt", "a variation takes no prompt; leave it out")),
            ("generate" | "edit", true) => {
                return Err(Failure::param("prompt", "prompt is missing; say what is to be seen"));
            }
            _ => {}
        }
        if prompt.len() > PROMPT_BYTES_MAX {
            return Err(Failure::param("prompt", format!("prompt has more than {PROMPT_BYTES_MAX} bytes")));
        }
        Ok(Order {
            model: self.model.filter(|model| !model.is_empty()).unwrap_or_else(|| "auto".to_owned()),
            shape,
            input: ImageInput {
                n: count("n", self.n, 1, COUNT_MAX)?.unwrap_or(0),
                size: word("size", self.size)?,
                quality: word("quality", self.quality)?,
                style: word("style", self.style)?,
                background: word("background", self.background)?,
                output_format: output_format(self.output_format)?,
                user: self.user.unwrap_or_default(),
                ..asked(operation, prompt)
            },
        })
    }
}

/// A word that the model knows; what it is the model judges.
fn word(name: &str, value: Option<String>) -> Result<String, Failure> {
    let value = value.unwrap_or_default();
    if value.len() > WORD_BYTES_MAX
        || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    {
        return Err(Failure::param(name, format!("{name} is no word; for example 1024x1024 or high")));
    }
    Ok(value)
}

fn output_format(value: Option<String>) -> Result<String, Failure> {
    match value.as_deref().unwrap_or_default() {
        format @ ("" | "png" | "jpeg" | "webp") => Ok(format.to_owned()),
        other => Err(Failure::param("output_format", format!("output_format is {other:?}; use png, jpeg or webp"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::body;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(body: &Value, operation: &'static str) -> Result<Order, Option<String>> {
        let bytes = serde_json::to_vec(body).unwrap();
        let request: ImageRequest = body::parse(&bytes).map_err(|failure| failure.param)?;
        request.order(operation).map_err(|failure| failure.param)
    }

    #[test]
    fn orders_are_read_and_faults_are_named() {
        let order =
            read(&json!({"prompt": "a cat", "n": 2, "size": "1024x1024", "response_format": "url"}), "generate")
                .unwrap();
        assert_eq!((order.model.as_str(), order.shape, order.input.n), ("auto", Shape::Url, 2));
        assert_eq!((order.input.operation.as_str(), order.input.size.as_str()), ("generate", "1024x1024"));
        for (body, operation, param) in [
            (json!({}), "generate", "prompt"),
            (json!({"prompt": 7}), "generate", "prompt"),
            (json!({"prompt": "x"}), "vary", "prompt"),
            (json!({"prompt": "x", "n": 11}), "generate", "n"),
            (json!({"prompt": "x", "n": "2"}), "generate", "n"),
            (json!({"prompt": "x", "size": "big\r\nevil: yes"}), "generate", "size"),
            (json!({"prompt": "x", "output_format": "gif"}), "generate", "output_format"),
            (json!({"prompt": "x", "response_format": "html"}), "generate", "response_format"),
            (json!({"prompt": "x", "stream": true}), "generate", "stream"),
            (json!({"prompt": "x", "partial_images": 2}), "generate", "partial_images"),
        ] {
            assert_eq!(read(&body, operation).unwrap_err().as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn forms_say_the_same() {
        let mut form = Form::default();
        form.texts.insert("prompt".to_owned(), vec!["x".to_owned()]);
        form.texts.insert("n".to_owned(), vec!["3".to_owned()]);
        assert_eq!(ImageRequest::from_form(form).unwrap().order("edit").unwrap().input.n, 3);
        let mut form = Form::default();
        form.texts.insert("n".to_owned(), vec!["many".to_owned()]);
        assert_eq!(ImageRequest::from_form(form).unwrap_err().param.as_deref(), Some("n"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,200}", value in crate::routes::reading::any_json()) {
            if let Ok(request) = body::parse::<ImageRequest>(text.as_bytes()) {
                let _read = request.order("generate");
            }
            let _read = read(&json!({"prompt": value, "size": value, "n": value}), "generate");
        }
    }
}
