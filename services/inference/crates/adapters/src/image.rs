//! Photographs and scans: JPEG, PNG, WebP and TIFF. Size is judged by the header, before anything is decoded; EXIF's
//! rotation is applied; transparency is laid on white paper.

use std::io::Cursor;
use std::sync::Arc;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Rgb, RgbImage};

use orrery_content::{Content, Modality, Page, Segment, Warning};

use super::{Adapter, AdapterError, Input, Limits, Resources, jpeg};
use orrery_content::capability::{CapabilityError, OcrEngine, OcrPage};

const FORMATS: &[(&str, ImageFormat)] = &[
    ("image/jpeg", ImageFormat::Jpeg),
    ("image/png", ImageFormat::Png),
    ("image/webp", ImageFormat::WebP),
    ("image/tiff", ImageFormat::Tiff),
];

/// Bytes a decoder may allocate for each pixel allowed: four channels of sixteen bits, and as much again to work in.
const DECODER_BYTES_PER_PIXEL: u64 = 16;

/// Reads pictures by OCR.
pub(super) struct ImageAdapter {
    ocr: Option<Arc<dyn OcrEngine>>,
    limits: Limits,
}

impl ImageAdapter {
    pub(super) fn new(resources: &Resources) -> Self {
        Self { ocr: resources.ocr.clone(), limits: resources.limits }
    }
}

impl Adapter for ImageAdapter {
    fn media_types(&self) -> &'static [&'static str] {
        &["image/jpeg", "image/png", "image/webp", "image/tiff"]
    }

    fn read(&self, input: Input<'_>, media_type: &'static str) -> Result<Content, AdapterError> {
        let (picture, rotation) = decode(input.bytes, media_type, self.limits)?;
        let ocr = self.ocr.as_ref().ok_or(CapabilityError::Missing("reading print"))?;
        let mut content = Content::empty(Modality::Image, media_type);
        let mut page = ocr.read(&picture)?;
        page.rotation = (page.rotation + rotation) % 360;
        add_page(&mut content, page);
        content.record_models(ocr.models());
        if content.segments.is_empty() {
            content.warnings.push(Warning::new("no_text", "no print was found in the picture"));
        }
        Ok(content)
    }
}

/// Adds what OCR read as the next page of the content.
pub(super) fn add_page(content: &mut Content, page: OcrPage) {
    let number = content.pages.len() as u32;
    content.pages.push(Page { width: page.width, height: page.height, rotation: page.rotation });
    if page.unreadable > 0 {
        let message = format!("{} lines on page {} could not be read surely enough", page.unreadable, number + 1);
        content.warnings.push(Warning::new("unreadable_lines", message));
    }
    content.segments.extend(page.lines.into_iter().map(|line| Segment {
        confidence: line.confidence,
        page: Some(number),
        quad: Some(line.quad),
        char_confidences: line.char_confidences,
        ..Segment::certain(line.text)
    }));
}

/// The picture as EXIF says it should be held, and the degrees clockwise by which it was turned.
fn decode(bytes: &[u8], media_type: &'static str, limits: Limits) -> Result<(RgbImage, u16), AdapterError> {
    let damaged = |fault: &dyn std::fmt::Display| AdapterError::Damaged { media_type, reason: fault.to_string() };
    let format = FORMATS.iter().find(|(name, _)| *name == media_type).map(|(_, format)| *format);
    let format = format.ok_or_else(|| damaged(&"no decoder for it"))?;
    if format == ImageFormat::Jpeg && !jpeg::is_complete(bytes) {
        return Err(damaged(&"it ends before the end of the picture"));
    }
    let mut decoder =
        ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(|fault| damaged(&fault))?;
    let (width, height) = decoder.dimensions();
    let too_many = AdapterError::TooManyPixels { width, height, limit: limits.pixels_max };
    if u64::from(width) * u64::from(height) > limits.pixels_max {
        return Err(too_many);
    }
    let mut allowed = image::Limits::no_limits();
    allowed.max_alloc = Some(limits.pixels_max.saturating_mul(DECODER_BYTES_PER_PIXEL));
    decoder.set_limits(allowed).map_err(|fault| damaged(&fault))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|fault| match fault {
        ImageError::Limits(_) => too_many,
        other => damaged(&other),
    })?;
    picture.apply_orientation(orientation);
    Ok((on_paper(picture), degrees(orientation)))
}

fn degrees(orientation: Orientation) -> u16 {
    match orientation {
        Orientation::NoTransforms | Orientation::FlipHorizontal => 0,
        Orientation::Rotate90 | Orientation::Rotate90FlipH => 90,
        Orientation::Rotate180 | Orientation::FlipVertical => 180,
        Orientation::Rotate270 | Orientation::Rotate270FlipH => 270,
    }
}

/// Colours without transparency: what shines through is white, as paper is.
fn on_paper(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let image::Rgba([r, g, b, alpha]) = *picture.get_pixel(x, y);
        let over = |value: u8| {
            let mixed = u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            ((mixed + 127) / 255) as u8
        };
        Rgb([over(r), over(g), over(b)])
    })
}
