//! Log-mel spectrogram as Whisper was trained on: 80 Slaney mel bands, 25 ms Hann windows every 10 ms.
//!
//! Same values as `log_mel_spectrogram` of the whisper package. Plain arithmetic, no tensors.

use std::f64::consts::TAU;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

/// Samples per second of all audio here.
pub(super) const SAMPLE_RATE: usize = 16_000;
pub(super) const BANDS: usize = 80;
/// Samples between two frames.
pub(super) const HOP: usize = 160;
const WINDOW: usize = 400;
const BINS: usize = WINDOW / 2 + 1;

/// One mel band: a triangle over neighbouring frequency bins.
struct Band {
    first_bin: usize,
    weights: Vec<f32>,
}

pub(super) struct MelFilter {
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    bands: Vec<Band>,
}

/// Frames of a recording, each with [`BANDS`] values.
pub(super) struct Mel {
    /// Frame after frame.
    values: Vec<f32>,
}

impl Mel {
    pub(super) fn frames(&self) -> usize {
        self.values.len() / BANDS
    }

    /// `length` frames from `start` on, frame after frame; what lies behind the end is 0, as in training.
    pub(super) fn window(&self, start: usize, length: usize) -> Vec<f32> {
        let from = (start * BANDS).min(self.values.len());
        let to = ((start + length) * BANDS).min(self.values.len());
        let mut window = self.values.get(from..to).unwrap_or_default().to_vec();
        window.resize(length * BANDS, 0.0);
        window
    }
}

impl MelFilter {
    pub(super) fn new() -> Self {
        let window = (0..WINDOW).map(|index| (0.5 - 0.5 * (TAU * index as f64 / WINDOW as f64).cos()) as f32).collect();
        Self { transform: RealFftPlanner::new().plan_fft_forward(WINDOW), window, bands: bands() }
    }

    /// The spectrogram of samples from -1 to 1, one frame per [`HOP`] samples.
    ///
    /// Thirty seconds of silence are added behind the recording, as the published pipeline does; they are part of the
    /// loudness normalisation but not of the result.
    pub(super) fn spectrogram(&self, samples: &[f32]) -> Mel {
        let frames = samples.len() / HOP;
        let mut values = Vec::with_capacity(frames * BANDS);
        let mut frame = self.transform.make_input_vec();
        let mut spectrum = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        let mut power = vec![0.0_f32; BINS];
        for index in 0..frames {
            // Frames are centred: the first is mirrored at the beginning of the recording.
            let start = (index * HOP) as isize - (WINDOW / 2) as isize;
            for (offset, (target, weight)) in (start..).zip(frame.iter_mut().zip(&self.window)) {
                *target = samples.get(offset.unsigned_abs()).copied().unwrap_or(0.0) * weight;
            }
            // Fails only for buffers of another length than planned, and these come from the plan.
            if self.transform.process_with_scratch(&mut frame, &mut spectrum, &mut scratch).is_err() {
                break;
            }
            for (target, bin) in power.iter_mut().zip(&spectrum) {
                *target = bin.norm_sqr();
            }
            values.extend(self.bands.iter().map(|band| band.apply(&power)));
        }
        normalise(&mut values);
        Mel { values }
    }
}

impl Band {
    fn apply(&self, power: &[f32]) -> f32 {
        let bins = power.iter().skip(self.first_bin);
        let energy: f32 = bins.zip(&self.weights).map(|(power, weight)| power * weight).sum();
        energy.max(1e-10).log10()
    }
}

/// Keeps the loudest eight decades and scales them to about -1 to 1.
fn normalise(values: &mut [f32]) {
    // Silence is at -10; an empty or silent recording has nothing louder.
    let loudest = values.iter().copied().fold(-10.0, f32::max);
    for value in values {
        *value = (value.max(loudest - 8.0) + 4.0) / 4.0;
    }
}

/// `librosa.filters.mel(sr=16000, n_fft=400, n_mels=80)`: Slaney's scale, each triangle of equal area.
fn bands() -> Vec<Band> {
    let highest = mel_of(SAMPLE_RATE as f64 / 2.0);
    let edge = |index: usize| frequency_of(highest * index as f64 / (BANDS + 1) as f64);
    (0..BANDS)
        .map(|band| {
            let (low, centre, high) = (edge(band), edge(band + 1), edge(band + 2));
            let weight = |bin: usize| {
                let frequency = (bin * SAMPLE_RATE) as f64 / WINDOW as f64;
                let rising = (frequency - low) / (centre - low);
                let falling = (high - frequency) / (high - centre);
                rising.min(falling).max(0.0) * 2.0 / (high - low)
            };
            let bins = || (0..BINS).filter(|&bin| weight(bin) > 0.0);
            Band { first_bin: bins().next().unwrap_or(0), weights: bins().map(|bin| weight(bin) as f32).collect() }
        })
        .collect()
}

/// Slaney's scale is linear up to 1000 Hz and logarithmic above.
const LINEAR_HERTZ_PER_MEL: f64 = 200.0 / 3.0;
const BREAK_HERTZ: f64 = 1000.0;
const BREAK_MEL: f64 = BREAK_HERTZ / LINEAR_HERTZ_PER_MEL;

/// ln(6.4) over 27 steps.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn mel_of(hertz: f64) -> f64 {
    if hertz < BREAK_HERTZ { hertz / LINEAR_HERTZ_PER_MEL } else { BREAK_MEL + (hertz / BREAK_HERTZ).ln() / log_step() }
}

fn frequency_of(mel: f64) -> f64 {
    if mel < BREAK_MEL { mel * LINEAR_HERTZ_PER_MEL } else { BREAK_HERTZ * (log_step() * (mel - BREAK_MEL)).exp() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[derive(serde::Deserialize)]
    struct Published {
        /// `[band][bin]` of the published filter bank, only bins that are not 0.
        filters: Vec<Vec<(usize, f32)>>,
        /// Log-mel values of `signal()` by the published code, `[frame, band, value]`.
        log_mel: Vec<(usize, usize, f32)>,
    }

    fn published() -> Published {
        serde_json::from_str(include_str!("../../tests/fixtures/whisper_mel.json")).unwrap()
    }

    /// Two seconds of two tones with a swelling loudness.
    fn signal() -> Vec<f32> {
        (0..32_000)
            .map(|index| {
                let time = f64::from(index) / 16_000.0;
                let loudness = 0.1 + 0.2 * time;
                (loudness * ((TAU * 440.0 * time).sin() + 0.5 * (TAU * 3000.0 * time).sin())) as f32
            })
            .collect()
    }

    #[test]
    fn the_filter_bank_is_the_published_one() {
        for (band, published) in bands().iter().zip(published().filters) {
            assert_eq!(band.weights.len(), published.len());
            for (offset, (bin, weight)) in published.into_iter().enumerate() {
                assert_eq!(band.first_bin + offset, bin);
                assert!((band.weights[offset] - weight).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn log_mel_values_are_the_published_ones() {
        let mel = MelFilter::new().spectrogram(&signal());
        assert_eq!(mel.frames(), 200);
        for (frame, band, value) in published().log_mel {
            let own = mel.values[frame * BANDS + band];
            assert!((own - value).abs() < 2e-4, "frame {frame} band {band}: {own} for {value}");
        }
    }

    #[test]
    fn a_window_behind_the_end_is_filled_up() {
        let mel = MelFilter::new().spectrogram(&[0.0; 3200]);
        assert_eq!(mel.window(10, 3000).len(), 3000 * BANDS);
        assert_eq!(mel.window(5000, 10), vec![0.0; 10 * BANDS]);
        assert_eq!(MelFilter::new().spectrogram(&[]).frames(), 0);
    }
}
