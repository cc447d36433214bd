//! What may be kept at all: which questions, and which answers to them. Pure.
//!
//! - A question whose answer is left to chance is not, unless the route or the caller opted in. Chat is deterministic with
//!   temperature 0, a seed, or one candidate token (`top_k` 1); embedding, ranking, classifying and moderating always are.
//!   Parameters of a vendor (`extra_json`) and media by address count as chance: nobody here knows what they do or what stands
//!   there tomorrow.
//! - A conversation with tools is not, unless the route opted in: what a tool read or did is true for its moment. An answer
//!   that calls a tool never is kept: its ids must stay unique and its effects are not the cache's to repeat.
//! - Personal data is not, unless the route opted in.
//! - An answer is kept when it is whole: each choice stopped by itself, and the shape is what was asked for. A refusal, an
//!   answer cut at its length or by a filter, and images by an address that ends are not.

use orrery_proto::v1::{
    ChatInput, ChatMessage, ChatOutput, InvokeReply, Media, ModelInput, content_part, model_input, model_output,
};

use crate::question::{Mode, Question, Wish};

const PERSONAL: &str = "personal";

/// Why a call takes no part in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// The route's rules or the caller say so.
    Off,
    /// Nothing is asked.
    Empty,
    /// Its answer is left to chance.
    Nondeterministic,
    /// It has tools.
    Tools,
    /// It has personal data.
    Personal,
}

impl Bypass {
    /// As a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Empty => "empty",
            Self::Nondeterministic => "nondeterministic",
            Self::Tools => "tools",
            Self::Personal => "personal",
        }
    }
}

/// Whether the answer to a question may be given again.
pub fn question(question: &Question<'_>) -> Result<(), Bypass> {
    let rules = &question.rules;
    if rules.mode == Mode::Off || question.wish == Wish::Off {
        return Err(Bypass::Off);
    }
    let Some(kind) = &question.input.kind else { return Err(Bypass::Empty) };
    if !rules.personal && question.scope.data_classes.iter().any(|class| class == PERSONAL) {
        return Err(Bypass::Personal);
    }
    if let model_input::Kind::Chat(chat) = kind
        && !rules.tools
        && has_tools(chat)
    {
        return Err(Bypass::Tools);
    }
    if !rules.nondeterministic && !deterministic(kind) {
        return Err(Bypass::Nondeterministic);
    }
    Ok(())
}

/// Whether another question may be answered by what answers this one: as `question`, and a single answer in plain text.
pub(crate) fn semantic(question: &Question<'_>) -> bool {
    let Some(model_input::Kind::Chat(chat)) = &question.input.kind else { return false };
    question.rules.mode == Mode::Semantic && !has_tools(chat) && chat.n <= 1 && !chat.logprobs && !chat.raw
}

fn has_tools(chat: &ChatInput) -> bool {
    let used = |message: &ChatMessage| message.role == "tool" || !message.tool_calls.is_empty();
    !chat.tools.is_empty() || chat.messages.iter().any(used)
}

fn deterministic(kind: &model_input::Kind) -> bool {
    match kind {
        model_input::Kind::Chat(chat) => {
            let greedy = chat.temperature == Some(0.0) || chat.seed.is_some() || chat.top_k == Some(1);
            greedy && chat.extra_json.is_empty() && !has_media_by_address(chat)
        }
        model_input::Kind::Embed(_)
        | model_input::Kind::Classify(_)
        | model_input::Kind::Rerank(_)
        | model_input::Kind::Moderate(_) => true,
        model_input::Kind::Read(_) | model_input::Kind::Extract(_) | model_input::Kind::Image(_) => false,
    }
}

fn has_media_by_address(chat: &ChatInput) -> bool {
    let by_address = |media: &Media| !media.url.is_empty();
    chat.messages.iter().flat_map(|message| &message.parts).any(|part| match &part.kind {
        Some(
            content_part::Kind::Image(media) | content_part::Kind::Audio(media) | content_part::Kind::Document(media),
        ) => by_address(media),
        Some(content_part::Kind::Text(_)) | None => false,
    })
}

/// What an answer must look like, told from the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Nothing,
    Chat,
    Vectors(usize),
    Content,
    Extraction,
    Classification,
    Ranking { of: usize },
    Judgements(usize),
    Images,
}

impl Expected {
    pub fn of(input: &ModelInput) -> Self {
        match &input.kind {
            None => Self::Nothing,
            Some(model_input::Kind::Chat(_)) => Self::Chat,
            Some(model_input::Kind::Embed(embed)) => Self::Vectors(embed.texts.len()),
            Some(model_input::Kind::Read(_)) => Self::Content,
            Some(model_input::Kind::Extract(_)) => Self::Extraction,
            Some(model_input::Kind::Classify(_)) => Self::Classification,
            Some(model_input::Kind::Rerank(rerank)) => Self::Ranking { of: rerank.documents.len() },
            Some(model_input::Kind::Moderate(moderate)) => Self::Judgements(moderate.texts.len()),
            Some(model_input::Kind::Image(_)) => Self::Images,
        }
    }
}

/// Whether an answer may be given again.
pub(crate) fn answer(expected: Expected, reply: &InvokeReply) -> bool {
    let Some(said) = reply.output.as_ref().and_then(|output| output.kind.as_ref()) else { return false };
    match (expected, said) {
        (Expected::Chat, model_output::Kind::Chat(chat)) => whole(chat) && chat.others.iter().all(whole),
        (Expected::Vectors(texts), model_output::Kind::Embed(embed)) => {
            let values = usize::try_from(embed.dimensions).ok().and_then(|columns| columns.checked_mul(texts));
            values == Some(embed.values.len()) && embed.values.iter().all(|value| value.is_finite())
        }
        (Expected::Content, model_output::Kind::ContentJson(text))
        | (Expected::Extraction, model_output::Kind::ExtractionJson(text))
        | (Expected::Classification, model_output::Kind::ClassificationJson(text)) => !text.is_empty(),
        (Expected::Ranking { of }, model_output::Kind::Rerank(said)) => said.results.is_empty() == (of == 0),
        (Expected::Judgements(texts), model_output::Kind::Moderate(said)) => said.results.len() == texts,
        (Expected::Images, model_output::Kind::Image(said)) => {
            !said.images.is_empty() && said.images.iter().all(|image| image.url.is_empty() && !image.data.is_empty())
        }
        _ => false,
    }
}

fn whole(chat: &ChatOutput) -> bool {
    chat.finish_reason == "stop" && chat.tool_calls.is_empty() && chat.refusal.is_empty() && !chat.text.is_empty()
}

#[cfg(test)]
mod tests {
    use orrery_proto::v1::{ContentPart, ModelOutput, Tool, ToolCall};

    use super::*;
    use crate::question::{Rules, Scope, Versions};

    fn chat(change: impl FnOnce(&mut ChatInput)) -> ModelInput {
        let message = ChatMessage { role: "user".into(), content: "hello".into(), ..Default::default() };
        let mut chat = ChatInput { messages: vec![message], temperature: Some(0.0), ..Default::default() };
        change(&mut chat);
        ModelInput { kind: Some(model_input::Kind::Chat(chat)) }
    }

    fn judged(input: &ModelInput, classes: &[&str], rules: Rules) -> Result<(), Bypass> {
        let scope = Scope {
            tenant: "acme".into(),
            roles: vec![],
            data_classes: classes.iter().map(|&class| class.to_owned()).collect(),
            purpose: String::new(),
            model: "auto".into(),
        };
        question(&Question { scope, versions: Versions::default(), rules, wish: Wish::AsConfigured, input })
    }

    #[test]
    fn chance_is_left_out_unless_opted_in() {
        let plain = Rules::default;
        assert_eq!(judged(&chat(|_| ()), &[], plain()), Ok(()));
        let url = Media { url: "https://example.org/a.png".into(), ..Default::default() };
        let image = ContentPart { kind: Some(content_part::Kind::Image(url)) };
        let chances = [
            chat(|chat| chat.temperature = None),
            chat(|chat| chat.temperature = Some(0.7)),
            chat(|chat| chat.extra_json = r#"{"search":true}"#.into()),
            chat(|chat| chat.messages[0].parts = vec![image]),
            ModelInput { kind: Some(model_input::Kind::Image(Default::default())) },
            ModelInput { kind: Some(model_input::Kind::Read(Default::default())) },
        ];
        for chance in &chances {
            assert_eq!(judged(chance, &[], plain()), Err(Bypass::Nondeterministic));
            assert_eq!(judged(chance, &[], Rules { nondeterministic: true, ..plain() }), Ok(()));
        }
        let seeded = chat(|chat| (chat.temperature, chat.seed) = (Some(1.0), Some(7)));
        assert_eq!(judged(&seeded, &[], plain()), Ok(()));
        for kind in [
            model_input::Kind::Embed(Default::default()),
            model_input::Kind::Rerank(Default::default()),
            model_input::Kind::Classify(Default::default()),
            model_input::Kind::Moderate(Default::default()),
        ] {
            assert_eq!(judged(&ModelInput { kind: Some(kind) }, &[], plain()), Ok(()));
        }
    }

    #[test]
    fn tools_personal_data_and_wishes_are_heard() {
        let offered = chat(|chat| chat.tools = vec![Tool::default()]);
        let used = chat(|chat| chat.messages[0].role = "tool".into());
        for input in [&offered, &used] {
            assert_eq!(judged(input, &[], Rules::default()), Err(Bypass::Tools));
            assert_eq!(judged(input, &[], Rules { tools: true, ..Rules::default() }), Ok(()));
        }
        assert_eq!(judged(&chat(|_| ()), &["personal"], Rules::default()), Err(Bypass::Personal));
        assert_eq!(judged(&chat(|_| ()), &["personal"], Rules { personal: true, ..Rules::default() }), Ok(()));
        assert_eq!(judged(&chat(|_| ()), &[], Rules { mode: Mode::Off, ..Rules::default() }), Err(Bypass::Off));
        assert_eq!(judged(&ModelInput::default(), &[], Rules::default()), Err(Bypass::Empty));
    }

    fn said(change: impl FnOnce(&mut ChatOutput)) -> InvokeReply {
        let mut chat = ChatOutput { text: "yes".into(), finish_reason: "stop".into(), ..Default::default() };
        change(&mut chat);
        let output = ModelOutput { kind: Some(model_output::Kind::Chat(chat)) };
        InvokeReply { output: Some(output), ..Default::default() }
    }

    #[test]
    fn only_whole_answers_are_kept() {
        let asked = chat(|_| ());
        assert!(answer(Expected::of(&asked), &said(|_| ())));
        let cut = ChatOutput { finish_reason: "length".into(), ..Default::default() };
        let parts = [
            said(|chat| chat.finish_reason = "length".into()),
            said(|chat| chat.finish_reason = "content_filter".into()),
            said(|chat| chat.finish_reason.clear()),
            said(|chat| chat.tool_calls = vec![ToolCall::default()]),
            said(|chat| chat.refusal = "I cannot".into()),
            said(|chat| chat.text.clear()),
            said(|chat| chat.others = vec![cut]),
            InvokeReply::default(),
        ];
        for part in &parts {
            assert!(!answer(Expected::of(&asked), part), "{part:?}");
        }
        let embedding = ModelInput { kind: Some(model_input::Kind::Embed(Default::default())) };
        assert!(!answer(Expected::of(&embedding), &said(|_| ())), "an answer of another kind");
    }
}
