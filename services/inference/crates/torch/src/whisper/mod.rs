//! Whisper tiny.en: 16 kHz samples in, timed text out. Weights come from CTranslate2's `model.bin`.
//!
//! A recording of any length is heard in windows of 30 s. Each window stands for itself: handing the text so far to the
//! next one, as other implementations can, lets a small model repeat its own mistakes.

mod attempt;
mod beam;
mod ctranslate2;
mod mel;
mod network;
mod quality;
mod segments;
mod speech_map;
mod tokens;

use std::ops::ControlFlow;
use std::path::PathBuf;

use tch::{Device, TchError, Tensor};

pub use speech_map::SpeechMap;

use self::attempt::{Attempt, Transcriber};
use self::mel::{HOP, Mel, MelFilter, SAMPLE_RATE};
use self::network::{Decoder, Encoder, WINDOW_FRAMES};
use self::quality::{Quality, compression_ratio};
use self::segments::cut;
use self::tokens::SpeechTokens;
use super::ModelError;
use super::device::without_gradients;

/// Longest recording, two hours; its spectrogram takes 230 MB.
const SECONDS_MAX: usize = 2 * 60 * 60;
const FRAME_MS: u64 = (HOP * 1000 / SAMPLE_RATE) as u64;
/// A rest shorter than this holds no word.
const REST_FRAMES_MIN: usize = 10;
/// Tried in turn while the result is doubtful. Fewer than published: each takes as long as the first.
const TEMPERATURES: [f32; 3] = [0.0, 0.4, 0.8];
const BEAM_WIDTH_MAX: usize = 10;

/// The files of the model.
#[derive(Debug, Clone)]
pub struct WhisperFiles {
    pub weights: PathBuf,
    pub tokenizer: PathBuf,
    /// Holds the tokens that are never written.
    pub config: PathBuf,
}

/// How a recording is transcribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscribeOptions {
    /// Hypotheses followed at once, 1 to 10.
    pub beam_width: usize,
}

impl Default for TranscribeOptions {
    fn default() -> Self {
        Self { beam_width: 5 }
    }
}

/// A piece of speech with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: String,
    /// Mean natural logarithm of the probabilities of its text tokens.
    pub average_log_probability: f32,
    /// Probability that nobody speaks in the window that it is from.
    pub no_speech_probability: f32,
}

impl Segment {
    /// Geometric mean of the token probabilities, 0 to 1.
    pub fn confidence(&self) -> f32 {
        self.average_log_probability.exp()
    }
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transcript {
    pub text: String,
    pub segments: Vec<Segment>,
    pub duration_ms: u64,
    /// The caller broke off; the rest was not heard.
    pub cancelled: bool,
}

/// A recording that is being transcribed, window by window: whoever shares the model can let others in between two.
pub struct Listening {
    mel: Mel,
    frame: usize,
    options: TranscribeOptions,
    transcript: Transcript,
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Listening").field("frame", &self.frame).finish_non_exhaustive()
    }
}

impl Listening {
    /// What was heard so far.
    pub fn into_transcript(self) -> Transcript {
        let mut transcript = self.transcript;
        let texts: Vec<&str> = transcript.segments.iter().map(|segment| segment.text.as_str()).collect();
        transcript.text = texts.join(" ");
        transcript
    }
}

/// A loaded model.
pub struct Whisper {
    encoder: Encoder,
    decoder: Decoder,
    tokens: SpeechTokens,
    suppressed: Tensor,
    suppressed_first: Tensor,
    filter: MelFilter,
}

impl std::fmt::Debug for Whisper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Whisper").finish_non_exhaustive()
    }
}

impl Whisper {
    /// Loads weights, tokenizer and configuration.
    ///
    /// # Errors
    /// When a file cannot be read, is malformed, or does not fit the others.
    pub fn load(files: &WhisperFiles, device: Device) -> Result<Self, ModelError> {
        let tokens = SpeechTokens::load(&files.tokenizer, &files.config)?;
        let vocabulary = tokens.markers.vocabulary_size().into();
        let (encoder, decoder) = without_gradients(|| network::load(&files.weights, vocabulary, device))?;
        let index = |ids: &[u32]| {
            let ids: Vec<i64> = ids.iter().map(|&id| id.into()).collect();
            Tensor::f_from_slice(&ids)?.f_to_device(device)
        };
        Ok(Self {
            encoder,
            decoder,
            suppressed: index(&tokens.suppressed)?,
            suppressed_first: index(&tokens.suppressed_first)?,
            tokens,
            filter: MelFilter::new(),
        })
    }

    /// Transcribes 16 kHz mono samples from -1 to 1. Each segment is handed out once it is certain; a caller that
    /// breaks ends the work after the current window.
    ///
    /// # Errors
    /// When the recording is too long, an option is out of bounds, or libtorch fails.
    pub fn transcribe(
        &self,
        samples: &[f32],
        options: &TranscribeOptions,
        mut on_segment: impl FnMut(&Segment) -> ControlFlow<()>,
    ) -> Result<Transcript, ModelError> {
        let mut listening = self.begin(samples, options)?;
        let mut handed_out = 0;
        let mut left = false;
        while !left && self.hear_window(&mut listening)? {
            for segment in listening.transcript.segments.iter().skip(handed_out) {
                left |= on_segment(segment).is_break();
            }
            handed_out = listening.transcript.segments.len();
        }
        listening.transcript.cancelled = left;
        Ok(listening.into_transcript())
    }

    /// Begins to transcribe 16 kHz mono samples from -1 to 1; [`Self::hear_window`] does the work.
    ///
    /// # Errors
    /// When the recording is too long or an option is out of bounds.
    pub fn begin(&self, samples: &[f32], options: &TranscribeOptions) -> Result<Listening, ModelError> {
        if samples.len() > SECONDS_MAX * SAMPLE_RATE {
            let minutes = SECONDS_MAX / 60;
            return Err(ModelError::InvalidInput(format!("the recording is longer than {minutes} minutes; split it")));
        }
        if !(1..=BEAM_WIDTH_MAX).contains(&options.beam_width) {
            return Err(ModelError::InvalidInput(format!("beam_width must be from 1 to {BEAM_WIDTH_MAX}")));
        }
        let duration_ms = (samples.len() * 1000 / SAMPLE_RATE) as u64;
        let transcript = Transcript { duration_ms, ..Transcript::default() };
        Ok(Listening { mel: self.filter.spectrogram(samples), frame: 0, options: options.clone(), transcript })
    }

    /// Hears the next window, of up to 30 s. False when there was none left.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn hear_window(&self, listening: &mut Listening) -> Result<bool, ModelError> {
        let Listening { mel, frame, options, transcript } = listening;
        if *frame + REST_FRAMES_MIN > mel.frames() {
            return Ok(false);
        }
        let (segments, advance) = without_gradients(|| self.window(mel, *frame, options))?;
        transcript.segments.extend(segments);
        *frame += advance;
        Ok(true)
    }

    /// The segments of the window at `frame` and how many frames on the next one begins.
    fn window(&self, mel: &Mel, frame: usize, options: &TranscribeOptions) -> Result<(Vec<Segment>, usize), TchError> {
        let frames = WINDOW_FRAMES.min(mel.frames() - frame);
        let attempt = self.listen(&mel.window(frame, frames), options)?;
        let Some((attempt, quality)) = attempt else {
            return Ok((Vec::new(), frames));
        };
        let window_ms = frames as u64 * FRAME_MS;
        let cut = cut(&attempt.best.tokens, &self.tokens.markers, window_ms);
        let offset_ms = frame as u64 * FRAME_MS;
        let segments = cut.segments.into_iter().filter_map(|segment| {
            let tokens = attempt.best.tokens.get(segment.range.clone())?;
            let logs = attempt.best.log_probabilities.get(segment.range)?;
            let written: Vec<f32> = tokens
                .iter()
                .zip(logs)
                .filter(|(token, _)| **token < self.tokens.markers.end)
                .map(|(_, log)| *log)
                .collect();
            let average_log_probability = written.iter().sum::<f32>() / written.len().max(1) as f32;
            let text = self.tokens.text(tokens).trim().to_owned();
            let spoken = !text.is_empty() && !quality.is_imagined(average_log_probability);
            spoken.then(|| Segment {
                start_ms: offset_ms + segment.start_ms,
                end_ms: offset_ms + segment.end_ms,
                text,
                average_log_probability,
                no_speech_probability: quality.no_speech_probability,
            })
        });
        let advance = usize::try_from(cut.advance_ms / FRAME_MS).unwrap_or(frames);
        Ok((segments.collect(), advance.max(1)))
    }

    /// The first attempt that is not doubtful, otherwise the most probable one; none where nobody speaks.
    fn listen(&self, mel: &[f32], options: &TranscribeOptions) -> Result<Option<(Attempt, Quality)>, TchError> {
        let mut window = mel.to_vec();
        window.resize(WINDOW_FRAMES * mel::BANDS, 0.0);
        let heard = self.decoder.listen(&self.encoder.encode(&window)?)?;
        let transcriber = Transcriber {
            decoder: &self.decoder,
            tokens: &self.tokens,
            suppressed: &self.suppressed,
            suppressed_first: &self.suppressed_first,
            width: options.beam_width,
        };
        let mut attempts = Vec::new();
        for temperature in TEMPERATURES {
            let attempt = transcriber.attempt(&heard, temperature)?;
            let quality = Quality {
                compression_ratio: compression_ratio(&self.tokens.text(&attempt.best.tokens)),
                average_log_probability: attempt.average_log_probability,
                no_speech_probability: attempt.no_speech_probability,
            };
            if quality.is_silence() {
                return Ok(None);
            }
            if !quality.is_doubtful() {
                return Ok(Some((attempt, quality)));
            }
            attempts.push((attempt, quality));
        }
        Ok(attempts.into_iter().max_by(|left, right| {
            // Words said in a loop are no words; among the rest the most probable wins.
            let rank = |quality: &Quality| (!quality.repeats(), quality.average_log_probability);
            let (left, right) = (rank(&left.1), rank(&right.1));
            left.0.cmp(&right.0).then(left.1.total_cmp(&right.1))
        }))
    }
}
