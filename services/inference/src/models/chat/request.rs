//! From a conversation on the bus to what the model is asked for. Everything that can be refused without the model is
//! refused here, before the request waits for its turn.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ChatInput, ResponseFormat};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::model_error;
use super::messages::{invalid, text, turns};
use orrery_torch::smollm2::{AnswerForm, ChatMessage, Otherwise, SamplingParameters, SmolLm2, Tool, tools_text};

/// Tokens written when the caller names no limit.
const TOKENS_DEFAULT: u32 = 256;
/// Small models repeat themselves at greedy decoding; this is the value their publisher suggests.
const REPETITION_PENALTY: f32 = 1.1;
/// Bytes of text that make about one token.
const BYTES_PER_TOKEN: usize = 4;
/// Choices of one request; each is a generation of its own.
const CHOICES_MAX: u32 = 16;
/// Probabilities that are told beside each token's.
const TOP_LOGPROBS_MAX: u32 = 20;
/// Tools of one request, as OpenAI has it.
const TOOLS_MAX: usize = 128;
const STOPS_MAX: usize = 16;
const BIASES_MAX: usize = 1024;

/// A conversation to be continued.
#[derive(Debug)]
pub struct ChatRequest {
    pub(super) prompt: Prompt,
    pub(super) form: Option<AnswerForm>,
    /// The answer may hold calls.
    pub(super) has_tools: bool,
    pub(super) tokens_max: usize,
    pub(super) sampling: SamplingParameters,
    pub(super) stop: Vec<String>,
    pub(super) choices: u32,
    pub(super) log_probabilities: bool,
    pub(super) top_log_probabilities: usize,
    /// Where parts of the answer go as they come; `None` when only the whole is wanted.
    pub(super) deltas: Option<mpsc::Sender<ChatDelta>>,
}

/// What the model continues.
#[derive(Debug)]
pub(super) enum Prompt {
    Conversation(Vec<ChatMessage>),
    /// Without a chat template.
    Raw(String),
}

impl Prompt {
    pub(super) fn text(&self, model: &SmolLm2) -> Result<String, Error> {
        match self {
            Self::Conversation(turns) => model.chat_prompt(turns).map_err(|error| model_error(&error)),
            Self::Raw(text) => Ok(text.clone()),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Conversation(turns) => turns.iter().map(|turn| turn.content.len()).sum(),
            Self::Raw(text) => text.len(),
        }
    }
}

impl ChatRequest {
    /// Reads a request for the model of this name.
    ///
    /// # Errors
    /// `InvalidRequest` or `UnsupportedMedia`, naming what the model cannot do and what to do about it.
    pub fn new(input: ChatInput, model: &str, deltas: Option<mpsc::Sender<ChatDelta>>) -> Result<Self, Error> {
        check_limits(&input, model)?;
        let choice = Choice::of(&input)?;
        let parallel = input.parallel_tool_calls.unwrap_or(true);
        let tools = choice.tools(&input)?;
        let described = (!tools.is_empty()).then(|| tools_text(&tools, choice != Choice::Auto, parallel));
        let prompt = match input.messages.as_slice() {
            [message] if input.raw => Prompt::Raw(text(message, 0, model)?),
            messages if input.raw => {
                return Err(invalid(format!("a raw prompt is exactly one message, not {}", messages.len())));
            }
            messages => Prompt::Conversation(turns(messages, described, model)?),
        };
        let answer = answer_schema(input.response_format.as_ref())?;
        let has_tools = !tools.is_empty();
        let form = match (has_tools, answer) {
            (false, answer) => answer.map(AnswerForm::Json),
            (true, answer) => {
                let otherwise = match (choice == Choice::Auto, answer) {
                    (false, _) => Otherwise::Nothing,
                    (true, None) => Otherwise::Text,
                    (true, Some(schema)) => Otherwise::Json(schema),
                };
                Some(AnswerForm::Calls { tools, parallel, otherwise })
            }
        };
        Ok(Self {
            prompt,
            has_tools,
            tokens_max: if input.max_tokens == 0 { TOKENS_DEFAULT } else { input.max_tokens } as usize,
            sampling: sampling(&input)?,
            form,
            choices: input.n.max(1),
            log_probabilities: input.logprobs || input.top_logprobs > 0,
            top_log_probabilities: input.top_logprobs as usize,
            stop: input.stop,
            deltas,
        })
    }

    /// About as many tokens as are read and written at most.
    pub(super) fn cost(&self) -> u64 {
        let written = (self.tokens_max as u64).saturating_mul(u64::from(self.choices));
        written.saturating_add((self.prompt.bytes() / BYTES_PER_TOKEN) as u64)
    }
}

fn check_limits(input: &ChatInput, model: &str) -> Result<(), Error> {
    let at_most = |what: &str, count: usize, limit: usize| {
        if count > limit { Err(invalid(format!("{what} is {count} and at most {limit}"))) } else { Ok(()) }
    };
    at_most("n", input.n as usize, CHOICES_MAX as usize)?;
    at_most("top_logprobs", input.top_logprobs as usize, TOP_LOGPROBS_MAX as usize)?;
    at_most("the number of tools", input.tools.len(), TOOLS_MAX)?;
    at_most("the number of stop strings", input.stop.len(), STOPS_MAX)?;
    at_most("the number of tokens in logit_bias", input.logit_bias.len(), BIASES_MAX)?;
    if input.raw && !(input.tools.is_empty() && input.messages.iter().all(|message| message.tool_calls.is_empty())) {
        return Err(invalid("a raw prompt has no tools; write them into it or send a conversation".to_owned()));
    }
    let extra: serde_json::Map<String, Value> = match input.extra_json.as_str() {
        "" => serde_json::Map::new(),
        text => serde_json::from_str(text)
            .map_err(|error| invalid(format!("the further parameters are not a JSON object: {error}")))?,
    };
    if !extra.is_empty() {
        let names: Vec<String> = extra.keys().map(|name| format!("{name:?}")).collect();
        let names = names.join(", ");
        return Err(invalid(format!(
            "the model {model:?} knows no parameter {names}; leave it out or name another model"
        )));
    }
    Ok(())
}

/// Whether tools are called.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    None,
    Auto,
    Required,
    Tool(String),
}

impl Choice {
    fn of(input: &ChatInput) -> Result<Self, Error> {
        let choice = match input.tool_choice.as_ref().map(|choice| (choice.mode.as_str(), &choice.name)) {
            None | Some(("" | "auto", _)) => Self::Auto,
            Some(("none", _)) => Self::None,
            Some(("required", _)) => Self::Required,
            Some(("tool", name)) => Self::Tool(name.clone()),
            Some((other, _)) => {
                return Err(invalid(format!("tool_choice is {other:?}; use auto, none, required or one tool")));
            }
        };
        if choice == Self::Required && input.tools.is_empty() {
            return Err(invalid("tool_choice asks for a call and there are no tools".to_owned()));
        }
        Ok(choice)
    }

    /// The tools that may be called.
    fn tools(&self, input: &ChatInput) -> Result<Vec<Tool>, Error> {
        let mut tools = Vec::with_capacity(input.tools.len());
        for tool in &input.tools {
            let parameters = match tool.parameters_json.as_str() {
                "" => Value::Null,
                text => serde_json::from_str(text)
                    .map_err(|error| invalid(format!("the schema of the tool {:?} is not JSON: {error}", tool.name)))?,
            };
            let read = Tool::new(tool.name.clone(), tool.description.clone(), parameters, tool.strict);
            let read = read.map_err(|error| model_error(&error))?;
            if tools.iter().any(|other: &Tool| other.name == read.name) {
                return Err(invalid(format!("two tools are called {:?}", read.name)));
            }
            tools.push(read);
        }
        match self {
            Self::None => tools.clear(),
            Self::Tool(name) => {
                tools.retain(|tool| tool.name == *name);
                if tools.is_empty() {
                    return Err(invalid(format!("tool_choice names the tool {name:?}, which is none of the tools")));
                }
            }
            Self::Auto | Self::Required => {}
        }
        Ok(tools)
    }
}

/// The schema that an answer without calls keeps to.
fn answer_schema(format: Option<&ResponseFormat>) -> Result<Option<Value>, Error> {
    let Some(format) = format else { return Ok(None) };
    match format.kind.as_str() {
        "" | "text" => Ok(None),
        "json_object" => Ok(Some(json!({ "type": "object" }))),
        "json_schema" => serde_json::from_str(&format.schema_json)
            .map(Some)
            .map_err(|error| invalid(format!("the schema of response_format is not JSON: {error}"))),
        other => {
            let message = format!("response_format is {other:?}; use text, json_object or json_schema");
            Err(Error::new(ErrorCode::InvalidRequest, message))
        }
    }
}

fn sampling(input: &ChatInput) -> Result<SamplingParameters, Error> {
    let mut bias = Vec::with_capacity(input.logit_bias.len());
    for (token, value) in &input.logit_bias {
        let id = token.parse().map_err(|_not_a_number| {
            invalid(format!("logit_bias names the token {token:?}; tokens are named by their number in the model"))
        })?;
        bias.push((id, *value));
    }
    Ok(SamplingParameters {
        temperature: input.temperature.unwrap_or(0.0),
        top_p: input.top_p.unwrap_or(1.0),
        top_k: input.top_k.unwrap_or(0) as usize,
        repetition_penalty: REPETITION_PENALTY,
        frequency_penalty: input.frequency_penalty.unwrap_or(0.0),
        presence_penalty: input.presence_penalty.unwrap_or(0.0),
        bias,
        seed: input.seed.unwrap_or_else(rand::random),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use orrery_proto::v1::{self, ToolChoice};

    use super::*;

    fn asks() -> ChatInput {
        let message = v1::ChatMessage { role: "user".into(), content: "Hi".into(), ..Default::default() };
        ChatInput { messages: vec![message], ..Default::default() }
    }

    fn tool(name: &str) -> v1::Tool {
        v1::Tool { name: name.into(), ..Default::default() }
    }

    fn choice(mode: &str, name: &str) -> Option<ToolChoice> {
        Some(ToolChoice { mode: mode.into(), name: name.into() })
    }

    fn format(kind: &str, schema: &str) -> Option<ResponseFormat> {
        Some(ResponseFormat { kind: kind.into(), schema_json: schema.into(), ..Default::default() })
    }

    fn read(input: ChatInput) -> ChatRequest {
        ChatRequest::new(input, "tiny", None).unwrap()
    }

    #[test]
    fn what_is_not_said_has_its_default_and_what_is_said_is_taken() {
        let plain = read(asks());
        assert_eq!((plain.tokens_max, plain.choices, plain.log_probabilities), (256, 1, false));
        assert_eq!((plain.sampling.temperature, plain.sampling.repetition_penalty), (0.0, 1.1));
        assert!(plain.form.is_none() && !plain.has_tools);
        assert_ne!(plain.sampling.seed, read(asks()).sampling.seed, "without a seed each draws its own");

        let said = read(ChatInput {
            max_tokens: 7,
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(40),
            seed: Some(3),
            n: 2,
            top_logprobs: 20,
            frequency_penalty: Some(1.0),
            presence_penalty: Some(-1.0),
            logit_bias: [("12".to_owned(), -5.0)].into(),
            stop: vec!["END".into()],
            ..asks()
        });
        let expected = SamplingParameters {
            temperature: 0.5,
            top_p: 0.9,
            top_k: 40,
            repetition_penalty: 1.1,
            frequency_penalty: 1.0,
            presence_penalty: -1.0,
            bias: vec![(12, -5.0)],
            seed: 3,
        };
        assert_eq!(said.sampling, expected);
        assert_eq!((said.tokens_max, said.choices, said.top_log_probabilities), (7, 2, 20));
        assert!(said.log_probabilities && said.cost() >= 14);
    }

    #[test]
    fn the_choice_of_tools_decides_what_may_be_answered() {
        let ask = |choice: Option<ToolChoice>, format: Option<ResponseFormat>| {
            let tools = vec![tool("a"), tool("b")];
            read(ChatInput { tools, tool_choice: choice, response_format: format, ..asks() }).form
        };
        let names = |form: &Option<AnswerForm>| match form {
            Some(AnswerForm::Calls { tools, .. }) => tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let free = ask(None, None);
        assert!(
            matches!(&free, Some(AnswerForm::Calls { otherwise: Otherwise::Text, parallel: true, .. })),
            "{free:?}"
        );
        assert_eq!(names(&free), ["a", "b"]);
        let schema = ask(choice("auto", ""), format("json_object", ""));
        assert!(matches!(&schema, Some(AnswerForm::Calls { otherwise: Otherwise::Json(_), .. })), "{schema:?}");
        let named = ask(choice("tool", "b"), format("json_object", ""));
        assert!(matches!(&named, Some(AnswerForm::Calls { otherwise: Otherwise::Nothing, .. })), "{named:?}");
        assert_eq!(names(&named), ["b"]);
        assert_eq!(ask(choice("none", ""), None), None);
        assert_eq!(ask(choice("none", ""), format("json_schema", "{}")), Some(AnswerForm::Json(json!({}))));
    }

    #[test]
    fn what_the_model_cannot_do_is_refused_before_it_waits() {
        let raw = ChatInput { raw: true, ..asks() };
        for (input, part) in [
            (
                ChatInput { extra_json: r#"{"min_p": 0.1, "mirostat": 2}"#.into(), ..asks() },
                "\"tiny\" knows no parameter \"min_p\", \"mirostat\"",
            ),
            (ChatInput { extra_json: "[]".into(), ..asks() }, "not a JSON object"),
            (ChatInput { n: 17, ..asks() }, "n is 17 and at most 16"),
            (ChatInput { top_logprobs: 21, ..asks() }, "top_logprobs is 21"),
            (ChatInput { stop: vec!["a".into(); 17], ..asks() }, "stop strings is 17"),
            (ChatInput { logit_bias: [("Paris".to_owned(), 1.0)].into(), ..asks() }, "\"Paris\""),
            (ChatInput { tools: vec![tool("a b")], ..asks() }, "\"a b\""),
            (ChatInput { tools: vec![tool("a"), tool("a")], ..asks() }, "two tools are called \"a\""),
            (
                ChatInput { tools: vec![tool("a")], tool_choice: choice("tool", "b"), ..asks() },
                "\"b\", which is none of the tools",
            ),
            (ChatInput { tool_choice: choice("required", ""), ..asks() }, "there are no tools"),
            (ChatInput { tools: vec![tool("a")], tool_choice: choice("any", ""), ..asks() }, "tool_choice is \"any\""),
            (ChatInput { response_format: format("json_schema", "{"), ..asks() }, "response_format is not JSON"),
            (ChatInput { response_format: format("xml", ""), ..asks() }, "response_format is \"xml\""),
            (
                ChatInput { messages: [raw.messages.clone(), raw.messages.clone()].concat(), ..raw.clone() },
                "one message, not 2",
            ),
            (ChatInput { tools: vec![tool("a")], ..raw.clone() }, "a raw prompt has no tools"),
            (ChatInput { messages: Vec::new(), ..asks() }, "messages is empty"),
        ] {
            let error = ChatRequest::new(input, "tiny", None).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest);
            assert!(error.message.contains(part), "{error}, not {part}");
        }
        assert!(matches!(read(raw).prompt, Prompt::Raw(text) if text == "Hi"));
    }
}
