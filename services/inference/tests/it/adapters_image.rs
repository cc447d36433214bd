//! Pictures of every format, whole and broken, through the registry and the real OCR models.

use std::io::Cursor;

use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageEncoder, ImageFormat, RgbaImage};
use orrery_adapters::{AdapterError, Input, Limits, Registry, Resources};
use orrery_content::capability::Interrupt;
use orrery_content::{Content, Modality};
use orrery_errors::ErrorCode;

use crate::ocr_engine::{ENGINE, FORM_LINES, fixture};

fn registry(limits: Limits) -> Registry {
    Registry::new(&Resources { ocr: Some(ENGINE.clone()), limits, ..Resources::default() })
}

fn read(bytes: &[u8], media_type: &str) -> Result<Content, AdapterError> {
    registry(Limits::default()).read(Input { bytes, media_type, schema: None, interrupt: Interrupt::NEVER })
}

fn form() -> DynamicImage {
    image::load_from_memory(&fixture("form.png")).unwrap()
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture.to_rgb8()).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn lines(content: &Content) -> Vec<&str> {
    content.segments.iter().map(|segment| segment.text.as_str()).collect()
}

/// An EXIF segment that holds the orientation and nothing else, right after the start of the JPEG.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn every_format_gives_the_same_lines() {
    let picture = form();
    for (format, media_type) in [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
        (ImageFormat::WebP, "image/webp"),
        (ImageFormat::Tiff, "image/tiff"),
    ] {
        let content = read(&encoded(&picture, format), media_type).unwrap();
        assert_eq!(lines(&content), FORM_LINES, "{media_type}");
        assert_eq!((content.modality, content.media_type.as_str()), (Modality::Image, media_type));
        assert_eq!(content.pages.len(), 1);
        assert_eq!(content.models.len(), 2, "both models are named once");
        assert!(content.segments.iter().all(|segment| segment.page == Some(0) && segment.quad.is_some()));
    }
}

#[test]
fn exif_rotation_gives_the_same_lines_as_the_upright_picture() {
    let picture = form();
    for (stored, orientation, rotation) in
        [(picture.rotate270(), 6, 90), (picture.rotate90(), 8, 270), (picture.rotate180(), 3, 180)]
    {
        let bytes = with_orientation(&encoded(&stored, ImageFormat::Jpeg), orientation);
        let content = read(&bytes, "image/jpeg").unwrap();
        assert_eq!(lines(&content), FORM_LINES, "orientation {orientation}");
        let page = content.pages[0];
        assert_eq!((page.width, page.height, page.rotation), (1000, 900, rotation));
    }
}

#[test]
fn transparency_is_white_paper() {
    // Black letters on nothing at all: without paper they would be black on black.
    let luma = form().to_luma8();
    let picture =
        RgbaImage::from_fn(luma.width(), luma.height(), |x, y| image::Rgba([0, 0, 0, 255 - luma.get_pixel(x, y).0[0]]));
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(picture.as_raw(), picture.width(), picture.height(), image::ExtendedColorType::Rgba8)
        .unwrap();
    assert_eq!(lines(&read(&bytes, "image/png").unwrap()), FORM_LINES);
}

#[test]
fn a_truncated_picture_is_damaged_in_every_format() {
    let picture = form();
    for (format, media_type) in [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
        (ImageFormat::WebP, "image/webp"),
        (ImageFormat::Tiff, "image/tiff"),
    ] {
        let whole = encoded(&picture, format);
        for share in [10, 60, 95] {
            let fault = read(&whole[..whole.len() * share / 100], media_type).unwrap_err();
            assert!(matches!(fault, AdapterError::Damaged { .. }), "{media_type} at {share} %: {fault}");
            assert_eq!(fault.code(), ErrorCode::InvalidMedia);
        }
    }
}

#[test]
fn a_giant_picture_is_refused_by_its_header() {
    // A PNG header that announces 20,000 by 20,000 pixels, and no pixels: it must be judged before anything is decoded.
    let mut header = b"IHDR".to_vec();
    header.extend(20_000_u32.to_be_bytes());
    header.extend(20_000_u32.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&header);
    bytes.extend(crc32(&header).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    let fault = read(&bytes, "image/png").unwrap_err();
    assert_eq!(
        fault,
        AdapterError::TooManyPixels { width: 20_000, height: 20_000, limit: Limits::default().pixels_max }
    );
    assert_eq!(fault.code(), ErrorCode::PayloadTooLarge);
}

/// The checksum of PNG chunks (ISO 15948, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[test]
fn label_and_bytes_must_agree() {
    let fault = read(&encoded(&form(), ImageFormat::Png), "image/jpeg").unwrap_err();
    assert_eq!(fault, AdapterError::Contradiction { declared: "image/jpeg".into(), found: "image/png".into() });
    let fault = read(b"Dear team, see the attached form", "image/jpeg").unwrap_err();
    assert_eq!(fault, AdapterError::Contradiction { declared: "image/jpeg".into(), found: "text".into() });
}

#[test]
fn empty_oversized_and_unknown_payloads_are_typed() {
    assert_eq!(read(b"", "image/png").unwrap_err(), AdapterError::Empty);
    let small = registry(Limits { bytes_max: 10, ..Limits::default() });
    let fault =
        small.read(Input { bytes: &[0; 11], media_type: "", schema: None, interrupt: Interrupt::NEVER }).unwrap_err();
    assert_eq!(fault, AdapterError::TooManyBytes { size: 11, limit: 10 });
    let fault = read(b"GIF89a\x01\0\x01\0\0\0\0", "image/gif").unwrap_err();
    assert_eq!(fault.code(), ErrorCode::UnsupportedMedia);
    assert!(fault.to_string().contains("image/jpeg"), "the remedy names what is read: {fault}");
}

#[test]
fn without_a_model_the_fault_says_so() {
    let bare = Registry::new(&Resources::default());
    let fault = bare
        .read(Input {
            bytes: &encoded(&form(), ImageFormat::Png),
            media_type: "image/png",
            schema: None,
            interrupt: Interrupt::NEVER,
        })
        .unwrap_err();
    assert_eq!(fault.code(), ErrorCode::NoModel);
}

#[test]
fn a_blank_picture_is_a_warning_not_an_error() {
    let blank = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(300, 200, image::Rgb([250; 3])));
    let content = read(&encoded(&blank, ImageFormat::Png), "image/png").unwrap();
    assert!(content.segments.is_empty());
    assert_eq!(content.warnings[0].code, "no_text");
}
