//! One text of a conversation, for servers that know no messages.

use std::fmt;

use minijinja::{Environment, context};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::ChatInput;
use orrery_routing::catalogue::Provider as Entry;
use serde::Serialize;

use crate::SetupError;
use crate::conversation::{Conversation, Speaker, texts};
use crate::failure::unsupported;

/// A template does a few thousand steps for a long conversation; an endless one is stopped here.
const TEMPLATE_FUEL: u64 = 2_000_000;
const NAME: &str = "chat";

/// How conversations become texts.
pub(super) struct Prompts {
    template: Option<Environment<'static>>,
}

impl fmt::Debug for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompts").field("has_template", &self.template.is_some()).finish()
    }
}

#[derive(Debug, Serialize)]
struct Message {
    role: &'static str,
    content: String,
}

impl Prompts {
    /// By the template of an entry, where it has one.
    pub fn new(entry: &Entry) -> Result<Self, SetupError> {
        let (text, file) = (entry.options.get("chat_template"), entry.options.get("chat_template_file"));
        let source = match (text, file) {
            (Some(_), Some(_)) => {
                return Err(SetupError::entry(entry, "there are chat_template and chat_template_file; leave one out"));
            }
            (Some(text), None) => text.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|error| SetupError::entry(entry, format!("chat_template_file {path:?}: {error}")))?,
            (None, None) => return Ok(Self { template: None }),
        };
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(TEMPLATE_FUEL));
        // Hugging Face's templates refuse conversations with it.
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned(NAME, source)
            .map_err(|error| SetupError::entry(entry, format!("its chat template does not read: {error:#}")))?;
        Ok(Self { template: Some(environment) })
    }

    /// The text of a conversation.
    pub fn write(&self, provider: &str, input: &ChatInput) -> Result<String, Error> {
        if input.raw {
            return match input.messages.as_slice() {
                [message] if message.parts.is_empty() => Ok(message.content.clone()),
                _ => Err(unsupported(provider, "a prompt that is not one text (raw)")),
            };
        }
        let said = Conversation::read(provider, input)?;
        let mut messages: Vec<Message> = Vec::new();
        if !said.system.is_empty() {
            messages.push(Message { role: "system", content: said.system.join("\n\n") });
        }
        for turn in &said.turns {
            let role = if turn.speaker == Speaker::User { "user" } else { "assistant" };
            let content = texts(provider, "in a message", &turn.words)?.join("\n\n");
            messages.push(Message { role, content });
        }
        match (&self.template, messages.as_slice()) {
            (Some(environment), _) => environment
                .get_template(NAME)
                .and_then(|template| template.render(context! { messages, add_generation_prompt => true }))
                .map_err(|error| {
                    let message = format!("the chat template of provider {provider} does not take it: {error}");
                    Error::new(ErrorCode::InvalidRequest, message)
                }),
            (None, [Message { role: "user", content }]) => Ok(content.clone()),
            (None, _) => {
                Err(unsupported(provider, "more than one message, because it has no chat_template (messages)"))
            }
        }
    }
}
