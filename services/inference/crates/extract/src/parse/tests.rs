//! Tables of what people write and what it means.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use regex::Regex;

use super::{amount, amount_at_end, amounts, date, identifier, phone};

fn dated(text: &str) -> Option<String> {
    date(text, true).map(|parsed| parsed.value.as_str().unwrap().to_owned())
}

#[test]
fn dates_in_many_hands() {
    for text in [
        "21/10/2026",
        "2026-10-21",
        "21 Oct 2026",
        "21.10.26",
        "October 21, 2026",
        "21st October 2026",
        "21-10-2026",
        "21 10 2026",
        "21. Oktober 2026",
        "Wed 21 October 2026",
        "2I/1O/2026",
    ] {
        assert_eq!(dated(text).as_deref(), Some("2026-10-21"), "{text}");
    }
    for text in ["", "31/02/2026", "NM-T-931496", "1,758.93", "soon", "13/13/2026"] {
        assert_eq!(dated(text), None, "{text}");
    }
    assert_eq!(dated("02/01/2026").as_deref(), Some("2026-01-02"));
    assert_eq!(date("02/01/2026", false).unwrap().value, "2026-02-01");
}

#[test]
fn amounts_in_many_hands() {
    for (text, cents) in [
        ("1,758.93", 175_893),
        ("1.758,93", 175_893),
        ("EUR 389.00", 38_900),
        ("389,00 €", 38_900),
        ("€1,000", 100_000),
        ("1 758.93", 175_893),
        ("12,345,678.90", 1_234_567_890),
        ("500", 50_000),
        ("-40.00", -4_000),
        ("£99.5", 9_950),
    ] {
        assert_eq!(amount(text).map(|amount| amount.cents), Some(cents), "{text}");
    }
    for text in ["21/10/2026", "Front bumper", "NM-T-931496", "", "+44 20 7946 0310"] {
        assert_eq!(amount(text), None, "{text}");
    }
    assert!(amount("389.00").unwrap().explicit && !amount("2").unwrap().explicit);
    let (text, found) = amount_at_end("Front bumper ........ 93.74").unwrap();
    assert_eq!((text, found.cents), ("Front bumper", 9_374));
    let cents: Vec<i64> = amounts("372.36 EUR 1,117.08 EUR").unwrap().iter().map(|amount| amount.cents).collect();
    assert_eq!(cents, [37_236, 111_708]);
}

#[test]
fn a_code_is_repaired_only_when_one_repair_fits() {
    let policy = Regex::new(r"[A-Z]{2}-[HMT]-\d{6}").unwrap();
    let read = |text: &str| {
        identifier(text, Some(&policy)).map(|parsed| (parsed.value.as_str().unwrap().to_owned(), parsed.fit))
    };
    assert_eq!(read("NM-T-931496").unwrap().0, "NM-T-931496");
    assert_eq!(read("NM - T - 931496").unwrap().0, "NM-T-931496");
    let (repaired, fit) = read("NM-T-93I4O6").unwrap();
    assert_eq!(repaired, "NM-T-931406");
    assert!(fit < 0.8, "a repair is less sure than a reading: {fit}");
    assert_eq!(read("NM-X-931496"), None);
    // Two codes fit a text that could be either: nobody chooses.
    let either = Regex::new("^(A0|AO)$").unwrap();
    assert!(identifier("A0", Some(&either)).is_some());
    let ambiguous = Regex::new("^([0-9][A-Z]|[A-Z][0-9])$").unwrap();
    assert_eq!(identifier("OO", Some(&ambiguous)), None);
}

#[test]
fn telephone_numbers_keep_their_groups() {
    assert_eq!(phone("+44 20 7946 0310").unwrap().value, "+44 20 7946 0310");
    assert_eq!(phone("Tel (020) 7946-0310").unwrap().value, "(020) 7946-0310");
    assert_eq!(phone("+44 2O 7946 031O").unwrap().value, "+44 20 7946 0310");
    assert!(phone("12345").is_none() && phone("call me").is_none());
}
