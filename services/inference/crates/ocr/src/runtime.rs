//! ONNX Runtime for this process: one shared library, one environment, one thread pool for all sessions. A session here is
//! locked for the length of a run; it knows nothing of pictures.

use std::path::Path;
use std::sync::OnceLock;

use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use parking_lot::Mutex;

use super::OcrError;

/// The environment outlives every session: ONNX Runtime allows one in the life of a process and none after it.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
/// Held while the environment is made, so that two loaders do not both try.
static LOADING: Mutex<()> = Mutex::new(());

/// A handle that proves the library is loaded.
#[derive(Debug, Clone, Copy)]
pub struct OnnxRuntime {
    _loaded: (),
}

impl OnnxRuntime {
    /// Loads the shared library and starts a pool of `threads`; later calls find the first one's and ignore theirs.
    pub fn load(library: &Path, threads: usize) -> Result<Self, OcrError> {
        let _guard = LOADING.lock();
        if ENVIRONMENT.get().is_none() {
            let failed = |reason: String| OcrError::Runtime { path: library.to_owned(), reason };
            let builder = ort::init_from(library).map_err(|fault| failed(fault.to_string()))?;
            // Idle workers must not spin: other models of this service run on the same cores.
            let pool = GlobalThreadPoolOptions::default()
                .with_intra_threads(threads.max(1))
                .and_then(|pool| pool.with_spin_control(false))
                .map_err(|fault| failed(fault.to_string()))?;
            let environment = builder
                .with_name("orrery")
                .with_telemetry(false)
                .with_global_thread_pool(pool)
                .build()
                .map_err(|fault| failed(fault.to_string()))?;
            let _ = ENVIRONMENT.set(environment);
        }
        Ok(Self { _loaded: () })
    }
}

/// One model with one input and one output tensor of floats.
pub(super) struct Model {
    name: &'static str,
    session: Mutex<Session>,
}

impl Model {
    /// Builds a session from the bytes of an ONNX file.
    pub(super) fn new(_runtime: OnnxRuntime, name: &'static str, bytes: &[u8]) -> Result<Self, OcrError> {
        let failed = |reason: String| OcrError::Load { model: name, reason };
        let environment = ENVIRONMENT.get().ok_or_else(|| failed("onnx runtime is not loaded".to_owned()))?;
        let session = Session::builder(environment)
            .and_then(|builder| Ok(builder.with_optimization_level(GraphOptimizationLevel::Level3)?))
            // Shapes differ from page to page, so a remembered memory plan never fits and only costs memory.
            .and_then(|builder| Ok(builder.with_memory_pattern(false)?))
            .and_then(|mut builder| builder.commit_from_memory(bytes))
            .map_err(|fault| failed(fault.to_string()))?;
        Ok(Self { name, session: Mutex::new(session) })
    }

    /// An entry of the model's own metadata.
    pub(super) fn metadata(&self, key: &str) -> Option<String> {
        self.session.lock().metadata().ok()?.custom(key)
    }

    /// Runs the model on one tensor and hands shape and values of the answer to `read`.
    pub(super) fn run<T>(
        &self,
        shape: [usize; 4],
        values: &[f32],
        read: impl FnOnce(&[i64], &[f32]) -> Option<T>,
    ) -> Result<T, OcrError> {
        let failed = |fault: ort::Error| OcrError::Run { model: self.name, reason: fault.to_string() };
        let input = TensorRef::from_array_view((shape, values)).map_err(failed)?;
        let mut session = self.session.lock();
        let outputs = session.run(ort::inputs![input]).map_err(failed)?;
        let first = outputs.values().next();
        let Some(output) = first else {
            return Err(OcrError::Shape { model: self.name, shape: Vec::new() });
        };
        let (shape, values) = output.try_extract_tensor::<f32>().map_err(failed)?;
        read(shape, values).ok_or_else(|| OcrError::Shape { model: self.name, shape: shape.to_vec() })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Model").field("name", &self.name).finish_non_exhaustive()
    }
}
