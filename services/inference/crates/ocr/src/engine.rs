//! The OCR engine: detection, orientation, recognition and reading order as one call on one upright-or-not picture.

use std::borrow::Cow;
use std::path::Path;

use image::RgbImage;
use image::imageops;

use orrery_content::capability::{CapabilityError, OcrEngine, OcrLine, OcrPage};
use orrery_content::{ModelIdentity, Point};

use super::OcrError;
use super::detect::Detector;
use super::geometry::Quad;
use super::order::reading_order;
use super::orient::{AngleClassifier, is_tall, lies_on_its_side, turned};
use super::recognise::{Reading, Recogniser};
use super::runtime::OnnxRuntime;

/// Pictures are worked on at most this large; a larger one is shrunk first and the places are scaled back.
const WORKING_SIDE_MAX: u32 = 3200;

/// The bytes of the three ONNX files.
#[derive(Debug, Clone, Copy)]
pub struct OcrModels<'a> {
    /// Text detection.
    pub detection: &'a [u8],
    /// Text recognition, with its charset in the metadata.
    pub recognition: &'a [u8],
    /// 0 or 180 degrees.
    pub line_angle: &'a [u8],
}

/// What may be chosen.
#[derive(Debug, Clone)]
pub struct OcrSettings {
    /// Lines below this mean confidence are dropped and counted. 0 to 1, default 0.5.
    pub confidence_min: f32,
    /// Who is named as having read a page.
    pub identities: Vec<ModelIdentity>,
}

/// PP-OCR on ONNX Runtime. Calls from several threads share the sessions and take turns at each stage.
#[derive(Debug)]
pub struct PaddleOcr {
    detector: Detector,
    angle: AngleClassifier,
    recogniser: Recogniser,
    settings: OcrSettings,
}

impl PaddleOcr {
    /// Builds the three sessions; `library` is ONNX Runtime's shared library, `threads` its pool's size.
    pub fn load(
        library: &Path,
        threads: usize,
        models: OcrModels<'_>,
        settings: OcrSettings,
    ) -> Result<Self, OcrError> {
        let runtime = OnnxRuntime::load(library, threads)?;
        Ok(Self {
            detector: Detector::new(runtime, models.detection)?,
            angle: AngleClassifier::new(runtime, models.line_angle)?,
            recogniser: Recogniser::new(runtime, models.recognition)?,
            settings,
        })
    }

    /// Reads a picture. Places are in pixels of the page turned upright, at the picture's own resolution.
    pub fn read_page(&self, image: &RgbImage) -> Result<OcrPage, OcrError> {
        let shrink = (WORKING_SIDE_MAX as f32 / image.width().max(image.height()).max(1) as f32).min(1.0);
        let working = if shrink < 1.0 {
            let side = |length: u32| ((length as f32 * shrink) as u32).max(1);
            Cow::Owned(imageops::thumbnail(image, side(image.width()), side(image.height())))
        } else {
            Cow::Borrowed(image)
        };
        let (upright, quads, rotation) = self.upright(working)?;
        let (lines, unreadable) = self.lines(&upright, &quads, 1.0 / shrink)?;
        let (width, height) = match rotation {
            90 | 270 => (image.height(), image.width()),
            _ => image.dimensions(),
        };
        Ok(OcrPage { width, height, rotation, lines, unreadable })
    }

    /// Turns the page until its print is upright; almost always it is already.
    fn upright<'a>(&self, image: Cow<'a, RgbImage>) -> Result<(Cow<'a, RgbImage>, Vec<Quad>, u16), OcrError> {
        let (mut image, mut rotation) = (image, 0_u16);
        let mut quads = self.detector.lines(&image)?;
        if lies_on_its_side(&quads) {
            image = Cow::Owned(imageops::rotate270(image.as_ref()));
            quads = self.detector.lines(&image)?;
            rotation = 270;
        }
        if self.angle.is_upside_down(&image, &quads)? {
            image = Cow::Owned(imageops::rotate180(image.as_ref()));
            quads = self.detector.lines(&image)?;
            rotation = (rotation + 180) % 360;
        }
        Ok((image, quads, rotation))
    }

    /// Recognises the lines in reading order, and counts those that stayed below the threshold.
    fn lines(&self, image: &RgbImage, quads: &[Quad], enlarge: f32) -> Result<(Vec<OcrLine>, usize), OcrError> {
        let ordered: Vec<Quad> =
            reading_order(quads).into_iter().filter_map(|index| quads.get(index).copied()).collect();
        // A tall line is either print that stands on end or a single character: both are read, and the surer one is kept.
        let tall: Vec<Quad> = ordered.iter().filter(|quad| is_tall(quad)).map(turned).collect();
        let all: Vec<Quad> = ordered.iter().chain(&tall).copied().collect();
        let mut readings = self.recogniser.read(image, &all)?;
        let mut sideways = readings.split_off(ordered.len()).into_iter().zip(tall);
        let (mut lines, mut unreadable) = (Vec::with_capacity(ordered.len()), 0);
        for (mut reading, mut quad) in readings.into_iter().zip(ordered) {
            if is_tall(&quad)
                && let Some((other, turned)) = sideways.next()
                && other.confidence() > reading.confidence()
            {
                (reading, quad) = (other, turned);
            }
            match self.accept(reading, quad, enlarge) {
                Some(line) => lines.push(line),
                None => unreadable += 1,
            }
        }
        Ok((lines, unreadable))
    }

    fn accept(&self, reading: Reading, quad: Quad, enlarge: f32) -> Option<OcrLine> {
        let confidence = reading.confidence();
        let keep = confidence >= self.settings.confidence_min && !reading.text.trim().is_empty();
        keep.then(|| OcrLine {
            text: reading.text,
            confidence,
            char_confidences: reading.char_confidences,
            quad: quad.map(|p| Point { x: p.x * enlarge, y: p.y * enlarge }),
        })
    }
}

impl OcrEngine for PaddleOcr {
    fn read(&self, image: &RgbImage) -> Result<OcrPage, CapabilityError> {
        self.read_page(image).map_err(|fault| CapabilityError::Failed(fault.to_string()))
    }

    fn models(&self) -> Vec<ModelIdentity> {
        self.settings.identities.clone()
    }
}
