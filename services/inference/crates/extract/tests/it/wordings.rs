//! What is a label and what is a value, where the words alone would mislead.

use orrery_content::Segment;
use orrery_extract::{EmbedFault, Embedder, Extraction, find};
use serde_json::{Value, json};

use crate::layouts::{bills, forms, line, page, schema};

/// A form whose labels stand left of their values, one row each.
fn rows(rows: &[(&str, &str)]) -> Vec<Segment> {
    let mut lines = Vec::new();
    for (row, (label, value)) in rows.iter().enumerate() {
        let y = 100.0 + 60.0 * row as f32;
        lines.extend((!label.is_empty()).then(|| line(label, 50.0, y, 1.0)));
        lines.extend((!value.is_empty()).then(|| line(value, 450.0, y, 1.0)));
    }
    lines
}

#[test]
fn words_of_an_account_are_not_labels_though_they_are_spelled_nearly_alike() {
    let mut lines = rows(&[
        ("Policy number:", "NM-H-257498"),
        ("Claimant name:", "Nils Ferrari"),
        ("Type of incident:", "Water damage"),
        ("Location:", "15 Station Road"),
        ("Description:", ""),
    ]);
    // "The plane" is not "Place", "over." not "Cover number", "Water damage" not "Date of damage".
    lines.push(line("The plane was late and it rained while we were", 60.0, 375.0, 1.0));
    lines.push(line("over.", 60.0, 405.0, 1.0));
    let found = forms(lines).fields;
    assert_eq!(found["what_happened"].value, "The plane was late and it rained while we were over.");
    assert_eq!(found["incident_type"].value, "Water damage");
    assert_eq!(found["location"].value, "15 Station Road");
    assert_eq!(found["policy_number"].value, "NM-H-257498");
}

#[test]
fn a_value_worded_like_another_fields_label_stays_a_value() {
    let found = forms(rows(&[
        ("Policy number", "NM-M-789704"),
        ("Type of incident", "Loss of value"),
        ("Amount claimed", "4,663.20"),
        ("Date of incident", "01-11-2026"),
    ]))
    .fields;
    assert_eq!(found["incident_type"].value, "Loss of value");
    assert_eq!(found["amount_claimed"].value, 4663.2);
}

#[test]
fn a_row_of_the_bill_may_be_worded_as_a_label() {
    let bill = |total: &str| {
        let lines = vec![
            line("Harbour Works", 50.0, 10.0, 1.0),
            line("Sunglasses", 50.0, 100.0, 1.0),
            line("100.00", 600.0, 100.0, 1.0),
            line("Telephone", 50.0, 140.0, 1.0),
            line("50.00", 610.0, 140.0, 1.0),
            line("Gross amount", 50.0, 200.0, 1.0),
            line(total, 600.0, 200.0, 1.0),
        ];
        bills(lines).fields
    };
    let found = bill("150.00");
    assert_eq!(found["estimate_total"].value, 150.0);
    let described: Vec<&Value> =
        found["estimate_lines"].value.as_array().unwrap().iter().map(|row| &row["description"]).collect();
    assert_eq!(described, [&json!("Sunglasses"), &json!("Telephone")]);
    let without = bill("100.00");
    assert_eq!(without["estimate_lines"].value.as_array().unwrap().len(), 1, "it adds up without the telephone");
}

#[test]
fn a_small_l_before_a_consonant_is_a_capital_i() {
    let found = forms(rows(&[("Claimant name:", "Uwe lvanov"), ("Location:", "12 Mill lane")])).fields;
    assert_eq!(found["claimant_name"].value, "Uwe Ivanov");
    assert_eq!(found["location"].value, "12 Mill lane");
}

/// Knows what two labels in other words mean, each a little like two fields at once.
struct Vague;

impl Embedder for Vague {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedFault> {
        let meaning = |text: &&str| match *text {
            "reach us with" => vec![0.5, 0.48, 0.0, 0.72],
            "lodged by" => vec![0.1, 0.8, 0.78, 0.0],
            text if text.contains("telephone") => vec![1.0, 0.0, 0.0, 0.0],
            text if text.contains("claimant") => vec![0.0, 1.0, 0.0, 0.0],
            text if text.contains("amount") => vec![0.0, 0.0, 1.0, 0.0],
            _ => vec![0.0; 4],
        };
        Ok(texts.iter().map(meaning).collect())
    }
}

fn vaguely(lines: Vec<Segment>) -> Extraction {
    find(&page(lines), &schema("form"), Some(&Vague)).unwrap()
}

#[test]
fn labels_in_new_words_are_told_by_what_is_left_and_by_the_form_of_their_values() {
    let known = [("Policy number:", "NM-H-257498"), ("Amount claimed:", "378.04"), ("Location:", "15 Station Road")];
    let with = |more: [(&str, &str); 2]| vaguely(rows(&[known.as_slice(), more.as_slice()].concat())).fields;
    let found = with([("Reach us with:", "+44 20 7946 0750"), ("Lodged by:", "Carla Abel")]);
    assert_eq!(found["telephone"].value, "+44 20 7946 0750");
    assert_eq!(found["claimant_name"].value, "Carla Abel");
    assert!(!found["telephone"].needs_person && !found["claimant_name"].needs_person);
    // Left blank, it is not filled from the neighbour.
    let blank = with([("Reach us with:", ""), ("Lodged by:", "Carla Abel")]);
    assert_eq!((&blank["telephone"].value, blank["telephone"].needs_person), (&Value::Null, true));
}

#[test]
fn a_label_is_read_to_its_mark() {
    let found = forms(vec![
        line("Name of the dog: Rex", 50.0, 100.0, 1.0),
        line("What took place? It rained.", 50.0, 160.0, 1.0),
    ]);
    assert_eq!(found.fields["claimant_name"].value, Value::Null);
    assert_eq!(found.fields["location"].value, Value::Null);
}
