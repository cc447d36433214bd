//! The real OCR models on rendered and photographed pages.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use image::{RgbImage, imageops};
use orrery_config::Paths;
use orrery_content::ModelIdentity;
use orrery_content::capability::OcrPage;
use orrery_ocr::{OcrError, OcrModels, OcrSettings, PaddleOcr};

pub fn cache(path: &str) -> PathBuf {
    Paths::from_env().cache.join(path)
}

pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

fn load(library: &Path) -> Result<PaddleOcr, OcrError> {
    let file = |name: &str| std::fs::read(cache("models").join(name)).expect("a model file; run the setup");
    let detection = file("pp-ocrv6-det/3.10.0/PP-OCRv6_det_small.onnx");
    let recognition = file("pp-ocrv6-rec/3.10.0/PP-OCRv6_rec_small.onnx");
    let line_angle = file("pp-ocrv6-rec/3.10.0/ch_ppocr_mobile_v2.0_cls_mobile.onnx");
    let models = OcrModels { detection: &detection, recognition: &recognition, line_angle: &line_angle };
    let identity =
        |name: &str| ModelIdentity { name: name.into(), version: "3.10.0".into(), digest: "sha256:test".into() };
    let identities = vec![identity("pp-ocrv6-det"), identity("pp-ocrv6-rec")];
    PaddleOcr::load(library, 2, models, OcrSettings { confidence_min: 0.5, identities })
}

/// One engine for all tests: its models take a second to load.
pub static ENGINE: LazyLock<Arc<PaddleOcr>> =
    LazyLock::new(|| Arc::new(load(&cache("lib/libonnxruntime.so")).expect("the OCR engine")));

/// What the form fixture says, in reading order.
pub const FORM_LINES: &[&str] = &[
    "MERIDIAN INSURANCE",
    "Household claim form",
    "Policy number:",
    "MI-H-204817",
    "Claimant name:",
    "Ingrid Halvorsen",
    "Date of incident:",
    "14/03/2026",
    "Location:",
    "7 Quay Road, Easthaven",
    "Telephone:",
    "+44 20 7946 0188",
    "Amount claimed (EUR):",
    "1,284.50",
    "Description:",
    "A pipe burst in the kitchen and the floor was ruined.",
];

fn form() -> RgbImage {
    image::load_from_memory(&fixture("form.png")).expect("the form fixture").into_rgb8()
}

fn texts(page: &OcrPage) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn a_clean_form_is_read_exactly_and_in_order() {
    let page = ENGINE.read_page(&form()).unwrap();
    assert_eq!(texts(&page), FORM_LINES);
    assert_eq!((page.width, page.height, page.rotation, page.unreadable), (1000, 900, 0, 0));
    for line in &page.lines {
        assert!(line.confidence > 0.9, "{}: {}", line.text, line.confidence);
        assert_eq!(line.char_confidences.len(), line.text.chars().count(), "{}", line.text);
    }
}

#[test]
fn lines_lie_where_they_are_printed() {
    let page = ENGINE.read_page(&form()).unwrap();
    let amount = page.lines.iter().find(|line| line.text == "1,284.50").unwrap();
    let [top_left, top_right, bottom_right, bottom_left] = amount.quad;
    // Drawn at (450, 640) in 27 pixel letters, about 120 wide.
    assert!((435.0..=452.0).contains(&top_left.x) && (632.0..=650.0).contains(&top_left.y), "{top_left:?}");
    assert!((565.0..=590.0).contains(&bottom_right.x) && (665.0..=685.0).contains(&bottom_right.y), "{bottom_right:?}");
    assert!(top_right.x > top_left.x && bottom_left.y > top_left.y, "clockwise from the top left");
}

#[test]
fn a_page_in_any_direction_is_turned_upright() {
    let upright = form();
    let cases = [
        (imageops::rotate90(&upright), 270),
        (imageops::rotate180(&upright), 180),
        (imageops::rotate270(&upright), 90),
    ];
    for (image, rotation) in cases {
        let page = ENGINE.read_page(&image).unwrap();
        assert_eq!(page.rotation, rotation);
        assert_eq!((page.width, page.height), (1000, 900), "the upright size");
        assert_eq!(texts(&page), FORM_LINES, "turned by {rotation}");
    }
}

#[test]
fn places_are_in_the_pixels_of_the_given_picture_however_large() {
    let (width, height) = (4000, 3600);
    let large = imageops::resize(&form(), width, height, imageops::FilterType::Triangle);
    let page = ENGINE.read_page(&large).unwrap();
    assert_eq!((page.width, page.height), (width, height));
    let amount = page.lines.iter().find(|line| line.text == "1,284.50").unwrap();
    assert!((1740.0..=1810.0).contains(&amount.quad[0].x), "{:?}", amount.quad);
}

#[test]
fn a_blank_page_and_a_tiny_one_have_no_lines() {
    let blank = RgbImage::from_pixel(800, 600, image::Rgb([255; 3]));
    assert!(ENGINE.read_page(&blank).unwrap().lines.is_empty());
    assert!(ENGINE.read_page(&RgbImage::new(1, 1)).unwrap().lines.is_empty());
}

#[test]
fn what_is_no_model_is_refused_with_its_name() {
    LazyLock::force(&ENGINE);
    let settings = OcrSettings { confidence_min: 0.5, identities: Vec::new() };
    let models = OcrModels { detection: b"not a graph", recognition: b"", line_angle: b"" };
    let fault = PaddleOcr::load(&cache("lib/libonnxruntime.so"), 1, models, settings).unwrap_err();
    assert!(matches!(fault, OcrError::Load { model: "detection", .. }), "{fault}");
}

/// The photographed claim packets: every field of the ground truth stands verbatim in what was read.
#[test]
fn photographed_packets_hold_every_field_of_their_ground_truth() {
    let packets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/claims/packets");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(&packets).expect("the claim packets").map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    let mut missing = Vec::new();
    // Two packets keep the test short; the evaluation reads them all.
    for folder in folders.iter().take(2) {
        let truth: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("truth.json")).unwrap()).unwrap();
        let read = |name: &str| {
            let bytes = std::fs::read(folder.join(name)).unwrap();
            ENGINE.read_page(&image::load_from_memory(&bytes).unwrap().into_rgb8()).unwrap()
        };
        let (form, estimate) = (read("form.jpg"), read("estimate.jpg"));
        let holds = |page: &OcrPage, wanted: &str| page.lines.iter().any(|line| line.text.contains(wanted));
        for (page, fields) in [
            (
                &form,
                ["policy_number", "claimant_name", "incident_type", "location", "telephone", "registration"].as_slice(),
            ),
            (&estimate, ["vendor", "estimate_number"].as_slice()),
        ] {
            for field in fields {
                let wanted = truth[field].as_str().unwrap();
                if !holds(page, wanted) {
                    missing.push(format!("{} {field}: {wanted}", folder.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
