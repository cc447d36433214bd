//! Answers in a form, several answers to one prompt, and what is told of each token, with the real model.

use std::ops::ControlFlow;

use orrery_torch::ModelError;
use orrery_torch::smollm2::{
    AnswerForm, AnswerPart, AnswerReader, ChatMessage, FinishReason, GenerateRequest, Generated, Otherwise,
    SamplingParameters, SmolLm2, Token, Tool, tools_text,
};
use serde_json::{Value, json};

use crate::models::smollm2;

fn prompt(model: &SmolLm2, system: &str, user: &str) -> String {
    let turn = |role: &str, content: &str| ChatMessage { role: role.into(), content: content.into() };
    model.chat_prompt(&[turn("system", system), turn("user", user)]).unwrap()
}

fn write(model: &SmolLm2, request: &GenerateRequest) -> (Generated, Vec<Token>) {
    let mut tokens = Vec::new();
    let generated = model.generate(request, |token| {
        tokens.push(token.clone());
        ControlFlow::Continue(())
    });
    (generated.unwrap(), tokens)
}

fn person() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["name", "age", "city", "tags"], "properties": {
        "name": {"type": "string", "maxLength": 30}, "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "city": {"enum": ["Paris", "Rome"]},
        "tags": {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 12}}}})
}

#[test]
fn an_answer_keeps_to_its_schema_at_any_temperature() {
    let model = smollm2();
    let prompt = prompt(&model, "Answer in JSON.", "Describe a person.");
    let grammar = model.grammar(&AnswerForm::Json(person())).unwrap();
    for (temperature, seed) in [(0.0, 0), (1.0, 1), (1.5, 2), (2.0, 3)] {
        let sampling = SamplingParameters { temperature, seed, ..SamplingParameters::default() };
        let request =
            GenerateRequest { sampling, grammar: Some(grammar.clone()), ..GenerateRequest::new(prompt.as_str(), 400) };
        let (generated, _) = write(&model, &request);
        assert_eq!(generated.finish, FinishReason::Stop, "{}", generated.text);
        let value: Value = serde_json::from_str(&generated.text).unwrap();
        assert!(jsonschema::is_valid(&person(), &value), "{value}");
    }
}

#[test]
fn a_limit_that_comes_first_ends_a_form_as_too_long() {
    let model = smollm2();
    let grammar = model.grammar(&AnswerForm::Json(person())).unwrap();
    let request = GenerateRequest {
        grammar: Some(grammar),
        ..GenerateRequest::new(prompt(&model, "Answer in JSON.", "Describe a person."), 4)
    };
    let (generated, tokens) = write(&model, &request);
    assert_eq!((generated.finish, tokens.len()), (FinishReason::Length, 4));
    assert!(generated.text.starts_with("{\"name\""), "{}", generated.text);
}

#[test]
fn required_calls_are_well_formed_whatever_is_drawn() {
    let model = smollm2();
    let place = json!({"type": "object", "properties": {"place": {"type": "string", "maxLength": 20}}, "required": ["place"],
        "additionalProperties": false});
    let tool = |name: &str| Tool::new(name.into(), "Weather of a place.".into(), place.clone(), true).unwrap();
    let tools = vec![tool("get_weather"), tool("get_tides")];
    let prompt = prompt(&model, &tools_text(&tools, true, true), "What is the weather in Dublin?");
    let form = AnswerForm::Calls { tools, parallel: true, otherwise: Otherwise::Nothing };
    let grammar = model.grammar(&form).unwrap();
    for (temperature, seed) in [(0.0, 0), (1.0, 5)] {
        let sampling = SamplingParameters { temperature, seed, ..SamplingParameters::default() };
        let request =
            GenerateRequest { sampling, grammar: Some(grammar.clone()), ..GenerateRequest::new(prompt.as_str(), 800) };
        let (generated, tokens) = write(&model, &request);
        assert_eq!(generated.finish, FinishReason::Stop, "{}", generated.text);
        let mut reader = AnswerReader::default();
        let mut calls: Vec<(String, String)> = Vec::new();
        for part in tokens.iter().flat_map(|token| reader.push(&token.text)).collect::<Vec<_>>() {
            match part {
                AnswerPart::Call { name, .. } => calls.push((name, String::new())),
                AnswerPart::Arguments { index, text } => calls[index as usize].1.push_str(&text),
                AnswerPart::Text(text) => panic!("{text:?} is no call"),
            }
        }
        assert!(!calls.is_empty());
        for (name, arguments) in calls {
            assert!(name.starts_with("get_"), "{name}");
            assert!(jsonschema::is_valid(&place, &serde_json::from_str(&arguments).unwrap()), "{arguments}");
        }
    }
}

#[test]
fn further_answers_are_those_of_a_new_generation() {
    let model = smollm2();
    let sampled = |seed| {
        let sampling = SamplingParameters { temperature: 1.0, seed, ..SamplingParameters::default() };
        GenerateRequest { sampling, ..GenerateRequest::new("Once upon a time", 12) }
    };
    let alone: Vec<String> = [7, 8].map(|seed| write(&model, &sampled(seed)).0.text).to_vec();
    let mut generation = model.start(&sampled(7)).unwrap();
    let mut together = Vec::new();
    for seed in [7, 8] {
        if seed > 7 {
            generation.again(seed);
        }
        let mut text = String::new();
        while let Some(token) = generation.next_token().unwrap() {
            text.push_str(&token.text);
        }
        together.push(text);
    }
    assert_eq!(together, alone);
    assert_ne!(together[0], together[1]);
    assert_eq!(generation.usage().completion_tokens, 24);
}

#[test]
fn each_token_tells_the_best_ones_and_a_bias_does_not_change_what_is_told() {
    let model = smollm2();
    let prompt = prompt(&model, "Be brief.", "What is the capital of France?");
    let plain = GenerateRequest { alternatives: 5, ..GenerateRequest::new(prompt.as_str(), 20) };
    let (generated, tokens) = write(&model, &plain);
    for token in &tokens {
        assert_eq!(token.alternatives.len(), 5);
        assert!(token.alternatives.is_sorted_by(|better, worse| better.1 >= worse.1));
        assert_eq!(token.alternatives[0], (token.id, token.log_probability));
    }
    assert!(tokens.last().unwrap().ends_turn, "{}", generated.text);
    let joined: Vec<u8> = tokens.iter().flat_map(|token| model.token_bytes(token.id)).copied().collect();
    assert_eq!(String::from_utf8(joined).unwrap(), generated.text);

    let mut biased = plain.clone();
    biased.sampling.bias = vec![(tokens[0].id, -100.0)];
    let (_, other) = write(&model, &biased);
    assert_ne!(other[0].id, tokens[0].id);
    assert_eq!(other[0].alternatives, tokens[0].alternatives);
}

#[test]
fn a_long_prompt_is_read_in_pieces_between_which_a_caller_can_leave() {
    let model = smollm2();
    let request = GenerateRequest::new("word ".repeat(1_100), 2);
    let mut generation = model.start(&request).unwrap();
    let mut pieces = 1;
    while generation.read_prompt().unwrap() {
        pieces += 1;
        assert!(generation.cached_tokens() < generation.usage().prompt_tokens);
    }
    assert_eq!(pieces, generation.usage().prompt_tokens.div_ceil(512));
    let read = generation.next_token().unwrap().unwrap();
    assert_eq!(read.id, write(&model, &request).1[0].id);
}

#[test]
fn a_schema_that_is_refused_is_named() {
    let form = AnswerForm::Json(json!({"type": "object", "not": {}}));
    let error = smollm2().grammar(&form).unwrap_err();
    assert!(matches!(&error, ModelError::Schema { reason, .. } if reason.contains("not")), "{error}");
}
