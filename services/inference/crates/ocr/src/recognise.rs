//! Lines into text. Lines are batched only with lines of the same width class, so that what is read never depends on the
//! neighbours; the answer is decoded by best path (CTC, Graves et al. 2006), and each character keeps its probability.

use std::collections::BTreeMap;

use image::RgbImage;

use super::OcrError;
use super::crop::{LINE_HEIGHT, flat_width, flatten};
use super::geometry::Quad;
use super::runtime::{Model, OnnxRuntime};

/// Widths are rounded up to a multiple of this.
const WIDTH_STEP: usize = 32;
/// Narrowest input; a single character is padded to it.
const WIDTH_MIN: usize = 64;
/// Widest input; a longer line is squeezed. At 48 pixels of height this is a line of well over 100 characters.
const WIDTH_MAX: usize = 3200;
/// Lines in one run.
const BATCH_MAX: usize = 8;
/// CTC's blank is class 0; the charset follows and a space comes last.
const BLANK: usize = 0;

/// A line as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) text: String,
    pub(super) char_confidences: Vec<f32>,
}

impl Reading {
    /// Mean probability of the characters, 0 for an empty line.
    pub(super) fn confidence(&self) -> f32 {
        if self.char_confidences.is_empty() {
            return 0.0;
        }
        self.char_confidences.iter().sum::<f32>() / self.char_confidences.len() as f32
    }
}

/// The recognition model and its charset.
#[derive(Debug)]
pub(super) struct Recogniser {
    model: Model,
    charset: Vec<String>,
}

impl Recogniser {
    pub(super) fn new(runtime: OnnxRuntime, bytes: &[u8]) -> Result<Self, OcrError> {
        let model = Model::new(runtime, "recognition", bytes)?;
        let listed = model.metadata("character").ok_or(OcrError::NoCharset)?;
        let charset = listed.lines().map(str::to_owned).chain([" ".to_owned()]).collect();
        Ok(Self { model, charset })
    }

    /// What the lines say, in the order given.
    pub(super) fn read(&self, image: &RgbImage, lines: &[Quad]) -> Result<Vec<Reading>, OcrError> {
        let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, quad) in lines.iter().enumerate() {
            let width = flat_width(quad).clamp(WIDTH_MIN, WIDTH_MAX).next_multiple_of(WIDTH_STEP);
            classes.entry(width).or_default().push(index);
        }
        let mut readings = vec![None; lines.len()];
        for (width, members) in classes {
            for batch in members.chunks(BATCH_MAX) {
                let quads: Vec<&Quad> = batch.iter().filter_map(|index| lines.get(*index)).collect();
                for (index, reading) in batch.iter().zip(self.read_batch(image, &quads, width)?) {
                    if let Some(slot) = readings.get_mut(*index) {
                        *slot = Some(reading);
                    }
                }
            }
        }
        let unread = || Reading { text: String::new(), char_confidences: Vec::new() };
        Ok(readings.into_iter().map(|reading| reading.unwrap_or_else(unread)).collect())
    }

    fn read_batch(&self, image: &RgbImage, quads: &[&Quad], width: usize) -> Result<Vec<Reading>, OcrError> {
        let plane = 3 * LINE_HEIGHT * width;
        let mut tensor = vec![0.0_f32; quads.len() * plane];
        for (planes, quad) in tensor.chunks_exact_mut(plane).zip(quads) {
            flatten(image, quad, flat_width(quad).min(width), width, planes);
        }
        self.model.run([quads.len(), 3, LINE_HEIGHT, width], &tensor, |shape, values| {
            let [_, steps, classes] = shape else { return None };
            let (steps, classes) = (usize::try_from(*steps).ok()?, usize::try_from(*classes).ok()?);
            (classes == self.charset.len() + 1 && steps > 0)
                .then(|| values.chunks_exact(steps * classes).map(|line| self.decode(line, classes)).collect())
        })
    }

    /// Best path: the likeliest class of each step, repeats merged, blanks dropped.
    fn decode(&self, line: &[f32], classes: usize) -> Reading {
        let mut reading = Reading { text: String::new(), char_confidences: Vec::new() };
        let mut last = BLANK;
        for step in line.chunks_exact(classes) {
            let (class, probability) = likeliest(step);
            if class != last && class != BLANK {
                let symbol = self.charset.get(class - 1).map_or("", String::as_str);
                reading.text.push_str(symbol);
                reading.char_confidences.extend(symbol.chars().map(|_| probability));
            }
            last = class;
        }
        reading
    }
}

/// The largest value and where it stands. The maximum is taken over sixteen lanes first, which the compiler turns into
/// vector instructions: there are 18,710 classes at every step.
fn likeliest(step: &[f32]) -> (usize, f32) {
    let mut lanes = [f32::MIN; 16];
    let chunks = step.chunks_exact(16);
    let rest = chunks.remainder().iter().copied().fold(f32::MIN, f32::max);
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let largest = lanes.into_iter().fold(rest, f32::max);
    let class = step.iter().position(|value| *value >= largest).unwrap_or(BLANK);
    (class, largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeliest_finds_the_first_maximum_anywhere() {
        for place in [0, 7, 15, 16, 31, 32, 36] {
            let mut step = vec![0.1; 37];
            if let Some(value) = step.get_mut(place) {
                *value = 0.9;
            }
            assert_eq!(likeliest(&step), (place, 0.9));
        }
    }
}
