//! Writes conversations in the format that the model was trained on, by the template inside its file.

use minijinja::{Environment, context};
use serde::Serialize;

use super::super::ModelError;
use super::gguf::Gguf;

/// A template does a few thousand steps for a long conversation; a malicious one is stopped here.
const TEMPLATE_FUEL: u64 = 2_000_000;

/// One turn of a conversation; `role` is `system`, `user` or `assistant`.
#[derive(Debug, Clone, Serialize)]
pub struct ChatMessage {
    pub role: String,
    pub content: String,
}

pub(super) struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    pub(super) fn from_gguf(file: &Gguf) -> Result<Self, ModelError> {
        Self::new(file.text("tokenizer.chat_template")?.to_owned())
    }

    fn new(source: String) -> Result<Self, ModelError> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(TEMPLATE_FUEL));
        environment.add_template_owned("chat", source).map_err(|error| ModelError::ChatTemplate(error.to_string()))?;
        Ok(Self { environment })
    }

    pub(super) fn render(&self, messages: &[ChatMessage]) -> Result<String, ModelError> {
        self.environment
            .get_template("chat")
            .and_then(|template| template.render(context! { messages, add_generation_prompt => true }))
            .map_err(|error| ModelError::ChatTemplate(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn roles_and_the_generation_prompt_are_written() {
        let source = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}\
                      {% if add_generation_prompt %}<assistant>{% endif %}";
        let template = ChatTemplate::new(source.to_owned()).unwrap();
        let message = ChatMessage { role: "user".into(), content: "{{ 1 + 1 }} & <b>".into() };
        assert_eq!(template.render(&[message]).unwrap(), "<user>{{ 1 + 1 }} & <b><assistant>");
    }

    #[test]
    fn a_broken_or_endless_template_is_an_error() {
        assert!(matches!(ChatTemplate::new("{% for".into()), Err(ModelError::ChatTemplate(_))));
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        let template = ChatTemplate::new(endless.into()).unwrap();
        assert!(matches!(template.render(&[]), Err(ModelError::ChatTemplate(_))));
    }
}
