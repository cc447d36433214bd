//! From the repository to memory: verify, load, and remember what was loaded or why not.

use std::path::PathBuf;
use std::sync::Arc;

use orrery_modelrepo::{Repository, Task, TrustedKeys, VerifiedModel};
use tch::Device;

use super::speech::Speech;
use super::{ChatBackend, EmbedBackend};
use orrery_adapters::{Limits, Registry, Resources};
use orrery_content::ModelIdentity;
use orrery_ocr::{OcrModels, OcrSettings, PaddleOcr};
use orrery_torch::minilm::{MiniLm, MiniLmFiles};
use orrery_torch::silero::SileroVad;
use orrery_torch::smollm2::SmolLm2;
use orrery_torch::whisper::{Whisper, WhisperFiles};

/// Lines that the recogniser is less sure of are counted, not given.
const OCR_CONFIDENCE_MIN: f32 = 0.5;

/// Where things lie and what may be used.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// Root of the model repository.
    pub models: PathBuf,
    /// Folder of the public keys that are trusted.
    pub trusted: PathBuf,
    /// ONNX Runtime's shared library.
    pub onnx_runtime: PathBuf,
    /// PDFium's shared library.
    pub pdfium: PathBuf,
    /// Where tensors live.
    pub device: Device,
    /// Threads of one operator.
    pub threads: usize,
    /// Limits of the adapters.
    pub limits: Limits,
}

/// Whether a model can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// In memory.
    Ready,
    /// Not used, with the reason.
    Failed(String),
}

/// A model of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name, version and digest; the digest is empty while the model is not verified.
    pub identity: ModelIdentity,
    /// What it does.
    pub task: Task,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Its limits, as JSON.
    pub limits_json: String,
    /// Whether it can be used.
    pub state: State,
}

/// Everything that was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// Every model of the repository.
    pub listed: Vec<Listed>,
    /// The language model.
    pub chat: Option<(Arc<ChatBackend>, ModelIdentity)>,
    /// The embedding model.
    pub embed: Option<(Arc<EmbedBackend>, ModelIdentity)>,
    /// The modality adapters over the models that could be loaded.
    pub registry: Arc<Registry>,
}

impl Loaded {
    /// Loads everything that verifies. Blocks; run it off the actors' threads. A repository that cannot be listed is an
    /// error; a single model that fails is not.
    pub fn from_repository(settings: &LoadSettings) -> Result<Self, orrery_modelrepo::RepositoryError> {
        let trusted = TrustedKeys::load(&settings.trusted)?;
        let mut shelf = Shelf { listed: Vec::new(), verified: Vec::new() };
        for folder in Repository::new(&settings.models).list()? {
            shelf.verify(folder, &trusted);
        }
        let chat = shelf.load(Task::Generate, |model| {
            Ok(ChatBackend::new(SmolLm2::load(&model.file("weights")?, settings.device)?))
        });
        let embed = shelf.load(Task::Embed, |model| {
            let files = MiniLmFiles {
                weights: model.file("weights")?,
                tokenizer: model.file("tokenizer")?,
                config: model.file("config")?,
            };
            Ok(EmbedBackend::new(MiniLm::load(&files, settings.device)?))
        });
        let registry = Registry::new(&Resources {
            ocr: shelf.load_ocr(settings).map(|engine| Arc::new(engine) as _),
            speech: shelf.load_speech(settings.device).map(|engine| Arc::new(engine) as _),
            pdfium: settings.pdfium.is_file().then(|| settings.pdfium.clone()),
            limits: settings.limits,
        });
        Ok(Self {
            chat: chat.map(|(backend, identity)| (Arc::new(backend), identity)),
            embed: embed.map(|(backend, identity)| (Arc::new(backend), identity)),
            registry: Arc::new(registry),
            listed: shelf.listed,
        })
    }
}

type Attempt<T> = Result<T, Box<dyn std::error::Error>>;

/// The verified models while they are being loaded.
struct Shelf {
    listed: Vec<Listed>,
    verified: Vec<VerifiedModel>,
}

impl Shelf {
    fn verify(&mut self, folder: orrery_modelrepo::ModelFolder, trusted: &TrustedKeys) {
        let description = folder.description().clone();
        let mut listed = Listed {
            identity: ModelIdentity { name: description.name, version: description.version, digest: String::new() },
            task: description.task,
            size_bytes: 0,
            limits_json: serde_json::to_string(&description.limits).unwrap_or_default(),
            state: State::Ready,
        };
        match folder.verify(trusted) {
            Ok(model) => {
                listed.identity.digest = model.digest.to_string();
                listed.size_bytes = model.size_bytes;
                self.verified.push(model);
            }
            Err(error) => {
                tracing::error!(model.name = listed.identity.name, %error, "model refused");
                listed.state = State::Failed(error.to_string());
            }
        }
        self.listed.push(listed);
    }

    /// The newest verified model for a task.
    fn newest(&self, task: Task) -> Option<VerifiedModel> {
        self.verified.iter().rfind(|model| model.description.task == task).cloned()
    }

    fn load<T>(&mut self, task: Task, load: impl FnOnce(&VerifiedModel) -> Attempt<T>) -> Option<(T, ModelIdentity)> {
        let model = self.newest(task)?;
        let started = std::time::Instant::now();
        let loaded = load(&model);
        let identity = identity(&model);
        match loaded {
            Ok(loaded) => {
                tracing::info!(
                    model.name = identity.name,
                    load_ms = started.elapsed().as_millis() as u64,
                    "model loaded"
                );
                Some((loaded, identity))
            }
            Err(error) => {
                self.fail(&identity, error.as_ref());
                None
            }
        }
    }

    fn fail(&mut self, identity: &ModelIdentity, error: &dyn std::error::Error) {
        tracing::error!(model.name = identity.name, %error, "model not loaded");
        for listed in self.listed.iter_mut().filter(|listed| listed.identity == *identity) {
            listed.state = State::Failed(error.to_string());
        }
    }

    fn load_ocr(&mut self, settings: &LoadSettings) -> Option<PaddleOcr> {
        let detector = self.newest(Task::OcrDetect)?;
        let (engine, _) = self.load(Task::OcrRecognise, |recogniser| {
            let read = |path: PathBuf| std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
            let detection = read(detector.file("weights")?)?;
            let recognition = read(recogniser.file("weights")?)?;
            let line_angle = read(recogniser.file("angle_classifier")?)?;
            let models = OcrModels { detection: &detection, recognition: &recognition, line_angle: &line_angle };
            let identities = vec![identity(&detector), identity(recogniser)];
            let ocr = OcrSettings { confidence_min: OCR_CONFIDENCE_MIN, identities };
            Ok(PaddleOcr::load(&settings.onnx_runtime, settings.threads, models, ocr)?)
        })?;
        Some(engine)
    }

    fn load_speech(&mut self, device: Device) -> Option<Speech> {
        let (detector, detector_identity) =
            self.load(Task::Vad, |model| Ok(SileroVad::load(&model.file("weights")?, device)?))?;
        let (recogniser, recogniser_identity) = self.load(Task::Transcribe, |model| {
            let files = WhisperFiles {
                weights: model.file("weights")?,
                tokenizer: model.file("tokenizer")?,
                config: model.file("config")?,
            };
            Ok(Whisper::load(&files, device)?)
        })?;
        Some(Speech::new(detector, recogniser, vec![recogniser_identity, detector_identity]))
    }
}

fn identity(model: &VerifiedModel) -> ModelIdentity {
    ModelIdentity {
        name: model.description.name.clone(),
        version: model.description.version.clone(),
        digest: model.digest.to_string(),
    }
}
