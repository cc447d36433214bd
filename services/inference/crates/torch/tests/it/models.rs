//! The models as libtorch runs them, each loaded once for all tests.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use orrery_config::Paths;
use orrery_torch::device::{DeviceSetting, select};
use orrery_torch::minilm::{MiniLm, MiniLmFiles};
use orrery_torch::silero::SileroVad;
use orrery_torch::smollm2::SmolLm2;
use orrery_torch::whisper::{Whisper, WhisperFiles};
use tch::Device;

fn cache(path: &str) -> PathBuf {
    Paths::from_env().cache.join(path)
}

pub fn model(path: &str) -> PathBuf {
    cache("models").join(path)
}

/// Values of the published implementations.
pub fn fixture<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cpu() -> Device {
    select(DeviceSetting::Cpu).unwrap()
}

pub fn minilm_files() -> MiniLmFiles {
    MiniLmFiles {
        weights: model("all-minilm-l6-v2/0.1.0/model.safetensors"),
        tokenizer: model("all-minilm-l6-v2/0.1.0/tokenizer.json"),
        config: model("all-minilm-l6-v2/0.1.0/config.json"),
    }
}

pub fn whisper_files() -> WhisperFiles {
    WhisperFiles {
        weights: model("whisper-tiny-en/0.1.0/model.bin"),
        tokenizer: model("whisper-tiny-en/0.1.0/tokenizer.json"),
        config: model("whisper-tiny-en/0.1.0/config.json"),
    }
}

// Tensors may move between threads but not be used by several, so each model is behind a lock.
static MINILM: LazyLock<Mutex<MiniLm>> = LazyLock::new(|| Mutex::new(MiniLm::load(&minilm_files(), cpu()).unwrap()));

static SMOLLM2: LazyLock<Mutex<SmolLm2>> = LazyLock::new(|| {
    let file = model("smollm2-135m-instruct/0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf");
    Mutex::new(SmolLm2::load(&file, cpu()).unwrap())
});

static WHISPER: LazyLock<Mutex<Whisper>> =
    LazyLock::new(|| Mutex::new(Whisper::load(&whisper_files(), cpu()).unwrap()));

static VAD: LazyLock<Mutex<SileroVad>> =
    LazyLock::new(|| Mutex::new(SileroVad::load(&model("silero-vad/6.2.3/silero_vad.jit"), cpu()).unwrap()));

/// One test that fails must not fail the others.
fn take<T>(model: &'static Mutex<T>) -> MutexGuard<'static, T> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn minilm() -> MutexGuard<'static, MiniLm> {
    take(&MINILM)
}

pub fn smollm2() -> MutexGuard<'static, SmolLm2> {
    take(&SMOLLM2)
}

pub fn whisper() -> MutexGuard<'static, Whisper> {
    take(&WHISPER)
}

pub fn vad() -> MutexGuard<'static, SileroVad> {
    take(&VAD)
}

/// A recording of pocketsphinx-testdata, 16 kHz mono, 16 bits.
pub fn recording(name: &str) -> Vec<f32> {
    let file = cache("testdata/librivox").join(format!("{name}.wav"));
    let bytes = std::fs::read(&file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
    let samples = bytes[44..].chunks_exact(2);
    samples.map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect()
}

/// The five clips of the data set with the words that are spoken.
pub const CLIPS: [(&str, &str); 5] = [
    (
        "sense_and_sensibility_01_austen_64kb-0870",
        "and mister john dashwood had then leisure to consider how much there might be prudently in his power to do for them",
    ),
    ("sense_and_sensibility_01_austen_64kb-0880", "he was not an ill disposed young man"),
    (
        "sense_and_sensibility_01_austen_64kb-0890",
        "unless to be rather cold hearted and rather selfish is to be ill disposed",
    ),
    (
        "sense_and_sensibility_01_austen_64kb-0920",
        "had he married a more a amiable woman he might have been made still more respectable than he was",
    ),
    ("sense_and_sensibility_01_austen_64kb-0930", "he might even have been made amiable himself"),
];
