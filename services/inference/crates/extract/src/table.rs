//! Line items and the amounts under them: which rows are lines of a bill, which are totals, taxes and deductions, and whether
//! they add up. Works from columns and arithmetic; it knows no layout.

use serde_json::{Map, Value};

use super::parse::{Amount, amount, amount_at_end, amounts};
use super::pieces::{Piece, Role};
use super::wording::plain;

/// A bill as found in a document.
#[derive(Debug, Default)]
pub struct Bill {
    /// The lines, top to bottom over all pages.
    pub items: Vec<Item>,
    /// Totals, taxes and deductions, in the same order.
    pub sums: Vec<Sum>,
}

/// One line of a bill.
#[derive(Debug, Clone)]
pub struct Item {
    /// What is paid for.
    pub description: String,
    /// How many, where there is such a column.
    pub quantity: Option<f64>,
    /// The price of one, in cents, where there is such a column.
    pub unit_price: Option<i64>,
    /// What the line costs, in cents.
    pub amount: i64,
    /// Reading confidence of the least sure part.
    pub confidence: f32,
    /// The pieces it was read from.
    pub pieces: Vec<usize>,
    left: f32,
    middle: f32,
    page: usize,
}

/// One amount under the lines.
#[derive(Debug, Clone)]
pub struct Sum {
    /// What it is.
    pub kind: SumKind,
    /// In cents.
    pub cents: i64,
    /// How plainly it was an amount.
    pub fit: f32,
    /// The pieces it was read from, the amount's last.
    pub pieces: Vec<usize>,
}

/// What an amount under the lines stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SumKind {
    /// The whole.
    Total,
    /// A part, or the whole before tax.
    Subtotal,
    /// Tax on top.
    Tax,
    /// Taken off the price.
    Discount,
    /// Already paid: not part of what the work costs.
    Deposit,
    /// Left to pay: the total unless something was paid before.
    Due,
    /// Carried between pages: counts for nothing.
    Carried,
}

struct Row {
    cells: Vec<Cell>,
    page: usize,
    middle: f32,
    height: f32,
}

struct Cell {
    text: String,
    amount: Option<Amount>,
    at: usize,
    left: f32,
    right: f32,
    confidence: f32,
    label: bool,
}

impl Bill {
    /// Reads the bill out of a document's pieces. What is worded as a label may yet be sold ("Telephone"): such a row is a line
    /// of the bill where the lines come to the total with it and not without.
    pub fn read(pieces: &[Piece]) -> Self {
        let rows = rows(pieces);
        let agrees = |bill: &Self| bill.total().is_some_and(|(_, agreement)| agreement == Agreement::Agrees);
        let without = Self::of_rows(&rows, false);
        if agrees(&without) {
            return without;
        }
        let with = Self::of_rows(&rows, true);
        if agrees(&with) { with } else { without }
    }

    fn of_rows(rows: &[Row], labels_too: bool) -> Self {
        let mut bill = Self::default();
        let header = rows.iter().position(is_header);
        let Some(column) = amount_column(rows) else { return bill };
        for row in rows.iter().skip(header.map_or(0, |at| at + 1)) {
            let Some((cell, amount)) = amount_of(row, column) else {
                bill.continue_description(row);
                continue;
            };
            let text = row
                .cells
                .iter()
                .filter(|cell| cell.amount.is_none() && is_words(&cell.text))
                .map(|cell| cell.text.as_str())
                .collect::<Vec<_>>()
                .join(" ");
            let used = distinct(row);
            let confidence = row.cells.iter().map(|cell| cell.confidence).fold(1.0, f32::min);
            if let Some(kind) = sum_kind(&text) {
                let mut pieces = used;
                pieces.retain(|at| *at != cell.at);
                pieces.push(cell.at);
                bill.sums.push(Sum { kind, cents: amount.cents, fit: amount.fit, pieces });
            } else if bill.sums.iter().all(|sum| matches!(sum.kind, SumKind::Carried | SumKind::Subtotal))
                && !row.cells.iter().any(|cell| cell.label && (!labels_too || cell.text.ends_with(':')))
                && is_words(&text)
            {
                bill.items.push(item(row, cell, amount, text, confidence));
            }
        }
        bill
    }

    /// A row of words right under an item, in its column, goes on describing it.
    fn continue_description(&mut self, row: &Row) {
        let Some(first) = row.cells.first() else { return };
        let Some(item) = self.items.last_mut() else { return };
        let close = row.page == item.page && row.middle - item.middle < 1.55 * row.height && row.middle > item.middle;
        let words = is_words(&first.text) && !first.label && sum_kind(&first.text).is_none();
        if close && words && row.cells.len() == 1 && (first.left - item.left).abs() < row.height && self.sums.is_empty()
        {
            item.description = format!("{} {}", item.description, first.text);
            item.pieces.push(first.at);
            item.middle = row.middle;
        }
    }

    /// The total: where several amounts could be it, the one that the lines add up to.
    pub fn total(&self) -> Option<(&Sum, Agreement)> {
        let of = |kind: SumKind| self.sums.iter().filter(move |sum| sum.kind == kind);
        let paid = of(SumKind::Deposit).next().is_some();
        let candidates: Vec<&Sum> = of(SumKind::Total).chain(of(SumKind::Due).filter(|_| !paid)).collect();
        let mut judged = candidates.iter().map(|sum| (*sum, self.agreement(sum.cents)));
        judged.clone().find(|(_, agreement)| *agreement == Agreement::Agrees).or_else(|| judged.next_back())
    }

    /// Whether the lines, with tax and less deductions, come to `total`.
    pub fn agreement(&self, total: i64) -> Agreement {
        if self.items.is_empty() {
            return Agreement::Unknown;
        }
        let lines: i64 = self.items.iter().map(|item| item.amount).sum();
        let sum_of =
            |kind: SumKind| self.sums.iter().filter(|sum| sum.kind == kind).map(|sum| sum.cents.abs()).sum::<i64>();
        let (tax, discount) = (sum_of(SumKind::Tax), sum_of(SumKind::Discount));
        let slack = 1 + self.items.len() as i64 / 4;
        let agrees = [lines, lines + tax, lines - discount, lines + tax - discount]
            .iter()
            .any(|sum| (sum - total).abs() <= slack);
        if agrees { Agreement::Agrees } else { Agreement::Contradicts }
    }

    /// The lines as JSON.
    pub fn value(&self) -> Value {
        let cents = |value: i64| Amount { cents: value, fit: 1.0, explicit: true }.value();
        let rows = self.items.iter().map(|item| {
            let mut row = Map::new();
            row.insert("description".to_owned(), Value::from(item.description.clone()));
            if let Some(quantity) = item.quantity {
                row.insert("quantity".to_owned(), Value::from(quantity));
            }
            if let Some(price) = item.unit_price {
                row.insert("unit_price".to_owned(), cents(price));
            }
            row.insert("amount".to_owned(), cents(item.amount));
            Value::Object(row)
        });
        Value::Array(rows.collect())
    }
}

/// Whether the lines come to a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They do.
    Agrees,
    /// They do not: a line or the total was misread, or the paper is wrong.
    Contradicts,
    /// There are no lines to add up.
    Unknown,
}

fn rows(pieces: &[Piece]) -> Vec<Row> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    let key = |at: &usize| pieces.get(*at).map_or((0, 0.0), |piece| (piece.page, piece.middle));
    order.sort_by(|a, b| {
        let (first, second) = (key(a), key(b));
        first.0.cmp(&second.0).then(first.1.total_cmp(&second.1))
    });
    let mut rows: Vec<Row> = Vec::new();
    for at in order {
        let Some(piece) = pieces.get(at) else { continue };
        let same = rows.last().is_some_and(|row| {
            row.page == piece.page && (piece.middle - row.middle).abs() < 0.5 * piece.height.min(row.height)
        });
        if !same {
            rows.push(Row { cells: Vec::new(), page: piece.page, middle: piece.middle, height: piece.height });
        }
        if let Some(row) = rows.last_mut() {
            let count = row.cells.len() as f32;
            row.middle = (row.middle * count + piece.middle) / (count + 1.0);
            row.cells.extend(cells(piece, at));
        }
    }
    for row in &mut rows {
        row.cells.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows
}

/// A piece is one cell, or two where an amount stands at the end of its words.
fn cells(piece: &Piece, at: usize) -> Vec<Cell> {
    let cell = |text: &str, amount: Option<Amount>, left: f32, label: bool| Cell {
        text: text.to_owned(),
        amount,
        at,
        left,
        right: piece.right,
        confidence: piece.confidence,
        label,
    };
    // The label of a sum belongs to the bill; that of any other field does not.
    let label = piece.role != Role::Text && sum_kind(&piece.text).is_none();
    let single = amount(&piece.text);
    if single.is_none()
        && let Some(several) = amounts(&piece.text)
    {
        let width = (piece.right - piece.left) / several.len() as f32;
        let place = |index: usize| piece.left + width * index as f32;
        let cells = several.into_iter().enumerate().map(|(index, amount)| Cell {
            right: place(index + 1),
            ..cell(&piece.text, Some(amount), place(index), false)
        });
        return cells.collect();
    }
    if piece.role == Role::Text
        && let Some((text, amount)) = amount_at_end(&piece.text)
    {
        return vec![cell(text, None, piece.left, false), cell(&piece.text, Some(amount), piece.right, false)];
    }
    vec![cell(&piece.text, single, piece.left, label)]
}

/// The pieces of a row; one piece may hold several cells.
fn distinct(row: &Row) -> Vec<usize> {
    let mut pieces: Vec<usize> = row.cells.iter().map(|cell| cell.at).collect();
    pieces.dedup();
    pieces
}

fn is_words(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).count() >= 2 && amount(text).is_none()
}

fn is_header(row: &Row) -> bool {
    const HEADS: &[&str] = &[
        "description",
        "item",
        "items",
        "details",
        "amount",
        "price",
        "unit price",
        "unit",
        "qty",
        "quantity",
        "total",
        "cost",
        "sum",
        "net",
        "line total",
        "work",
        "part",
        "parts",
        "service",
        "rate",
        "hours",
        "value",
        "pos",
        "no",
        "each",
        "beschreibung",
        "menge",
        "preis",
        "betrag",
        "ref",
        "code",
        "description of work",
        "work required",
        "amount eur",
        "price eur",
        "total eur",
        "cost eur",
        "unit cost",
        "item description",
    ];
    let known = row.cells.iter().filter(|cell| HEADS.contains(&plain(&cell.text).as_str())).count();
    row.cells.len() >= 2 && known >= 2 && row.cells.iter().all(|cell| cell.amount.is_none())
}

/// The right edge of the column of amounts: the one that most rows share, the rightmost of equals.
fn amount_column(rows: &[Row]) -> Option<(f32, f32)> {
    let edges: Vec<(f32, f32)> = rows
        .iter()
        .filter_map(|row| {
            let cell = row.cells.iter().rev().find(|cell| cell.amount.is_some_and(|amount| amount.explicit))?;
            Some((cell.right, row.height))
        })
        .collect();
    let votes = |edge: f32, height: f32| edges.iter().filter(|(other, _)| (other - edge).abs() < 2.0 * height).count();
    edges.iter().copied().max_by(|a, b| votes(a.0, a.1).cmp(&votes(b.0, b.1)).then(a.0.total_cmp(&b.0)))
}

fn amount_of(row: &Row, (edge, height): (f32, f32)) -> Option<(&Cell, Amount)> {
    let cell = row.cells.iter().rev().find(|cell| cell.amount.is_some() && (cell.right - edge).abs() < 3.5 * height)?;
    cell.amount.map(|amount| (cell, amount))
}

fn item(row: &Row, last: &Cell, amount: Amount, text: String, confidence: f32) -> Item {
    let others: Vec<&Amount> =
        row.cells.iter().filter(|cell| !std::ptr::eq(*cell, last)).filter_map(|cell| cell.amount.as_ref()).collect();
    let unit_price = others.iter().rev().find(|other| other.explicit).map(|other| other.cents);
    // Of the bare numbers that one is the quantity which, times the price, gives the amount; a line number does not.
    let counts: Vec<f64> =
        others.iter().filter(|other| !other.explicit).map(|other| other.cents as f64 / 100.0).collect();
    let quantity = match unit_price {
        Some(price) => counts.iter().copied().find(|count| (count * price as f64 - amount.cents as f64).abs() <= 1.0),
        None => None,
    };
    Item {
        description: description(&text),
        quantity,
        unit_price,
        amount: amount.cents,
        confidence,
        pieces: distinct(row),
        left: row.cells.iter().find(|cell| is_words(&cell.text)).map_or(0.0, |cell| cell.left),
        middle: row.middle,
        page: row.page,
    }
}

/// Without a leading line number or bullet and without dots that lead to the amount.
fn description(text: &str) -> String {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = rest.len() < text.len() && rest.starts_with(['.', ')']);
    let bare = if numbered { rest } else { text };
    bare.trim_start_matches(|c: char| !c.is_alphanumeric()).trim_end_matches(['.', '…', '_', ' ', ':', '-']).to_owned()
}

/// What a row's words make of its amount; `None` for a line of the bill.
fn sum_kind(text: &str) -> Option<SumKind> {
    let plain = plain(text);
    let words: Vec<&str> = plain.split(' ').collect();
    let has = |any: &[&str]| words.iter().any(|word| any.contains(word));
    let phrase = |any: &[&str]| any.iter().any(|phrase| format!(" {plain} ").contains(&format!(" {phrase} ")));
    let tax = has(&["vat", "tax", "gst", "mwst", "ust", "tva", "iva"]);
    if words.len() > 6 {
        return None;
    }
    if phrase(&["carried forward", "brought forward", "carried over", "c f", "b f"]) {
        return Some(SumKind::Carried);
    }
    if phrase(&["sub total"]) || has(&["subtotal", "zwischensumme", "subt0tal"]) {
        return Some(SumKind::Subtotal);
    }
    if phrase(&["balance due", "amount due", "balance", "left to pay", "remaining"]) {
        return Some(SumKind::Due);
    }
    if has(&["total", "t0tal", "totai", "gesamt", "gesamtbetrag", "summe"])
        || phrase(&[
            "amount payable",
            "to pay",
            "amount to pay",
            "sum payable",
            "estimate value",
            "overall cost",
            "overall",
            "all in",
        ])
    {
        if has(&["excl", "excluding", "before", "net", "ex", "without", "exc", "parts", "labour", "labor", "materials"])
        {
            return Some(SumKind::Subtotal);
        }
        let inclusive = has(&["incl", "including", "inc", "with", "gross", "grand"]);
        return Some(if tax && !inclusive { SumKind::Tax } else { SumKind::Total });
    }
    if tax {
        return Some(SumKind::Tax);
    }
    if phrase(&["gross", "gross amount", "gross price", "gross sum"]) && words.len() <= 3 {
        return Some(SumKind::Total);
    }
    if has(&["deposit", "prepaid", "anzahlung"]) || phrase(&["paid", "already paid", "advance payment"]) {
        return Some(SumKind::Deposit);
    }
    if has(&["discount", "rebate", "rabatt"]) {
        return Some(SumKind::Discount);
    }
    if phrase(&["net", "net amount", "net price", "net total"]) && words.len() <= 3 {
        return Some(SumKind::Subtotal);
    }
    None
}
