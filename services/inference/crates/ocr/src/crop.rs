//! Cutting a line out of the page and laying it flat: each target pixel is projected into the quad and sampled with a
//! bicubic kernel straight from the page, in one step.

use image::RgbImage;

use orrery_content::Point;

use super::geometry::{Projection, Quad, size};
use super::raster::normalise;

/// Height of a line in pixels as the recogniser expects it.
pub(super) const LINE_HEIGHT: usize = 48;
/// Sharpness of the cubic kernel; -0.75 is the value that the models' own crops were made with.
const CUBIC_A: f32 = -0.75;
/// A line that shrinks by more than this is sampled twice in each direction and averaged.
const SINGLE_SAMPLE_SHRINK_MAX: f32 = 2.0;

/// Width of a line in pixels once it is [`LINE_HEIGHT`] high, at least one.
pub(super) fn flat_width(quad: &Quad) -> usize {
    let (width, height) = size(quad);
    let ratio = width.max(1.0).floor() / height.max(1.0).floor();
    (LINE_HEIGHT as f32 * ratio).ceil().max(1.0) as usize
}

/// Writes the flattened line into the three planes of one tensor of `stride` columns; columns beyond `width` are left.
pub(super) fn flatten(image: &RgbImage, quad: &Quad, width: usize, stride: usize, planes: &mut [f32]) {
    let (_, source_height) = size(quad);
    let samples = if source_height > SINGLE_SAMPLE_SHRINK_MAX * LINE_HEIGHT as f32 { 2 } else { 1 };
    let projection = Projection::onto(quad);
    let (blue, rest) = planes.split_at_mut(planes.len() / 3);
    let (green, red) = rest.split_at_mut(rest.len() / 2);
    let rows = blue.chunks_exact_mut(stride).zip(green.chunks_exact_mut(stride)).zip(red.chunks_exact_mut(stride));
    for (y, ((blue, green), red)) in rows.enumerate() {
        for (x, ((blue, green), red)) in blue.iter_mut().zip(green).zip(red).take(width).enumerate() {
            let [r, g, b] = average(image, &projection, (x, y), width, samples);
            (*blue, *green, *red) = (normalise(b), normalise(g), normalise(r));
        }
    }
}

fn average(
    image: &RgbImage,
    projection: &Projection,
    (x, y): (usize, usize),
    width: usize,
    samples: usize,
) -> [f32; 3] {
    let mut sum = [0.0_f32; 3];
    for step in 0..samples * samples {
        let offset = |n: usize| (n as f32 + 0.5) / samples as f32;
        let u = (x as f32 + offset(step % samples)) / width as f32;
        let v = (y as f32 + offset(step / samples)) / LINE_HEIGHT as f32;
        let Point { x, y } = projection.at(u, v);
        // The middle of the first pixel lies at 0, not at a half.
        for (total, value) in sum.iter_mut().zip(bicubic(image, x - 0.5, y - 0.5)) {
            *total += value;
        }
    }
    sum.map(|value| value / (samples * samples) as f32)
}

/// Bicubic sample with the border repeated outwards, clamped to what a byte can hold.
fn bicubic(image: &RgbImage, x: f32, y: f32) -> [f32; 3] {
    let (left, top) = (x.floor(), y.floor());
    let (columns, rows) = (kernel(x - left), kernel(y - top));
    let clamp = |value: f32, limit: u32| value.clamp(0.0, limit.saturating_sub(1) as f32) as u32;
    let mut sum = [0.0_f32; 3];
    for (dy, row_weight) in (-1_i8..).zip(rows) {
        let row = clamp(top + f32::from(dy), image.height());
        for (dx, column_weight) in (-1_i8..).zip(columns) {
            let pixel = image.get_pixel(clamp(left + f32::from(dx), image.width()), row);
            for (total, value) in sum.iter_mut().zip(pixel.0) {
                *total += row_weight * column_weight * f32::from(value);
            }
        }
    }
    sum.map(|value| value.clamp(0.0, 255.0))
}

/// Weights of the four neighbours for a position `t` between the middle two (Keys, 1981).
fn kernel(t: f32) -> [f32; 4] {
    let near = |d: f32| ((CUBIC_A + 2.0) * d - (CUBIC_A + 3.0)) * d * d + 1.0;
    let far = |d: f32| ((CUBIC_A * d - 5.0 * CUBIC_A) * d + 8.0 * CUBIC_A) * d - 4.0 * CUBIC_A;
    [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn kernel_weights_sum_to_one() {
        for step in 0..=10 {
            let sum: f32 = kernel(step as f32 / 10.0).iter().sum();
            assert!((sum - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn an_upright_line_keeps_its_picture() {
        // Left half black, right half white.
        let image = RgbImage::from_fn(96, 48, |x, _| Rgb(if x < 48 { [0; 3] } else { [255; 3] }));
        let corner = |x: f32, y: f32| Point { x, y };
        let quad = [corner(0., 0.), corner(96., 0.), corner(96., 48.), corner(0., 48.)];
        assert_eq!(flat_width(&quad), 96);
        let mut planes = vec![0.5; 3 * LINE_HEIGHT * 100];
        flatten(&image, &quad, 96, 100, &mut planes);
        for row in planes.chunks_exact(100) {
            assert!(row.iter().take(46).all(|v| *v < -0.95));
            assert!(row.iter().take(96).skip(50).all(|v| *v > 0.95));
            assert!(row.iter().skip(96).all(|v| (*v - 0.5).abs() < 1e-6), "padding was touched");
        }
    }
}
