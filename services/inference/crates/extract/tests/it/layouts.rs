//! Extraction over lines as a reader gave them from photographed pages of many layouts, and over small pages made for one rule.

use orrery_content::{Content, Modality, Point, Segment};
use orrery_extract::{EmbedFault, Embedder, ExtractError, Extraction, Schema, find};
use serde_json::{Value, json};

#[derive(serde::Deserialize)]
struct Page {
    schema: String,
    contents: Vec<Content>,
    expected: serde_json::Map<String, Value>,
}

fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn schema(name: &str) -> Schema {
    serde_json::from_str(&fixture(&format!("schema-{name}"))).unwrap()
}

/// A table as its fixtures write it: pairs of description and amount.
fn comparable(value: &Value) -> Value {
    match value.as_array() {
        Some(rows) => rows.iter().map(|row| json!([row["description"], row["amount"]])).collect(),
        None => value.clone(),
    }
}

fn check(name: &str) {
    let page: Page = serde_json::from_str(&fixture(name)).unwrap();
    let extraction = find(&page.contents, &schema(&page.schema), None).unwrap();
    for (field, expected) in &page.expected {
        let found = &extraction.fields[field];
        assert_eq!(&comparable(&found.value), expected, "{name}: {field}");
        if !expected.is_null() {
            assert!(!found.needs_person, "{name}: {field} was read rightly but {:?}", found.reason);
            assert!(!found.source.is_empty(), "{name}: {field} has no source");
        }
    }
}

#[test]
fn forms_of_every_layout_give_their_fields() {
    for name in ["left", "above", "two-above", "two-left", "inline", "table", "packet"] {
        check(&format!("form-{name}"));
    }
}

#[test]
fn bills_of_every_layout_give_lines_and_total() {
    for name in ["a", "b", "c", "run-together-columns", "packet"] {
        check(&format!("estimate-{name}"));
    }
}

/// One line of print, 20 high, at a place.
pub(crate) fn line(text: &str, x: f32, y: f32, confidence: f32) -> Segment {
    let right = x + 10.0 * text.len() as f32;
    let at = |x, y| Point { x, y };
    let quad = [at(x, y), at(right, y), at(right, y + 20.0), at(x, y + 20.0)];
    Segment { confidence, page: Some(0), quad: Some(quad), ..Segment::certain(text) }
}

pub(crate) fn page(lines: Vec<Segment>) -> Vec<Content> {
    let mut content = Content::empty(Modality::Image, "image/png");
    content.segments = lines;
    vec![content]
}

pub(crate) fn forms(lines: Vec<Segment>) -> Extraction {
    find(&page(lines), &schema("form"), None).unwrap()
}

pub(crate) fn bills(lines: Vec<Segment>) -> Extraction {
    find(&page(lines), &schema("estimate"), None).unwrap()
}

#[test]
fn what_is_missing_or_blank_is_a_persons_and_never_a_neighbours_value() {
    let found = forms(vec![
        line("MOTOR CLAIM FORM", 50.0, 20.0, 1.0),
        line("Policy number:", 50.0, 100.0, 1.0),
        line("Claimant name:", 50.0, 160.0, 1.0),
        line("Ada Moreau", 350.0, 160.0, 1.0),
        line("Email:", 50.0, 220.0, 1.0),
        line("Telephone:", 50.0, 280.0, 1.0),
        line("+44 20 7946 0111", 350.0, 280.0, 1.0),
    ])
    .fields;
    let policy = &found["policy_number"];
    assert_eq!((&policy.value, policy.needs_person), (&Value::Null, true));
    assert!(policy.reason.as_deref().unwrap().contains("nothing readable"), "{:?}", policy.reason);
    assert!(found["incident_date"].reason.as_deref().unwrap().contains("no such field"));
    assert!(!found["registration"].needs_person, "an optional field may be absent");
    assert_eq!(found["claimant_name"].value, "Ada Moreau");
}

#[test]
fn a_faint_reading_goes_to_a_person_with_what_was_read() {
    let found = forms(vec![
        line("Policy number: NM-M-123456", 50.0, 100.0, 0.42),
        line("Claimant name: Ada Moreau", 50.0, 160.0, 1.0),
    ])
    .fields;
    assert_eq!(found["policy_number"].value, "NM-M-123456");
    assert!(found["policy_number"].needs_person && found["policy_number"].confidence < 0.5);
    assert!(!found["claimant_name"].needs_person);
}

#[test]
fn the_total_is_the_amount_that_the_lines_come_to() {
    let bill = |total: &str| {
        bills(vec![
            line("Harbour Works", 50.0, 10.0, 1.0),
            line("Quote no. 4711", 50.0, 50.0, 1.0),
            line("Glass", 50.0, 100.0, 1.0),
            line("100.00", 600.0, 100.0, 1.0),
            line("Labour", 50.0, 140.0, 1.0),
            line("50.00", 610.0, 140.0, 1.0),
            line("Subtotal", 50.0, 180.0, 1.0),
            line("150.00", 600.0, 180.0, 1.0),
            line("VAT 20%", 50.0, 220.0, 1.0),
            line("30.00", 610.0, 220.0, 1.0),
            line("Total", 50.0, 260.0, 1.0),
            line(total, 600.0, 260.0, 1.0),
            line("Deposit paid", 50.0, 300.0, 1.0),
            line("80.00", 610.0, 300.0, 1.0),
            line("Balance due", 50.0, 340.0, 1.0),
            line("100.00", 600.0, 340.0, 1.0),
        ])
        .fields
    };
    let right = bill("180.00");
    assert_eq!(right["estimate_total"].value, 180.0);
    assert!(!right["estimate_total"].needs_person);
    assert_eq!(right["estimate_lines"].value.as_array().unwrap().len(), 2);
    let wrong = bill("780.00");
    assert!(wrong["estimate_total"].needs_person, "a total that the lines contradict is a person's");
    assert!(wrong["estimate_total"].reason.as_deref().unwrap().contains("add up"));
}

/// Knows one paraphrase.
struct Paraphrase;

impl Embedder for Paraphrase {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedFault> {
        let about_place = |text: &str| text.contains("premises") || text.contains("place where");
        Ok(texts.iter().map(|text| if about_place(text) { vec![1.0, 0.0] } else { vec![0.0, 1.0] }).collect())
    }
}

#[test]
fn a_label_nobody_listed_is_found_by_its_sense() {
    let lines = || vec![line("Premises concerned:", 50.0, 100.0, 1.0), line("12 Mill Lane", 350.0, 100.0, 1.0)];
    let by_wording = forms(lines()).fields;
    assert_eq!(by_wording["location"].value, Value::Null);
    let by_sense = find(&page(lines()), &schema("form"), Some(&Paraphrase)).unwrap().fields;
    assert_eq!(by_sense["location"].value, "12 Mill Lane");
}

#[test]
fn a_name_in_two_parts_is_one_name() {
    let found =
        forms(vec![line("First name: Ada", 50.0, 100.0, 1.0), line("Surname: Moreau", 50.0, 160.0, 1.0)]).fields;
    assert_eq!(found["claimant_name"].value, "Ada Moreau");
}

#[test]
fn schemas_and_documents_beyond_their_bounds_are_refused() {
    let mut twice = schema("estimate");
    twice.fields.push(twice.fields[0].clone());
    assert!(matches!(find(&[], &twice, None), Err(ExtractError::Schema { .. })));
    let mut broken = schema("form");
    broken.fields[1].pattern = Some("(".to_owned());
    assert!(matches!(find(&[], &broken, None), Err(ExtractError::Schema { .. })));
    let long = page((0..3_001).map(|row| line("word", 0.0, row as f32 * 30.0, 1.0)).collect());
    assert!(matches!(find(&long, &schema("form"), None), Err(ExtractError::TooLong { lines: 3_001 })));
    assert!(find(&[], &schema("form"), None).unwrap().fields["policy_number"].needs_person);
}
