//! PDF by PDFium: the text layer with its places where a page has one, otherwise the page is drawn and read by OCR. Places
//! are in pixels of the page as drawn, so that both kinds of page look alike to whoever reads them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use pdfium_render::prelude::{
    PdfDocument, PdfPage, PdfPoints, PdfRenderConfig, Pdfium, PdfiumError, PdfiumInternalError,
};

use orrery_content::{Content, Modality, Page, Point, Segment, Warning};

use super::image::add_page;
use super::{Adapter, AdapterError, Input, Limits, Resources};
use orrery_content::capability::{CapabilityError, Interrupt, OcrEngine};

const MEDIA_TYPE: &str = "application/pdf";
/// Pixels per point at which pages are drawn: 200 dots per inch, where ten-point print is 28 pixels high.
const SCALE: f32 = 200.0 / 72.0;
/// Longest side of a drawn page; a poster is drawn more coarsely.
const SIDE_MAX: f32 = 3200.0;
/// A page with fewer letters than this is a scan that somebody stamped, not a page of text.
const LETTERS_MIN: usize = 16;

/// PDFium keeps global state: one library in a process, one document at a time.
static PDFIUM: OnceLock<Mutex<Pdfium>> = OnceLock::new();
/// Held while the library is loaded, so that two loaders do not both try.
static LOADING: Mutex<()> = Mutex::new(());

/// Reads PDF.
pub(super) struct PdfAdapter {
    library: Option<std::path::PathBuf>,
    ocr: Option<Arc<dyn OcrEngine>>,
    limits: Limits,
}

impl PdfAdapter {
    pub(super) fn new(resources: &Resources) -> Self {
        Self { library: resources.pdfium.clone(), ocr: resources.ocr.clone(), limits: resources.limits }
    }
}

impl Adapter for PdfAdapter {
    fn media_types(&self) -> &'static [&'static str] {
        &[MEDIA_TYPE]
    }

    fn read(&self, input: Input<'_>, _media_type: &'static str) -> Result<Content, AdapterError> {
        let pdfium = load(self.library.as_deref())?.lock();
        let document = pdfium.load_pdf_from_byte_slice(input.bytes, None).map_err(refused)?;
        self.read_document(&document, input.interrupt)
    }
}

impl PdfAdapter {
    fn read_document(&self, document: &PdfDocument<'_>, interrupt: Interrupt<'_>) -> Result<Content, AdapterError> {
        let pages = u32::try_from(document.pages().len()).unwrap_or(0);
        if pages > self.limits.pages_max {
            return Err(AdapterError::TooManyPages { pages, limit: self.limits.pages_max });
        }
        let mut content = Content::empty(Modality::Document, MEDIA_TYPE);
        for page in document.pages().iter() {
            interrupt.check()?;
            self.read_page(&mut content, &page)?;
        }
        if content.segments.is_empty() {
            content.warnings.push(Warning::new("no_text", "no text was found in the document"));
        }
        Ok(content)
    }

    fn read_page(&self, content: &mut Content, page: &PdfPage<'_>) -> Result<(), AdapterError> {
        let longest = page.width().value.max(page.height().value).max(1.0);
        let scale = SCALE.min(SIDE_MAX / longest);
        let side = |points: PdfPoints| ((points.value * scale).round() as i32).max(1);
        let (width, height) = (side(page.width()), side(page.height()));
        let config = PdfRenderConfig::new().set_fixed_size(width, height);
        let number = content.pages.len() as u32;
        let lines = text_layer(page, &config, number).map_err(damaged)?;
        let letters: usize = lines.iter().map(|line| line.text.chars().filter(|c| c.is_alphanumeric()).count()).sum();
        if letters >= LETTERS_MIN {
            content.pages.push(Page { width: width.unsigned_abs(), height: height.unsigned_abs(), rotation: 0 });
            content.segments.extend(lines);
            return Ok(());
        }
        let picture = page.render_with_config(&config).and_then(|bitmap| bitmap.as_image()).map_err(damaged)?;
        let ocr = self.ocr.as_ref().ok_or(CapabilityError::Missing("reading print"))?;
        add_page(content, ocr.read(&picture.into_rgb8())?);
        content.record_models(ocr.models());
        Ok(())
    }
}

/// The page's own text, run by run, in the pixels in which the page would be drawn.
fn text_layer(page: &PdfPage<'_>, config: &PdfRenderConfig, number: u32) -> Result<Vec<Segment>, PdfiumError> {
    let text = page.text()?;
    let mut lines = Vec::new();
    for run in text.segments().iter() {
        let words = run.text();
        if words.trim().is_empty() {
            continue;
        }
        let bounds = run.bounds();
        let corner = |x: PdfPoints, y: PdfPoints| {
            page.points_to_pixels(x, y, config).map(|(x, y)| Point { x: x as f32, y: y as f32 })
        };
        let quad = [
            corner(bounds.left(), bounds.top())?,
            corner(bounds.right(), bounds.top())?,
            corner(bounds.right(), bounds.bottom())?,
            corner(bounds.left(), bounds.bottom())?,
        ];
        lines.push(Segment { page: Some(number), quad: Some(quad), ..Segment::certain(words.trim()) });
    }
    Ok(lines)
}

fn load(library: Option<&Path>) -> Result<&'static Mutex<Pdfium>, AdapterError> {
    if let Some(loaded) = PDFIUM.get() {
        return Ok(loaded);
    }
    let failed = |reason: String| AdapterError::Library { library: "pdfium", reason };
    let path = library.ok_or_else(|| failed("no path to it is configured".to_owned()))?;
    let _guard = LOADING.lock();
    if PDFIUM.get().is_none() {
        let bindings = Pdfium::bind_to_library(path).map_err(|fault| failed(format!("{fault:?}")))?;
        let _ = PDFIUM.set(Mutex::new(Pdfium::new(bindings)));
    }
    PDFIUM.get().ok_or_else(|| failed("it went away".to_owned()))
}

fn refused(fault: PdfiumError) -> AdapterError {
    match fault {
        PdfiumError::PdfiumLibraryInternalError(
            PdfiumInternalError::PasswordError | PdfiumInternalError::SecurityError,
        ) => AdapterError::Locked,
        other => damaged(other),
    }
}

fn damaged(fault: PdfiumError) -> AdapterError {
    AdapterError::Damaged { media_type: MEDIA_TYPE, reason: format!("{fault:?}") }
}
