//! Recordings: WAV, FLAC, MP3, Ogg with Vorbis or Opus, at any rate and with any number of channels.

use std::sync::Arc;

use orrery_content::{Content, Modality, Segment, Warning};

use super::audio_decode::{Recording, SPEECH_RATE, decode_mono};
use super::{Adapter, AdapterError, Input, Limits, Resources};
use orrery_content::capability::{CapabilityError, SpeechEngine};

/// Below this peak, -80 dB, a recording is silent and no model is asked: speech models invent words for silence.
const SILENCE_PEAK: f32 = 1e-4;

/// Reads recordings by speech recognition.
pub(super) struct AudioAdapter {
    speech: Option<Arc<dyn SpeechEngine>>,
    limits: Limits,
}

impl AudioAdapter {
    pub(super) fn new(resources: &Resources) -> Self {
        Self { speech: resources.speech.clone(), limits: resources.limits }
    }
}

impl Adapter for AudioAdapter {
    fn media_types(&self) -> &'static [&'static str] {
        &["audio/wav", "audio/flac", "audio/mpeg", "audio/ogg"]
    }

    fn read(&self, input: Input<'_>, media_type: &'static str) -> Result<Content, AdapterError> {
        let recording = decode_mono(input.bytes, media_type, self.limits.audio_seconds_max)?;
        let mut content = Content::empty(Modality::Audio, media_type);
        content.duration_ms = Some(recording.samples.len() as u64 * 1000 / u64::from(SPEECH_RATE));
        warn_of_damage(&mut content, &recording);
        if recording.samples.iter().all(|sample| sample.abs() < SILENCE_PEAK) {
            content.warnings.push(Warning::new("no_speech", "the recording is silent"));
            return Ok(content);
        }
        let speech = self.speech.as_ref().ok_or(CapabilityError::Missing("recognising speech"))?;
        let spoken = speech.transcribe(&recording.samples, input.interrupt)?;
        content.record_models(speech.models());
        content.segments.extend(spoken.into_iter().filter(|segment| !segment.text.trim().is_empty()).map(|segment| {
            Segment {
                confidence: segment.confidence,
                span_ms: Some((segment.start_ms, segment.end_ms)),
                ..Segment::certain(segment.text.trim())
            }
        }));
        if content.segments.is_empty() {
            content.warnings.push(Warning::new("no_speech", "no speech was found in the recording"));
        }
        Ok(content)
    }
}

fn warn_of_damage(content: &mut Content, recording: &Recording) {
    if recording.cut_off {
        content.warnings.push(Warning::new("cut_off", "the recording ends before the length that its header gives"));
    }
    if recording.damaged_packets > 0 {
        let message = format!("{} damaged parts of the recording were left out", recording.damaged_packets);
        content.warnings.push(Warning::new("damaged_parts", message));
    }
}
