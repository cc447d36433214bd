//! Text, mail, JSON and CSV through the registry.

use orrery_adapters::{AdapterError, Input, Limits, Registry, Resources, Violation};
use orrery_content::capability::Interrupt;
use orrery_content::{Content, Modality};
use orrery_errors::ErrorCode;
use serde_json::{Value, json};

fn read(bytes: &[u8], media_type: &str, schema: Option<&Value>) -> Result<Content, AdapterError> {
    Registry::new(&Resources::default()).read(Input { bytes, media_type, schema, interrupt: Interrupt::NEVER })
}

#[test]
fn mail_is_headers_and_paragraphs_with_their_places() {
    let mail =
        "\u{feff}Subject: Claim on NM-T-931496\r\n\r\nDear team,\r\n\r\nThe airline lost my suitcase.\r\nRegards\r\n";
    let content = read(mail.as_bytes(), "text/plain; charset=utf-8", None).unwrap();
    assert_eq!(content.modality, Modality::Text);
    assert_eq!(content.structured, Some(json!({ "headers": { "subject": "Claim on NM-T-931496" } })));
    let texts: Vec<&str> = content.segments.iter().map(|segment| segment.text.as_str()).collect();
    assert_eq!(texts, ["Subject: Claim on NM-T-931496", "Dear team,", "The airline lost my suitcase.\r\nRegards"]);
    let source = mail.trim_start_matches('\u{feff}');
    for segment in &content.segments {
        let (start, end) = segment.char_span.unwrap();
        assert_eq!(&source[start as usize..end as usize], segment.text);
    }
}

#[test]
fn an_encoded_mail_is_given_as_it_came_with_a_warning() {
    let mail = b"From: a@example.org\nContent-Transfer-Encoding: base64\n\nSGVsbG8=\n";
    let content = read(mail, "message/rfc822", None).unwrap();
    assert_eq!(content.warnings[0].code, "encoded_body");
}

#[test]
fn text_in_another_encoding_names_the_first_bad_byte() {
    let fault = read(b"caf\xe9 bill", "text/plain", None).unwrap_err();
    assert_eq!(fault, AdapterError::InvalidUtf8 { offset: 3 });
    assert_eq!(fault.code(), ErrorCode::InvalidMedia);
}

#[test]
fn text_above_its_limit_is_refused() {
    let resources = Resources { limits: Limits { text_bytes_max: 8, ..Limits::default() }, ..Resources::default() };
    let fault = Registry::new(&resources)
        .read(Input { bytes: b"nine byte", media_type: "text/plain", schema: None, interrupt: Interrupt::NEVER })
        .unwrap_err();
    assert_eq!(fault, AdapterError::TooManyBytes { size: 9, limit: 8 });
}

fn signal_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "wind_kmh"],
        "properties": {
            "type": { "type": "string" },
            "wind_kmh": { "type": "number", "minimum": 0 },
            "readings": { "type": "array", "items": { "type": "integer" } }
        }
    })
}

#[test]
fn json_that_meets_its_schema_is_given_as_it_is() {
    let bytes = br#"{"type": "weather.report", "wind_kmh": 113}"#;
    let content = read(bytes, "application/json", Some(&signal_schema())).unwrap();
    assert_eq!(content.structured, Some(json!({ "type": "weather.report", "wind_kmh": 113 })));
    assert_eq!(content.modality, Modality::Structured);
}

#[test]
fn every_violation_of_the_schema_is_named_with_its_place() {
    let bytes = br#"{"wind_kmh": -4, "readings": [1, "two", 3.5]}"#;
    let fault = read(bytes, "application/json", Some(&signal_schema())).unwrap_err();
    let AdapterError::SchemaViolated { violations } = &fault else { panic!("{fault}") };
    let mut paths: Vec<&str> = violations.iter().map(|Violation { path, .. }| path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["", "/readings/1", "/readings/2", "/wind_kmh"]);
    let public = orrery_errors::Error::from(fault);
    assert_eq!(public.detail.unwrap()["violations"].as_array().unwrap().len(), 4);
}

#[test]
fn broken_json_names_line_and_column() {
    let fault = read(b"{\n  \"a\": 1,\n  \"b\": }\n", "application/json", None).unwrap_err();
    assert!(matches!(fault, AdapterError::Syntax { line: 3, column: 8, .. }), "{fault}");
    let deep = "[".repeat(100_000);
    assert!(matches!(read(deep.as_bytes(), "application/json", None), Err(AdapterError::Syntax { .. })));
}

#[test]
fn a_schema_that_is_none_is_told_apart_from_bad_input() {
    let fault = read(b"{}", "application/json", Some(&json!({ "type": "no such type" }))).unwrap_err();
    assert_eq!(fault.code(), ErrorCode::InvalidDefinition);
}

#[test]
fn csv_becomes_records_typed_only_where_the_schema_says_so() {
    let schema = json!({
        "type": "array",
        "items": { "properties": { "amount": { "type": "number" }, "policy": { "type": "string" } } }
    });
    let bytes = b"policy,amount\n00123,42.50\n00124,many\n";
    let fault = read(bytes, "text/csv", Some(&schema)).unwrap_err();
    let AdapterError::SchemaViolated { violations } = fault else { panic!("{fault}") };
    assert_eq!(violations[0].path, "/1/amount");
    let content = read(b"policy,amount\n00123,42.50\n", "text/csv", Some(&schema)).unwrap();
    assert_eq!(content.structured, Some(json!([{ "policy": "00123", "amount": 42.5 }])));
}

#[test]
fn a_ragged_table_names_its_line() {
    let fault = read(b"a,b\n1,2\n3\n", "text/csv", None).unwrap_err();
    assert!(matches!(fault, AdapterError::Syntax { line: 3, .. }), "{fault}");
}
