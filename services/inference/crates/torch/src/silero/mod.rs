//! Silero VAD: where in a recording somebody speaks. The network runs as TorchScript; the rules that make spans out of
//! its probabilities are in `spans`.

mod spans;

use std::path::Path;

use tch::{CModule, Device, IValue, Tensor};

pub use spans::{SpanRules, SpeechSpan};

use super::ModelError;
use super::device::without_gradients;
use super::error::read_file;

/// Samples per second that the network is used at.
pub const SAMPLE_RATE: u32 = 16_000;
/// Samples that it judges at once, 32 ms.
const CHUNK: usize = 512;

/// A loaded model. The network keeps state from chunk to chunk, so detection needs exclusive use.
pub struct SileroVad {
    module: CModule,
    device: Device,
}

impl std::fmt::Debug for SileroVad {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SileroVad").finish_non_exhaustive()
    }
}

impl SileroVad {
    /// Loads the TorchScript archive.
    ///
    /// # Errors
    /// When the file cannot be read or is no such archive.
    pub fn load(archive: &Path, device: Device) -> Result<Self, ModelError> {
        // The network is tiny and each call short: specialising the graph costs more than it ever returns.
        tch::jit::f_set_graph_executor_optimize(false)?;
        let bytes = read_file(archive)?;
        let mut module = CModule::load_data_on_device(&mut bytes.as_slice(), device)
            .map_err(|error| ModelError::corrupt(archive, first_line(&error)))?;
        module.f_set_eval()?;
        Ok(Self { module, device })
    }

    /// The spans of speech in 16 kHz mono samples from -1 to 1, in order and apart from each other.
    ///
    /// # Errors
    /// When the rules are out of bounds or libtorch fails.
    pub fn detect(&mut self, samples: &[f32], rules: &SpanRules) -> Result<Vec<SpeechSpan>, ModelError> {
        rules.validate()?;
        let probabilities = without_gradients(|| self.probabilities(samples))?;
        Ok(spans::find(&probabilities, samples.len(), rules))
    }

    /// The probability of speech for each 32 ms; the last piece is filled up with silence.
    fn probabilities(&mut self, samples: &[f32]) -> Result<Vec<f32>, ModelError> {
        self.module.method_is::<IValue>("reset_states", &[])?;
        let rate = IValue::Int(SAMPLE_RATE.into());
        let mut probabilities = Vec::with_capacity(samples.len().div_ceil(CHUNK));
        for chunk in samples.chunks(CHUNK) {
            let mut padded = [0.0_f32; CHUNK];
            for (target, sample) in padded.iter_mut().zip(chunk) {
                *target = *sample;
            }
            let input = Tensor::f_from_slice(&padded)?.f_view([1, CHUNK as i64])?.f_to_device(self.device)?;
            let answer = self.module.forward_is(&[&IValue::Tensor(input), &rate])?;
            let IValue::Tensor(answer) = answer else {
                return Err(ModelError::InvalidInput("the voice network answered with no tensor".into()));
            };
            probabilities.push(answer.f_double_value(&[0, 0])? as f32);
        }
        Ok(probabilities)
    }
}

fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
