//! Pixels into tensors: planes of blue, green, red in -1 to 1, the order and scale that PP-OCR was trained with.

use image::RgbImage;
use image::imageops;

/// Above this factor of shrinking, neighbouring pixels are averaged first, or thin strokes would fall between samples.
const POINT_SAMPLING_MAX: f32 = 2.0;

/// One colour value as the models expect it.
pub(super) fn normalise(value: f32) -> f32 {
    value / 127.5 - 1.0
}

/// The whole image at another size as one tensor of three planes.
pub(super) fn resized_planes(image: &RgbImage, width: u32, height: u32) -> Vec<f32> {
    let factor = (image.width() as f32 / width as f32).max(image.height() as f32 / height as f32);
    if factor >= POINT_SAMPLING_MAX {
        return bilinear_planes(&imageops::thumbnail(image, width, height), width, height);
    }
    bilinear_planes(image, width, height)
}

/// A sample position between two source pixels.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

fn taps(source: u32, target: u32) -> Vec<Tap> {
    let scale = source as f32 / target as f32;
    let last = source.saturating_sub(1) as usize;
    (0..target)
        .map(|index| {
            let position = ((index as f32 + 0.5) * scale - 0.5).max(0.0);
            let low = (position as usize).min(last);
            Tap { low, high: (low + 1).min(last), weight: position - low as f32 }
        })
        .collect()
}

fn bilinear_planes(image: &RgbImage, width: u32, height: u32) -> Vec<f32> {
    let stride = image.width() as usize * 3;
    let columns = taps(image.width(), width);
    let mut planes = vec![0.0_f32; 3 * width as usize * height as usize];
    let (blue, rest) = planes.split_at_mut(width as usize * height as usize);
    let (green, red) = rest.split_at_mut(width as usize * height as usize);
    let rows = blue
        .chunks_exact_mut(width as usize)
        .zip(green.chunks_exact_mut(width as usize))
        .zip(red.chunks_exact_mut(width as usize));
    let raw = image.as_raw();
    for (tap, ((blue, green), red)) in taps(image.height(), height).into_iter().zip(rows) {
        let upper = raw.get(tap.low * stride..).unwrap_or_default();
        let lower = raw.get(tap.high * stride..).unwrap_or_default();
        for (((column, b), g), r) in columns.iter().zip(blue).zip(green).zip(red) {
            let pixel = |row: &[u8], x: usize| match row.get(x * 3..x * 3 + 3) {
                Some([r, g, b]) => [f32::from(*r), f32::from(*g), f32::from(*b)],
                _ => [0.0; 3],
            };
            let (nw, ne) = (pixel(upper, column.low), pixel(upper, column.high));
            let (sw, se) = (pixel(lower, column.low), pixel(lower, column.high));
            for ((((nw, ne), sw), se), out) in nw.into_iter().zip(ne).zip(sw).zip(se).zip([r, g, b]) {
                let north = nw + (ne - nw) * column.weight;
                let south = sw + (se - sw) * column.weight;
                *out = normalise(north + (south - north) * tap.weight);
            }
        }
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn planes_are_blue_green_red_in_minus_one_to_one() {
        let image = RgbImage::from_pixel(4, 2, Rgb([255, 127, 0]));
        let planes = resized_planes(&image, 4, 2);
        let (blue, rest) = planes.split_at(8);
        let (green, red) = rest.split_at(8);
        assert!(blue.iter().all(|v| (*v + 1.0).abs() < 1e-6));
        assert!(green.iter().all(|v| (*v + 0.003_921).abs() < 1e-4));
        assert!(red.iter().all(|v| (*v - 1.0).abs() < 1e-6));
    }

    #[test]
    fn a_ramp_stays_a_ramp_when_resized() {
        let image = RgbImage::from_fn(64, 4, |x, _| Rgb([(x * 4) as u8; 3]));
        for width in [16, 48, 100] {
            let planes = resized_planes(&image, width, 4);
            let row = planes.iter().take(width as usize);
            assert!(row.clone().zip(row.skip(1)).all(|(a, b)| a <= b), "width {width}");
        }
    }
}
