//! Text generation against transformers on the same file, and the promises about streams, stops and limits.

use std::ops::ControlFlow;
use std::path::Path;

use orrery_torch::ModelError;
use orrery_torch::smollm2::{
    ChatMessage, FinishReason, GenerateRequest, Generated, SamplingParameters, SmolLm2, Token,
};
use serde::Deserialize;

use crate::models::{fixture, smollm2};

/// What transformers 5.23 makes of the GGUF file in 32-bit floats.
#[derive(Deserialize)]
struct Published {
    messages: Vec<PublishedMessage>,
    prompt: String,
    ids: Vec<u32>,
    /// The five best next tokens and their scores.
    top: Vec<(usize, f32)>,
    /// Greedy, up to 32 tokens.
    continuation: Vec<u32>,
    /// By how much each of these beats the second best.
    margins: Vec<f32>,
}

#[derive(Deserialize)]
struct PublishedMessage {
    role: String,
    content: String,
}

fn published() -> Vec<Published> {
    fixture("smollm2.json")
}

fn request(prompt: &str, tokens_max: usize) -> GenerateRequest {
    GenerateRequest::new(prompt, tokens_max)
}

fn generate(request: &GenerateRequest) -> (Generated, Vec<Token>) {
    let mut tokens = Vec::new();
    let generated = smollm2().generate(request, |token| {
        tokens.push(token.clone());
        ControlFlow::Continue(())
    });
    (generated.unwrap(), tokens)
}

#[test]
fn prompts_tokens_and_scores_are_those_of_transformers() {
    for published in published() {
        let messages: Vec<ChatMessage> = published
            .messages
            .into_iter()
            .map(|message| ChatMessage { role: message.role, content: message.content })
            .collect();
        let prompt = smollm2().chat_prompt(&messages).unwrap();
        assert_eq!(prompt, published.prompt);
        assert_eq!(smollm2().tokenize(&prompt).unwrap(), published.ids);
        let scores = smollm2().next_token_logits(&published.ids).unwrap();
        for (token, score) in published.top {
            assert!((scores[token] - score).abs() < 5e-3, "{} for {score}", scores[token]);
        }
    }
}

/// The packed weights round what float32 does not, so tokens may part, but only where two are nearly as good.
#[test]
fn greedy_text_is_that_of_transformers_up_to_a_near_tie() {
    const NEAR_TIE: f32 = 0.3;
    for published in published() {
        let (_, tokens) = generate(&request(&published.prompt, 32));
        let own: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        let parting = own.iter().zip(&published.continuation).position(|(own, published)| own != published);
        if let Some(parting) = parting {
            assert!(published.margins[parting] < NEAR_TIE, "parts at token {parting}: {own:?}");
        } else {
            assert_eq!(own.len(), published.continuation.len());
        }
    }
}

#[test]
fn pieces_make_up_the_text_and_usage_is_counted() {
    let published = published();
    let (generated, tokens) = generate(&request(&published[0].prompt, 40));
    let joined: String = tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(joined, generated.text);
    assert_eq!(generated.text, "The capital of France is Paris.");
    assert_eq!(generated.finish, FinishReason::Stop);
    assert_eq!(generated.usage.prompt_tokens, published[0].ids.len());
    assert_eq!(generated.usage.completion_tokens, tokens.len());
    assert!(tokens.iter().all(|token| token.log_probability <= 0.0));
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
    let mut request = request(&published()[0].prompt, 40);
    request.stop = vec!["nce is".into()];
    let (generated, _) = generate(&request);
    assert_eq!((generated.text.as_str(), generated.finish), ("The capital of Fra", FinishReason::Stop));
}

#[test]
fn the_limit_ends_the_text_and_a_caller_that_leaves_too() {
    let prompt = &published()[1].prompt;
    let (generated, _) = generate(&request(prompt, 5));
    assert_eq!((generated.finish, generated.usage.completion_tokens), (FinishReason::Length, 5));

    let mut seen = 0;
    let cancelled = smollm2().generate(&request(prompt, 1000), |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let cancelled = cancelled.unwrap();
    assert_eq!((cancelled.finish, cancelled.usage.completion_tokens), (FinishReason::Cancelled, 3));
}

#[test]
fn a_seed_decides_the_text() {
    let draw = |seed| {
        let mut request = request("Once upon a time", 12);
        request.sampling =
            SamplingParameters { temperature: 1.2, top_p: 0.95, repetition_penalty: 1.1, seed, ..Default::default() };
        generate(&request).0.text
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn prompts_beyond_the_context_and_odd_parameters_are_refused() {
    let long = "word ".repeat(smollm2().context_length() + 1);
    assert!(
        matches!(smollm2().start(&request(&long, 1)), Err(ModelError::ContextOverflow { prompt, context }) if prompt > context)
    );
    assert!(matches!(smollm2().start(&request("a", 0)), Err(ModelError::InvalidInput(_))));
    let mut odd = request("a", 1);
    odd.sampling.temperature = f32::NAN;
    assert!(matches!(smollm2().start(&odd), Err(ModelError::InvalidInput(_))));
    assert!(matches!(smollm2().next_token_logits(&[]), Err(ModelError::InvalidInput(_))));
}

#[test]
fn a_malformed_file_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.gguf");
    let refuse = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        SmolLm2::load(&file, tch::Device::Cpu).err().unwrap()
    };
    assert!(matches!(refuse(b""), ModelError::Corrupt { .. }));
    assert!(matches!(refuse(b"GGUF\x09\0\0\0"), ModelError::Unsupported { .. }));
    assert!(matches!(refuse(&[b"GGUF\x03\0\0\0".as_slice(), &[0xFF; 64]].concat()), ModelError::Corrupt { .. }));
    assert!(matches!(SmolLm2::load(Path::new("absent"), tch::Device::Cpu), Err(ModelError::Io { .. })));
}
