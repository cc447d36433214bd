//! PDF with text and PDF that is a scan.

use orrery_adapters::{AdapterError, Input, Limits, Registry, Resources};
use orrery_content::capability::Interrupt;
use orrery_content::{Content, Modality};

use crate::ocr_engine::{ENGINE, FORM_LINES, cache, fixture};

fn read(bytes: &[u8], limits: Limits) -> Result<Content, AdapterError> {
    let resources =
        Resources { ocr: Some(ENGINE.clone()), pdfium: Some(cache("lib/libpdfium.so")), limits, speech: None };
    Registry::new(&resources).read(Input {
        bytes,
        media_type: "application/pdf",
        schema: None,
        interrupt: Interrupt::NEVER,
    })
}

#[test]
fn a_text_layer_is_taken_as_it_is_with_places() {
    let content = read(&fixture("invoice.pdf"), Limits::default()).unwrap();
    assert_eq!(content.modality, Modality::Document);
    assert!(content.models.is_empty(), "nothing had to be recognised");
    let find = |text: &str| {
        content.segments.iter().find(|segment| segment.text.contains(text)).unwrap_or_else(|| panic!("{text}"))
    };
    let (total, amount) = (find("Total EUR"), find("184.50"));
    assert!((total.confidence - 1.0).abs() < f32::EPSILON);
    // A4 at 200 dots per inch; "184.50" is set at 420 points from the left and 620 from the bottom.
    let page = content.pages[0];
    assert_eq!((page.width, page.height), (1653, 2339));
    let [top_left, _, bottom_right, _] = amount.quad.unwrap();
    assert!((top_left.x - 1167.0).abs() < 12.0, "{top_left:?}");
    assert!(bottom_right.y > 580.0 && bottom_right.y < 640.0, "{bottom_right:?}");
    assert!(total.quad.unwrap()[0].y > top_left.y, "the total stands below");
}

#[test]
fn a_scan_is_read_by_ocr() {
    let content = read(&fixture("scan.pdf"), Limits::default()).unwrap();
    let lines: Vec<&str> = content.segments.iter().map(|segment| segment.text.as_str()).collect();
    assert_eq!(lines, FORM_LINES);
    assert_eq!(content.models.len(), 2);
}

#[test]
fn broken_and_long_documents_are_typed() {
    let fault = read(b"%PDF-1.7\nnothing else", Limits::default()).unwrap_err();
    assert!(matches!(fault, AdapterError::Damaged { .. }), "{fault}");
    let fault = read(&fixture("invoice.pdf"), Limits { pages_max: 0, ..Limits::default() }).unwrap_err();
    assert_eq!(fault, AdapterError::TooManyPages { pages: 1, limit: 0 });
}

#[test]
fn without_the_library_the_fault_says_so() {
    let fault = Registry::new(&Resources::default())
        .read(Input { bytes: b"%PDF-1.7", media_type: "application/pdf", schema: None, interrupt: Interrupt::NEVER })
        .err();
    // Another test may have loaded the library for this process already; then the document itself is what is wrong.
    assert!(matches!(fault, Some(AdapterError::Library { .. } | AdapterError::Damaged { .. })), "{fault:?}");
}
