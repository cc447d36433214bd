//! Speech to text, in its own language or in English.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InvokeReply, ReadInput, model_input, model_output};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::subtitles::{Cue, srt, vtt};
use crate::http::multipart::{self, Form};
use crate::http::{Answer, Call, Failure, Gateway, Upload};
use crate::models;

const FILE: &str = "file";

/// The form of a transcription.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // describes the form, which is read part by part
pub struct TranscriptionForm {
    /// The recording.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
    /// A model that `GET /v1/models` lists, or `auto`.
    model: String,
    /// A hint, for example `en`.
    language: Option<String>,
    /// What came before, for the spelling of names.
    prompt: Option<String>,
    /// 0 to 1; taken without effect.
    temperature: Option<f32>,
    /// `json` (default), `text`, `verbose_json`, `srt` or `vtt`.
    response_format: Option<String>,
}

/// A transcript.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transcript {
    text: String,
}

/// A transcript with its parts.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerboseTranscript {
    task: &'static str,
    language: String,
    /// Seconds.
    duration: f64,
    text: String,
    segments: Vec<TranscriptSegment>,
}

/// A stretch of speech. Only what is known is told: there are no token ids.
#[derive(Debug, Serialize, ToSchema)]
pub struct TranscriptSegment {
    id: usize,
    /// Seconds.
    start: f64,
    /// Seconds.
    end: f64,
    text: String,
    /// 0 to 1.
    confidence: f32,
}

/// What matters of what was read.
#[derive(Debug, Deserialize)]
struct Content {
    modality: String,
    media_type: String,
    #[serde(default)]
    segments: Vec<Segment>,
    duration_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Segment {
    text: String,
    #[serde(default)]
    confidence: f32,
    span_ms: Option<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Text,
    VerboseJson,
    Srt,
    Vtt,
}

impl Format {
    fn parse(text: Option<&str>) -> Result<Self, Failure> {
        match text {
            None | Some("json") => Ok(Self::Json),
            Some("text") => Ok(Self::Text),
            Some("verbose_json") => Ok(Self::VerboseJson),
            Some("srt") => Ok(Self::Srt),
            Some("vtt") => Ok(Self::Vtt),
            Some(other) => {
                let message = format!("response_format is {other:?}; use json, text, verbose_json, srt or vtt");
                Err(Failure::param("response_format", message))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Transcribe,
    Translate,
}

#[derive(Debug)]
struct Order {
    file: Upload,
    model: String,
    language: String,
    prompt: String,
    format: Format,
}

/// Transcribes a recording. As `json` the answer holds the text alone.
///
/// `temperature` is taken without effect. `stream` and timestamps of words are refused.
#[utoipa::path(post, path = "/v1/audio/transcriptions", tag = "openai",
    request_body(content_type = "multipart/form-data", content = TranscriptionForm),
    responses((status = 200, content((VerboseTranscript = "application/json"), (String = "text/plain"), (String = "text/vtt")))))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    hear(&gateway, &call, &request, payload, Task::Transcribe).await
}

/// Puts a recording, whatever its language, into English words. The forms of answers are those of transcriptions.
#[utoipa::path(post, path = "/v1/audio/translations", tag = "openai",
    request_body(content_type = "multipart/form-data", content = TranscriptionForm),
    responses((status = 200, content((VerboseTranscript = "application/json"), (String = "text/plain"), (String = "text/vtt")))))]
pub async fn translate(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    hear(&gateway, &call, &request, payload, Task::Translate).await
}

async fn hear(gateway: &Gateway, call: &Call, request: &HttpRequest, payload: Payload, task: Task) -> Answer {
    let _place = gateway.uploads.enter()?;
    let form = multipart::receive(gateway, request, payload, |part| part != FILE).await?;
    let order = read(form)?;
    let blob = gateway.uploads.store(&gateway.bus, &call.identity.tenant, order.file).await?;
    let input = ReadInput {
        blob: Some(blob),
        language: order.language.clone(),
        prompt: order.prompt,
        translate: task == Task::Translate,
        ..ReadInput::default()
    };
    let invoke = models::invocation(gateway, call, request, &order.model, model_input::Kind::Read(input))?;
    let reply = gateway.models.invoke(call, invoke).await?;
    let content = content(&reply)?;
    let mut response = HttpResponse::Ok();
    models::told(&mut response, &reply);
    let text = content.segments.iter().map(|segment| segment.text.trim()).collect::<Vec<_>>().join(" ");
    Ok(match order.format {
        Format::Json => response.json(Transcript { text }),
        Format::Text => response.content_type("text/plain; charset=utf-8").body(format!("{text}\n")),
        Format::VerboseJson => response.json(verbose(&content, text, order.language, task)),
        Format::Srt => response.content_type("application/x-subrip; charset=utf-8").body(srt(&cues(&content))),
        Format::Vtt => response.content_type("text/vtt; charset=utf-8").body(vtt(&cues(&content))),
    })
}

fn read(mut form: Form) -> Result<Order, Failure> {
    let model = form.take("model")?.ok_or_else(|| Failure::param("model", "the form has no part `model`"))?;
    let language = form.take("language")?.unwrap_or_default();
    let format = Format::parse(form.take("response_format")?.as_deref())?;
    if form.take("stream")?.is_some_and(|stream| stream != "false") {
        return Err(Failure::param("stream", "transcripts are not streamed; leave stream out"));
    }
    let granularities = form.texts.remove("timestamp_granularities[]").unwrap_or_default();
    if granularities.iter().any(|granularity| granularity != "segment") {
        return Err(Failure::param("timestamp_granularities[]", "only segments have timestamps here; leave word out"));
    }
    let prompt = form.take("prompt")?.unwrap_or_default();
    if let Some(temperature) = form.take("temperature")?
        && !temperature.parse().is_ok_and(|value: f32| (0.0..=1.0).contains(&value))
    {
        return Err(Failure::param("temperature", format!("temperature is {temperature:?}; use 0 to 1")));
    }
    if let Some(name) = form.texts.keys().next() {
        return Err(Failure::param(name, format!("the parameter {name} is not supported; leave it out")));
    }
    let mut files = form.files.into_iter();
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(Order { file, model, language, prompt, format }),
        (None, _) => Err(Failure::param(FILE, "the form has no part `file` with the recording")),
        (Some(_), Some(_)) => Err(Failure::param(FILE, "the form has more than one part `file`")),
    }
}

fn content(reply: &InvokeReply) -> Result<Content, Failure> {
    let failed = |message: String| Failure::from(Error::new(ErrorCode::ModelFailed, message));
    let Some(model_output::Kind::ContentJson(json)) = reply.output.as_ref().and_then(|output| output.kind.as_ref())
    else {
        return Err(failed("the model answered with something other than content".to_owned()));
    };
    let content: Content =
        serde_json::from_str(json).map_err(|error| failed(format!("the model's content cannot be read: {error}")))?;
    if content.modality != "audio" {
        let message = format!("the file is {}, not a recording", content.media_type);
        return Err(Failure { param: Some(FILE.to_owned()), ..Error::new(ErrorCode::InvalidMedia, message).into() });
    }
    Ok(content)
}

fn cues(content: &Content) -> Vec<Cue> {
    let cue = |segment: &Segment| {
        let (start_ms, end_ms) = segment.span_ms.unwrap_or_default();
        Cue { start_ms, end_ms, text: segment.text.trim().to_owned() }
    };
    content.segments.iter().map(cue).collect()
}

fn verbose(content: &Content, text: String, language: String, task: Task) -> VerboseTranscript {
    let segment = |(id, segment): (usize, &Segment)| {
        let (start, end) = segment.span_ms.unwrap_or_default();
        TranscriptSegment {
            id,
            start: seconds(start),
            end: seconds(end),
            text: segment.text.clone(),
            confidence: segment.confidence,
        }
    };
    VerboseTranscript {
        task: if task == Task::Translate { "translate" } else { "transcribe" },
        language,
        duration: seconds(content.duration_ms.unwrap_or(0)),
        text,
        segments: content.segments.iter().enumerate().map(segment).collect(),
    }
}

fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn form(texts: &[(&str, &str)]) -> Form {
        let mut form = Form::default();
        for (name, text) in texts {
            form.texts.entry((*name).to_owned()).or_default().push((*text).to_owned());
        }
        form
    }

    #[test]
    fn the_part_at_fault_is_named() {
        for (extra, param) in [
            (("temperature", "warm"), "temperature"),
            (("temperature", "1.5"), "temperature"),
            (("response_format", "docx"), "response_format"),
            (("timestamp_granularities[]", "word"), "timestamp_granularities[]"),
            (("stream", "true"), "stream"),
            (("chunking_strategy", "auto"), "chunking_strategy"),
            (("language", "en"), FILE),
        ] {
            assert_eq!(read(form(&[("model", "m"), extra])).unwrap_err().param.as_deref(), Some(param), "{extra:?}");
        }
        assert_eq!(read(form(&[])).unwrap_err().param.as_deref(), Some("model"));
    }

    proptest! {
        #[test]
        fn no_form_breaks_the_reader(name in "temperature|language|response_format|stream|\\PC{0,12}", text in "\\PC{0,40}") {
            prop_assert!(read(form(&[("model", "m"), (&name, &text)])).is_err());
        }
    }
}
