//! OpenAI's answers to a conversation, whole and in chunks. Fields that are not known are left alone: servers add their own.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ChatOutput, TokenLogprob, ToolCall, ToolCallDelta, Usage};
use serde::Deserialize;

use crate::chat_stream::{Frames, Said};
use crate::failure::{broken, shown};

const END: &str = "[DONE]";

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(crate) struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: u64,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl From<UsageBody> for Usage {
    fn from(body: UsageBody) -> Self {
        Self {
            input_tokens: body.prompt_tokens,
            output_tokens: body.completion_tokens,
            cached_input_tokens: body.prompt_tokens_details.unwrap_or_default().cached_tokens,
            reasoning_tokens: body.completion_tokens_details.unwrap_or_default().reasoning_tokens,
            ..Self::default()
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChatReply {
    #[serde(default)]
    pub model: String,
    choices: Vec<Choice>,
    #[serde(default)]
    pub usage: Option<UsageBody>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Spoken,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Option<Logprobs>,
}

/// What an assistant said; in chunks, what it said more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spoken {
    content: Option<String>,
    refusal: Option<String>,
    /// DeepSeek's and vLLM's name for it.
    reasoning_content: Option<String>,
    /// OpenRouter's and newer vLLM's.
    reasoning: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call {
    index: Option<u32>,
    id: Option<String>,
    function: CalledFunction,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CalledFunction {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Logprobs {
    content: Option<Vec<Logprob>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Logprob {
    token: String,
    logprob: f32,
    bytes: Option<Vec<u8>>,
    top_logprobs: Vec<Logprob>,
}

impl From<Logprob> for TokenLogprob {
    fn from(body: Logprob) -> Self {
        Self {
            bytes: body.bytes.unwrap_or_else(|| body.token.as_bytes().to_vec()),
            token: body.token,
            logprob: body.logprob,
            top: body.top_logprobs.into_iter().map(Self::from).collect(),
        }
    }
}

fn logprobs(body: Option<Logprobs>) -> Vec<TokenLogprob> {
    body.and_then(|body| body.content).unwrap_or_default().into_iter().map(TokenLogprob::from).collect()
}

/// The older name of the same end.
fn reason(text: String) -> String {
    if text == "function_call" { "tool_calls".to_owned() } else { text }
}

impl ChatReply {
    /// The answer with all its choices; none when there is no choice.
    pub fn output(self) -> Option<ChatOutput> {
        let mut choices = self.choices.into_iter().map(Choice::output);
        let first = choices.next()?;
        Some(ChatOutput { others: choices.collect(), ..first })
    }
}

impl Choice {
    fn output(self) -> ChatOutput {
        let Spoken { content, refusal, reasoning_content, reasoning, tool_calls } = self.message;
        let call = |call: Call| ToolCall {
            id: call.id.unwrap_or_default(),
            name: call.function.name.unwrap_or_default(),
            arguments_json: call.function.arguments.unwrap_or_default(),
        };
        ChatOutput {
            text: content.unwrap_or_default(),
            finish_reason: reason(self.finish_reason.unwrap_or_else(|| "stop".to_owned())),
            tool_calls: tool_calls.unwrap_or_default().into_iter().map(call).collect(),
            logprobs: logprobs(self.logprobs),
            refusal: refusal.unwrap_or_default(),
            reasoning: reasoning_content.or(reasoning).unwrap_or_default(),
            ..ChatOutput::default()
        }
    }
}

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    model: String,
    #[serde(default)]
    choices: Vec<ChunkChoice>,
    #[serde(default)]
    usage: Option<UsageBody>,
    #[serde(default)]
    error: Option<ErrorBody>,
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
struct ChunkChoice {
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: Option<Spoken>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Option<Logprobs>,
}

impl ChunkChoice {
    fn delta(self) -> Option<ChatDelta> {
        let Spoken { content, refusal, reasoning_content, reasoning, tool_calls } = self.delta.unwrap_or_default();
        let calls = tool_calls.unwrap_or_default().into_iter().enumerate().map(|(at, call)| ToolCallDelta {
            index: call.index.unwrap_or_else(|| u32::try_from(at).unwrap_or(u32::MAX)),
            id: call.id.unwrap_or_default(),
            name: call.function.name.unwrap_or_default(),
            arguments: call.function.arguments.unwrap_or_default(),
        });
        let delta = ChatDelta {
            text: content.unwrap_or_default(),
            index: self.index,
            tool_calls: calls.collect(),
            logprobs: logprobs(self.logprobs),
            refusal: refusal.unwrap_or_default(),
            reasoning: reasoning_content.or(reasoning).unwrap_or_default(),
            finish_reason: reason(self.finish_reason.unwrap_or_default()),
            ..ChatDelta::default()
        };
        // The first chunk tells the role alone.
        let nothing = ChatDelta { index: delta.index, ..ChatDelta::default() };
        (delta != nothing).then_some(delta)
    }
}

/// The events of a streamed answer.
#[derive(Debug)]
pub(crate) struct ChatEvents {
    pub provider: String,
}

impl Frames for ChatEvents {
    fn take(&mut self, frame: &str) -> Result<Said, Error> {
        if frame.trim() == END {
            return Ok(Said { ended: true, ..Said::default() });
        }
        let chunk: Chunk = serde_json::from_str(frame)
            .map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))?;
        if let Some(error) = chunk.error {
            let message = format!("provider {} failed while it answered: {}", self.provider, shown(&error.message));
            return Err(Error::new(ErrorCode::ModelFailed, message));
        }
        Ok(Said {
            deltas: chunk.choices.into_iter().filter_map(ChunkChoice::delta).collect(),
            usage: chunk.usage.map(Usage::from),
            version: Some(chunk.model).filter(|model| !model.is_empty()),
            ended: false,
        })
    }
}
