//! Which way up the page is, by a vote: tall lines mean that it lies on its side; the line-angle classifier, asked about
//! the widest lines only, tells upside down. One page has one direction, so a handful of lines settles it.

use image::RgbImage;

use super::OcrError;
use super::crop::{LINE_HEIGHT, flat_width, flatten};
use super::geometry::{Quad, size};
use super::runtime::{Model, OnnxRuntime};

/// The classifier's input width.
const WIDTH: usize = 192;
/// How many lines are asked about.
const VOTERS: usize = 7;
/// A vote counts when the classifier is at least this sure.
const SURE: f32 = 0.9;
/// A line is tall when its height is at least this many times its width.
const TALL: f32 = 1.5;

/// Whether a line stands on end.
pub(super) fn is_tall(quad: &Quad) -> bool {
    let (width, height) = size(quad);
    height >= TALL * width
}

/// Whether most of the print, by length, stands on end. Single characters are tall too but short.
pub(super) fn lies_on_its_side(lines: &[Quad]) -> bool {
    let (mut tall, mut flat) = (0.0_f32, 0.0_f32);
    for quad in lines {
        let (width, height) = size(quad);
        if is_tall(quad) { tall += height } else { flat += width }
    }
    tall > flat
}

/// The same line read after a quarter turn against the clock.
pub(super) fn turned(quad: &Quad) -> Quad {
    let [a, b, c, d] = *quad;
    [b, c, d, a]
}

/// The line-angle model: 0 or 180 degrees.
#[derive(Debug)]
pub(super) struct AngleClassifier {
    model: Model,
}

impl AngleClassifier {
    pub(super) fn new(runtime: OnnxRuntime, bytes: &[u8]) -> Result<Self, OcrError> {
        Ok(Self { model: Model::new(runtime, "line angle", bytes)? })
    }

    /// Whether the page is upside down.
    pub(super) fn is_upside_down(&self, image: &RgbImage, lines: &[Quad]) -> Result<bool, OcrError> {
        let mut widest: Vec<&Quad> = lines.iter().filter(|quad| !is_tall(quad)).collect();
        widest.sort_by(|a, b| size(b).0.total_cmp(&size(a).0));
        widest.truncate(VOTERS);
        if widest.is_empty() {
            return Ok(false);
        }
        let mut tensor = vec![0.0_f32; widest.len() * 3 * LINE_HEIGHT * WIDTH];
        for (planes, quad) in tensor.chunks_exact_mut(3 * LINE_HEIGHT * WIDTH).zip(&widest) {
            flatten(image, quad, flat_width(quad).min(WIDTH), WIDTH, planes);
        }
        self.model.run([widest.len(), 3, LINE_HEIGHT, WIDTH], &tensor, |shape, values| match shape {
            [_, 2] => Some(majority(values)),
            _ => None,
        })
    }
}

/// More sure votes for upside down than for upright.
fn majority(votes: &[f32]) -> bool {
    let mut balance = 0_i32;
    for vote in votes.chunks_exact(2) {
        match vote {
            [upright, _] if *upright >= SURE => balance -= 1,
            [_, reversed] if *reversed >= SURE => balance += 1,
            _ => {}
        }
    }
    balance > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_content::Point;

    fn quad(width: f32, height: f32) -> Quad {
        let p = |x, y| Point { x, y };
        [p(0., 0.), p(width, 0.), p(width, height), p(0., height)]
    }

    #[test]
    fn single_characters_do_not_lay_a_page_on_its_side() {
        assert!(!lies_on_its_side(&[quad(10., 30.), quad(10., 30.), quad(10., 30.), quad(200., 30.)]));
        assert!(lies_on_its_side(&[quad(30., 400.), quad(30., 300.), quad(90., 30.)]));
        assert!(!lies_on_its_side(&[]));
    }

    #[test]
    fn only_sure_votes_count() {
        assert!(!majority(&[0.6, 0.4, 0.05, 0.95, 0.99, 0.01]));
        assert!(majority(&[0.45, 0.55, 0.05, 0.95]));
        assert!(!majority(&[]));
    }

    #[test]
    fn four_turns_are_none() {
        let start = quad(20., 80.);
        assert!(is_tall(&start) && !is_tall(&turned(&start)));
        assert_eq!(turned(&turned(&turned(&turned(&start)))), start);
    }
}
