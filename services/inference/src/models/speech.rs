//! Speech as the adapters ask for it: silence cut away by the voice detector, the rest written down by Whisper, and the
//! times led back to the recording.

use parking_lot::Mutex;

use orrery_content::ModelIdentity;
use orrery_content::capability::{CapabilityError, Interrupt, SpeechEngine, SpokenSegment};
use orrery_torch::ModelError;
use orrery_torch::silero::{SileroVad, SpanRules};
use orrery_torch::whisper::{SpeechMap, TranscribeOptions, Whisper};

/// Room left around speech, so that no first or last sound is cut off.
const PADDING_MS: u32 = 200;
/// Pauses shorter than this stay: they tell sentences apart.
const SILENCE_MIN_MS: u32 = 1_000;

/// Voice detection and recognition together.
#[derive(Debug)]
pub struct Speech {
    detector: Mutex<SileroVad>,
    recogniser: Mutex<Whisper>,
    identities: Vec<ModelIdentity>,
}

impl Speech {
    /// Over loaded models.
    pub fn new(detector: SileroVad, recogniser: Whisper, identities: Vec<ModelIdentity>) -> Self {
        Self { detector: Mutex::new(detector), recogniser: Mutex::new(recogniser), identities }
    }
}

impl SpeechEngine for Speech {
    fn transcribe(&self, samples: &[f32], interrupt: Interrupt<'_>) -> Result<Vec<SpokenSegment>, CapabilityError> {
        let failed = |error: ModelError| CapabilityError::Failed(error.to_string());
        let rules = SpanRules { padding_ms: PADDING_MS, silence_min_ms: SILENCE_MIN_MS, ..SpanRules::default() };
        let spans = self.detector.lock().detect(samples, &rules).map_err(failed)?;
        let speech = SpeechMap::collect(samples, &spans);
        let options = TranscribeOptions::default();
        let mut listening = self.recogniser.lock().begin(speech.samples(), &options).map_err(failed)?;
        loop {
            interrupt.check()?;
            // Held for one window only, so that a short note gets its turn while a long recording is heard.
            let heard = self.recogniser.lock().hear_window(&mut listening).map_err(failed)?;
            if !heard {
                break;
            }
        }
        let transcript = listening.into_transcript();
        let segments = transcript.segments.into_iter().map(|segment| SpokenSegment {
            confidence: segment.confidence(),
            start_ms: speech.original_start_ms(segment.start_ms),
            end_ms: speech.original_end_ms(segment.end_ms),
            text: segment.text,
        });
        Ok(segments.collect())
    }

    fn models(&self) -> Vec<ModelIdentity> {
        self.identities.clone()
    }
}
