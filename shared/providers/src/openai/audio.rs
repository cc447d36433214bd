//! Speech in OpenAI's words: transcriptions and translations, read into the document that local inference returns for
//! speech.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ModelIdentity, ModelOutput, ReadInput, Usage, model_output};
use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize};

use super::server::Server;
use super::usage::{UsageBody, millis};
use crate::failure::{broken, unsupported};
use crate::{Answer, Order, estimate};

/// Longest recording that is read into memory. Vendors take 25 MB, some 100.
const AUDIO_BYTES_MAX: u64 = 100 << 20;
/// Of a recording whose length nobody tells: 128 kbit/s, at which speech is seldom stored higher.
const AUDIO_BYTES_PER_SECOND: u64 = 16_000;

/// How a transcript is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Transcripts {
    /// OpenAI's own way: models called `gpt-…` give a text and the probabilities of its tokens, others segments.
    #[default]
    ByName,
    /// `verbose_json`: segments with times, and how sure the model was.
    Segments,
    /// `json`: the text alone.
    Text,
    /// Mistral's: segments where `timestamp_granularities` asks for them.
    Granular,
}

impl Transcripts {
    fn of(self, model: &str) -> Self {
        match self {
            Self::ByName if model.starts_with("gpt-") => Self::Text,
            Self::ByName => Self::Segments,
            other => other,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Transcript {
    #[serde(default)]
    model: Option<String>,
    text: String,
    #[serde(default)]
    duration: Option<Seconds>,
    #[serde(default)]
    segments: Option<Vec<Heard>>,
    #[serde(default)]
    logprobs: Option<Vec<HeardToken>>,
    #[serde(default)]
    usage: Option<UsageBody>,
}

/// vLLM writes them as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    fn millis(&self) -> Option<u64> {
        match self {
            Self::Number(seconds) => Some(millis(*seconds)),
            Self::Text(text) => text.parse().ok().map(millis),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Heard {
    text: String,
    start: f64,
    end: f64,
    avg_logprob: Option<f32>,
}

#[derive(Debug, Deserialize)]
struct HeardToken {
    #[serde(default)]
    logprob: f32,
}

/// The document, in the fields of local inference's.
#[derive(Debug, Serialize)]
struct Content<'a> {
    modality: &'static str,
    media_type: &'a str,
    segments: Vec<Segment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    models: Vec<Model<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    text: String,
}

#[derive(Debug, Serialize)]
struct Segment {
    text: String,
    confidence: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_ms: Option<(u64, u64)>,
}

#[derive(Debug, Serialize)]
struct Model<'a> {
    name: &'a str,
    version: &'a str,
    digest: &'a str,
}

#[derive(Debug, Serialize)]
struct Warning {
    code: &'static str,
    message: &'static str,
}

impl Server {
    pub(super) async fn listen(&self, order: &Order, input: &ReadInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let blob = input.blob.as_ref().ok_or_else(|| Error::new(ErrorCode::InvalidRequest, "read names no payload"))?;
        let media_type = blob.media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let transcripts = self.words().transcripts.of(&order.upstream);
        let missing = [
            (transcripts == Transcripts::Granular && !input.prompt.is_empty(), "what came before speech (prompt)"),
            (!input.schema_json.is_empty(), "a schema with what is read"),
            (input.translate && !input.language.is_empty(), "the language of speech that it translates"),
        ];
        if let Some((_, what)) = missing.iter().find(|(asked, _)| *asked) {
            return Err(unsupported(name, what));
        }
        let extension = extension(&media_type).ok_or_else(|| unsupported(name, &format!("{media_type:?} to read")))?;
        let bytes = self.payloads.read(blob, AUDIO_BYTES_MAX, order.deadline).await?;
        // A name of our own: vendors go by the ending, and a caller's file name is nobody's business.
        let file = Part::bytes(bytes).file_name(format!("audio.{extension}"));
        let file = file.mime_str(&media_type).map_err(|error| {
            Error::new(ErrorCode::InvalidRequest, format!("the media type of what is to be read is none: {error}"))
        })?;
        let mut form = Form::new().text("model", order.upstream.clone()).part("file", file);
        let wanted = match (transcripts, input.translate) {
            // Mistral takes no language together with them.
            (Transcripts::Granular, _) if !input.language.is_empty() => vec![],
            (Transcripts::Granular, _) => vec![("timestamp_granularities", "segment")],
            (Transcripts::Text, true) => vec![("response_format", "json")],
            (Transcripts::Text, false) => vec![("response_format", "json"), ("include[]", "logprobs")],
            _ => vec![("response_format", "verbose_json")],
        };
        for (field, value) in wanted {
            form = form.text(field, value);
        }
        for (field, value) in [("language", &input.language), ("prompt", &input.prompt)] {
            if !value.is_empty() {
                form = form.text(field, value.clone());
            }
        }
        let what = if input.translate { "audio/translations" } else { "audio/transcriptions" };
        let (transcript, quota): (Transcript, _) =
            self.upstream.exchange(self.post(what, order).multipart(form)).await?;
        let identity = estimate::identity(name, order, transcript.model.clone().unwrap_or_default());
        let usage = transcript.usage(blob.size_bytes);
        let content = transcript.content(&media_type, &identity);
        let json = serde_json::to_string(&content).map_err(|error| broken(name, error))?;
        let output = ModelOutput { kind: Some(model_output::Kind::ContentJson(json)) };
        Ok(Answer { output, models: vec![identity], usage, quota })
    }
}

impl Transcript {
    fn duration_ms(&self) -> Option<u64> {
        let told = self.duration.as_ref().and_then(Seconds::millis);
        told.or_else(|| self.usage.and_then(|usage| usage.audio_ms()))
    }

    /// Where the server counts nothing, the length is told from the size, so that no call is free by omission.
    fn usage(&self, size_bytes: u64) -> Usage {
        let counted = self.usage.map(Usage::from).unwrap_or_default();
        let told = self.duration_ms();
        let guess =
            || if counted.input_tokens > 0 { 0 } else { size_bytes.saturating_mul(1000) / AUDIO_BYTES_PER_SECOND };
        Usage { audio_ms: told.unwrap_or_else(guess), ..counted }
    }

    fn content<'a>(self, media_type: &'a str, model: &'a ModelIdentity) -> Content<'a> {
        let duration_ms = self.duration_ms();
        // The mean over all tokens, where there are no segments.
        let tokens = self.logprobs.unwrap_or_default();
        let mean = tokens.iter().map(|token| token.logprob).sum::<f32>() / tokens.len() as f32;
        let sure = (!tokens.is_empty()).then_some(mean);
        let whole = Segment { text: self.text.trim().to_owned(), confidence: confidence(sure), span_ms: None };
        let heard = self.segments.unwrap_or_default().into_iter();
        let mut told = sure.is_some();
        let mut segments: Vec<Segment> = heard
            .map(|heard| {
                told |= heard.avg_logprob.is_some();
                let span = (millis(heard.start), millis(heard.end));
                let confidence = confidence(heard.avg_logprob.or(sure));
                Segment { text: heard.text.trim().to_owned(), confidence, span_ms: Some(span) }
            })
            .collect();
        if segments.is_empty() {
            segments.push(whole);
        }
        segments.retain(|segment| !segment.text.is_empty());
        let warning = match () {
            () if segments.is_empty() => Some(("no_speech", "no speech was found in the recording")),
            () if !told => Some(("no_confidence", "the provider does not say how sure it is of what it heard")),
            () => None,
        };
        let text = segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join("\n");
        let models = vec![Model { name: &model.name, version: &model.version, digest: &model.digest }];
        let warnings = warning.into_iter().map(|(code, message)| Warning { code, message }).collect();
        Content { modality: "audio", media_type, segments, duration_ms, models, warnings, text }
    }
}

/// 0 to 1 from the mean logarithm of the probabilities of tokens; 0, the cautious side, where nothing is told.
fn confidence(logprob: Option<f32>) -> f32 {
    logprob.map(f32::exp).filter(|sure| sure.is_finite()).unwrap_or_default().clamp(0.0, 1.0)
}

/// By which vendors tell formats apart; none for what is no sound.
fn extension(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "audio/mpeg" | "audio/mp3" | "audio/mpga" => "mp3",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/flac" | "audio/x-flac" => "flac",
        "audio/ogg" | "audio/opus" | "application/ogg" => "ogg",
        "audio/mp4" | "audio/m4a" | "audio/x-m4a" | "audio/aac" => "m4a",
        "audio/webm" | "video/webm" => "webm",
        "video/mp4" => "mp4",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openai::mangled;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn document(body: Value) -> Value {
        let transcript: Transcript = serde_json::from_value(body).unwrap();
        let model = ModelIdentity { name: "w".into(), version: "w-1".into(), ..ModelIdentity::default() };
        serde_json::to_value(transcript.content("audio/wav", &model)).unwrap()
    }

    #[test]
    fn segments_become_the_document_that_local_inference_returns() {
        let segments =
            json!([{"id": 0, "start": 0.0, "end": 1.25, "text": " good morning", "avg_logprob": -0.0}, {"text": " "}]);
        let body = json!({"task": "transcribe", "language": "english", "duration": 1.5, "text": "good morning", "segments": segments});
        let expected = json!({"modality": "audio", "media_type": "audio/wav", "duration_ms": 1500, "text": "good morning",
            "segments": [{"text": "good morning", "confidence": 1.0, "span_ms": [0, 1250]}],
            "models": [{"name": "w", "version": "w-1", "digest": ""}]});
        assert_eq!(document(body), expected);
    }

    #[test]
    fn a_text_alone_is_one_segment_with_what_is_known_of_it() {
        let sure = document(json!({"text": "hi", "logprobs": [{"token": "hi", "logprob": 0.0}]}));
        assert_eq!(sure["segments"], json!([{"text": "hi", "confidence": 1.0}]));
        assert!(sure.get("warnings").is_none());
        let unsure = document(json!({"text": "hi", "duration": "2.5"}));
        assert_eq!((&unsure["segments"][0]["confidence"], &unsure["duration_ms"]), (&json!(0.0), &json!(2500)));
        assert_eq!(unsure["warnings"][0]["code"], "no_confidence");
        assert_eq!(document(json!({"text": " "}))["warnings"][0]["code"], "no_speech");
    }

    #[test]
    fn sound_is_counted_by_the_server_or_by_its_size() {
        let used = |body: Value| serde_json::from_value::<Transcript>(body).unwrap().usage(32_000);
        assert_eq!(used(json!({"text": "", "usage": {"type": "duration", "seconds": 3}})).audio_ms, 3000);
        let tokens = used(json!({"text": "", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 9}}));
        assert_eq!((tokens.input_tokens, tokens.output_tokens, tokens.audio_ms), (14, 9, 0));
        assert_eq!(used(json!({"text": ""})).audio_ms, 2000);
    }

    const REPLY: &str = r#"{"text":"a","duration":"1.5","segments":[{"text":"a","start":0,"end":1e300,"avg_logprob":-1}],
        "logprobs":[{"logprob":-0.1}],"usage":{"type":"duration","seconds":2}}"#;

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(body in mangled(REPLY)) {
            if let Ok(transcript) = serde_json::from_slice::<Transcript>(&body) {
                let _ = transcript.usage(u64::MAX);
                let model = ModelIdentity::default();
                let content = transcript.content("audio/wav", &model);
                prop_assert!(content.segments.iter().all(|it| (0.0..=1.0).contains(&it.confidence)));
            }
        }
    }
}
