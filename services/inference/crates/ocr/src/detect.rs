//! Finding the lines of text on a page. The page is shrunk to the size that large print needs; only when the lines turn
//! out small is it looked at again at a finer scale, so that a form costs a third of a dense page.

use image::RgbImage;

use orrery_content::Point;

use super::geometry::{Quad, size};
use super::regions::{ProbabilityMap, find_lines};
use super::runtime::{Model, OnnxRuntime};
use super::{OcrError, raster};

/// The network halves its input five times.
const STRIDE: u32 = 32;
/// Longest side at which a page is first looked at, in pixels.
const COARSE_SIDE: u32 = 960;
/// Longest side at the second look.
const FINE_SIDE: u32 = 1920;
/// Lines lower than this at the first look, in its pixels, are worth a second one.
const LINE_HEIGHT_MIN: f32 = 15.0;
/// Shortest side that the network is shown; smaller pictures are enlarged.
const SHORT_SIDE_MIN: u32 = 64;

/// The detection model.
#[derive(Debug)]
pub(super) struct Detector {
    model: Model,
}

impl Detector {
    pub(super) fn new(runtime: OnnxRuntime, bytes: &[u8]) -> Result<Self, OcrError> {
        Ok(Self { model: Model::new(runtime, "detection", bytes)? })
    }

    /// The lines of text, in pixels of the image, in no order.
    pub(super) fn lines(&self, image: &RgbImage) -> Result<Vec<Quad>, OcrError> {
        let coarse = scale_to(image, COARSE_SIDE);
        let lines = self.lines_at(image, coarse)?;
        let fine = scale_to(image, FINE_SIDE);
        let small = median_height(&lines).is_none_or(|height| height * coarse < LINE_HEIGHT_MIN);
        if small && fine > coarse * 1.2 { self.lines_at(image, fine) } else { Ok(lines) }
    }

    fn lines_at(&self, image: &RgbImage, scale: f32) -> Result<Vec<Quad>, OcrError> {
        let (width, height) = (multiple(image.width(), scale), multiple(image.height(), scale));
        let planes = raster::resized_planes(image, width, height);
        let lines = self.model.run([1, 3, height as usize, width as usize], &planes, |shape, values| match shape {
            [1, 1, rows, columns] => {
                let map = ProbabilityMap {
                    width: usize::try_from(*columns).ok()?,
                    height: usize::try_from(*rows).ok()?,
                    values,
                };
                Some(find_lines(map))
            }
            _ => None,
        })?;
        let (across, down) = (image.width() as f32 / width as f32, image.height() as f32 / height as f32);
        let (right, bottom) = (image.width().saturating_sub(1) as f32, image.height().saturating_sub(1) as f32);
        let place = |p: Point| Point {
            x: (p.x * across).round().clamp(0.0, right),
            y: (p.y * down).round().clamp(0.0, bottom),
        };
        Ok(lines
            .into_iter()
            .map(|quad| quad.map(place))
            .filter(|quad| {
                let (width, height) = size(quad);
                width > 3.0 && height > 3.0
            })
            .collect())
    }
}

/// The scale at which the longest side is at most `longest`, and the shortest at least [`SHORT_SIDE_MIN`].
fn scale_to(image: &RgbImage, longest: u32) -> f32 {
    let long = image.width().max(image.height()).max(1) as f32;
    let short = image.width().min(image.height()).max(1) as f32;
    (longest as f32 / long).min(1.0).max((SHORT_SIDE_MIN as f32 / short).min(longest as f32 / long))
}

fn multiple(side: u32, scale: f32) -> u32 {
    let steps = (side as f32 * scale / STRIDE as f32).round() as u32;
    steps.max(1) * STRIDE
}

fn median_height(lines: &[Quad]) -> Option<f32> {
    let mut heights: Vec<f32> = lines
        .iter()
        .map(|quad| {
            let (width, height) = size(quad);
            width.min(height)
        })
        .collect();
    heights.sort_by(f32::total_cmp);
    heights.get(heights.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_shrunk_to_the_longest_side_and_never_enlarged_needlessly() {
        assert!((scale_to(&RgbImage::new(1160, 1460), 960) - 960.0 / 1460.0).abs() < 1e-6);
        assert!((scale_to(&RgbImage::new(400, 300), 960) - 1.0).abs() < 1e-6);
        assert!((scale_to(&RgbImage::new(200, 32), 960) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn sides_are_multiples_of_the_stride() {
        assert_eq!(multiple(1160, 960.0 / 1460.0), 768);
        assert_eq!(multiple(5, 1.0), 32);
    }
}
