//! Speed of the models on this machine: `cargo bench --workspace --bench models` prints one JSON line a model and number of
//! threads, each the best of a few rounds, so that two builds can be compared.
#![allow(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use orrery_config::Paths;
use orrery_torch::device::{DeviceSetting, select, set_threads};
use orrery_torch::smollm2::{AnswerForm, GenerateRequest, SmolLm2};
use orrery_torch::whisper::{TranscribeOptions, Whisper, WhisperFiles};
use serde_json::json;

const ROUNDS: usize = 3;
const TOKENS: usize = 48;
const WORDS: &str = "Claim under a home policy. Incident: storm on 2026-03-04 at 33 Orchard Close, Dunmore. In the claimant's words: \
    the storm blew tiles off the roof and rain came in. Amount claimed: EUR 378.04. Summarise the claim.";
const SAMPLE_RATE: usize = 16_000;
const SECONDS: usize = 10;

fn main() -> anyhow::Result<()> {
    let models = Paths::from_env().models();
    let cpu = select(DeviceSetting::Cpu)?;
    let chat = models.join("smollm2-135m-instruct/0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf");
    let chat = SmolLm2::load(&chat, cpu).context("the language model; run the setup")?;
    let speech = |name: &str| -> PathBuf { models.join("whisper-tiny-en/0.1.0").join(name) };
    let files = WhisperFiles {
        weights: speech("model.bin"),
        tokenizer: speech("tokenizer.json"),
        config: speech("config.json"),
    };
    let whisper = Whisper::load(&files, cpu).context("the speech model; run the setup")?;
    let recording = recording()?;
    for threads in [1, 2] {
        set_threads(threads);
        let request = GenerateRequest::new(WORDS, TOKENS);
        let read = best(|| {
            Ok(chat.generate(&GenerateRequest { tokens_max: 1, ..request.clone() }, |_| ControlFlow::Continue(()))?)
        })?;
        let wrote = best(|| Ok(chat.generate(&request, |_| ControlFlow::Continue(()))?))?;
        let per_token_ms = (wrote - read) * 1000.0 / (TOKENS - 1) as f64;
        let grammar_us = grammar_us(&chat, &request)?;
        println!(
            "{}",
            json!({"model": "smollm2", "threads": threads, "prompt_ms": read * 1000.0, "token_ms": per_token_ms,
                "grammar_token_us": grammar_us})
        );
        let heard =
            best(|| Ok(whisper.transcribe(&recording, &TranscribeOptions::default(), |_| ControlFlow::Continue(()))?))?;
        println!(
            "{}",
            json!({"model": "whisper", "threads": threads, "seconds": heard, "of_seconds": recording.len() / SAMPLE_RATE})
        );
    }
    Ok(())
}

/// What keeping to a schema adds to a token, in microseconds: the same tokens are written with and without.
fn grammar_us(chat: &SmolLm2, request: &GenerateRequest) -> anyhow::Result<f64> {
    // The answer is a string, so that about as many tokens are written as without.
    let grammar =
        chat.grammar(&AnswerForm::Json(json!({"type": "array", "items": {"type": "string", "minLength": 10}})))?;
    let kept = GenerateRequest { grammar: Some(grammar), ..request.clone() };
    let time = |request: &GenerateRequest| -> anyhow::Result<f64> {
        let mut tokens = 0;
        let all = best(|| {
            tokens = chat.generate(request, |_| ControlFlow::Continue(()))?.usage.completion_tokens;
            Ok(())
        })?;
        let first = best(|| {
            chat.generate(&GenerateRequest { tokens_max: 1, ..request.clone() }, |_| ControlFlow::Continue(()))?;
            Ok(())
        })?;
        Ok((all - first) * 1e6 / (tokens - 1).max(1) as f64)
    };
    Ok(time(&kept)? - time(request)?)
}

/// The first seconds of a clip that the set-up brings.
fn recording() -> anyhow::Result<Vec<f32>> {
    let folder = Paths::from_env().cache.join("testdata/librivox");
    let clip = std::fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "wav"))
        .min();
    let bytes = std::fs::read(clip.context("no recording; run the setup")?)?;
    let samples = bytes.get(44..).unwrap_or_default().chunks_exact(2);
    Ok(samples
        .take(SECONDS * SAMPLE_RATE)
        .filter_map(|pair| Some(f32::from(i16::from_le_bytes(pair.try_into().ok()?)) / 32_768.0))
        .collect())
}

fn best<T>(mut run: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        run()?;
        best = best.min(begin.elapsed().as_secs_f64());
    }
    Ok(best)
}
