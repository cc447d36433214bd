//! One message of a conversation in OpenAI's words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatMessage, ContentPart, Media, ToolCall, content_part};
use serde::Serialize;

use super::words::{Thoughts, Words};
use crate::failure::unsupported;

#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCallBody<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_call_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning_content: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
    InputAudio { input_audio: Audio },
    File { file: File<'a> },
    DocumentUrl { document_url: String },
}

#[derive(Debug, Serialize)]
struct ImageUrl<'a> {
    url: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Audio {
    Described { data: String, format: String },
    Bare(String),
}

#[derive(Debug, Serialize)]
struct File<'a> {
    file_data: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    filename: &'a str,
}

#[derive(Debug, Serialize)]
struct ToolCallBody<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Debug, Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> Message<'a> {
    /// For `provider`, whose name stands in errors.
    pub fn new(provider: &str, message: &'a ChatMessage, words: &Words) -> Result<Self, Error> {
        let content = if !message.parts.is_empty() {
            let parts = message.parts.iter().map(|part| Part::new(provider, part, words));
            Some(Content::Parts(parts.collect::<Result<_, _>>()?))
        } else if message.content.is_empty() && !message.tool_calls.is_empty() {
            None
        } else {
            Some(Content::Text(&message.content))
        };
        if !message.name.is_empty() && !words.speakers {
            return Err(unsupported(provider, "names of speakers (name)"));
        }
        let thoughts = |word| if words.thoughts == Some(word) { message.reasoning.as_str() } else { "" };
        Ok(Self {
            role: &message.role,
            content,
            name: &message.name,
            tool_calls: message.tool_calls.iter().map(ToolCallBody::new).collect(),
            tool_call_id: &message.tool_call_id,
            reasoning_content: thoughts(Thoughts::ReasoningContent),
            reasoning: thoughts(Thoughts::Reasoning),
        })
    }
}

impl<'a> Part<'a> {
    fn new(provider: &str, part: &'a ContentPart, words: &Words) -> Result<Self, Error> {
        match &part.kind {
            Some(content_part::Kind::Text(text)) => Ok(Self::Text { text }),
            Some(content_part::Kind::Image(media)) => {
                let url = url(media, "an image")?;
                Ok(Self::ImageUrl { image_url: ImageUrl { url, detail: &media.detail } })
            }
            Some(content_part::Kind::Audio(media)) => {
                if !media.url.is_empty() {
                    return Err(unsupported(provider, "sound by its address"));
                }
                let data = STANDARD.encode(bytes(media, "sound")?);
                let format = format_of(&media.media_type).to_owned();
                let input_audio = if words.bare_audio { Audio::Bare(data) } else { Audio::Described { data, format } };
                Ok(Self::InputAudio { input_audio })
            }
            Some(content_part::Kind::Document(media)) if words.document_urls => {
                Ok(Self::DocumentUrl { document_url: url(media, "a document")? })
            }
            Some(content_part::Kind::Document(media)) => {
                if !media.url.is_empty() {
                    return Err(unsupported(provider, "a document by its address"));
                }
                Ok(Self::File { file: File { file_data: url(media, "a document")?, filename: &media.name } })
            }
            None => Err(unsupported(provider, "a content part without content")),
        }
    }
}

/// As OpenAI names formats of sound.
fn format_of(media_type: &str) -> &str {
    match media_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mpeg" | "audio/mp3" => "mp3",
        other => other.strip_prefix("audio/").unwrap_or(other),
    }
}

/// Its address, or itself as one.
fn url(media: &Media, what: &str) -> Result<String, Error> {
    if !media.url.is_empty() {
        return Ok(media.url.clone());
    }
    Ok(format!("data:{};base64,{}", media.media_type, STANDARD.encode(bytes(media, what)?)))
}

fn bytes<'a>(media: &'a Media, what: &str) -> Result<&'a [u8], Error> {
    if media.data.is_empty() {
        let message = format!("{what} in a message has neither bytes nor an address; send one of them");
        return Err(Error::new(ErrorCode::InvalidRequest, message));
    }
    Ok(&media.data)
}

impl<'a> ToolCallBody<'a> {
    fn new(call: &'a ToolCall) -> Self {
        let function = CalledFunction { name: &call.name, arguments: &call.arguments_json };
        Self { id: &call.id, kind: "function", function }
    }
}
