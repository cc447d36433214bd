//! Comparing the wording of labels: case, accents, abbreviations, fillers and small reading errors make no difference.
//! Pure text; it knows nothing of places on a page.

use unicode_normalization::UnicodeNormalization;

/// A label reduced to the words that carry its sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    tokens: Vec<String>,
    /// The tokens without spaces, for text in which the reader lost them.
    joined: String,
    /// How often each letter and digit occurs: two texts whose letters differ much cannot be spelled alike.
    letters: [u8; 36],
}

/// Changes, in tenths of the length, beyond which spellings are not compared.
const SPELLING_CHANGES_TENTHS: usize = 3;

/// Fewest letters of words whose spellings are compared; shorter ones must be the same.
const SPELLED_MIN: usize = 6;

const FILLERS: &[&str] = &[
    "the",
    "your",
    "of",
    "a",
    "an",
    "please",
    "enter",
    "full",
    "in",
    "for",
    "to",
    "eur",
    "euro",
    "euros",
    "gbp",
    "usd",
    "chf",
    "s",
    "if",
    "any",
    "applicable",
    "required",
    "block",
    "capitals",
    "print",
];

fn expand(token: &str) -> &str {
    match token {
        "no" | "nr" | "num" | "nbr" | "n" => "number",
        "tel" | "phone" | "telephone" | "mobile" => "telephone",
        "amt" => "amount",
        "reg" | "regn" => "registration",
        "ref" => "reference",
        "est" => "estimate",
        "qty" => "quantity",
        "desc" => "description",
        other => other,
    }
}

/// Lower case, no accents, letters and digits only, single spaces.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd() {
        if ('\u{300}'..='\u{36f}').contains(&c) || c == '\'' || c == '’' {
            continue;
        }
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if c == '#' {
            out.push_str(" number ");
        } else if !out.ends_with(' ') && !out.is_empty() {
            out.push(' ');
        }
    }
    out.trim_end().to_owned()
}

impl Wording {
    /// Reads a label, leaving out what stands in brackets and a leading number.
    pub fn new(label: &str) -> Self {
        let mut bare = String::with_capacity(label.len());
        let mut depth = 0_u32;
        for c in label.chars() {
            match c {
                '(' | '[' => {
                    depth += 1;
                    bare.push(' ');
                }
                ')' | ']' => depth = depth.saturating_sub(1),
                _ if depth == 0 => bare.push(c),
                _ => {}
            }
        }
        let text = plain(&bare);
        let mut tokens: Vec<String> = text.split(' ').filter(|token| !token.is_empty()).map(str::to_owned).collect();
        let numbered =
            tokens.first().is_some_and(|first| first.len() <= 2 && first.chars().all(|c| c.is_ascii_digit()));
        if numbered && tokens.len() > 1 {
            tokens.remove(0);
        }
        let kept: Vec<String> = tokens
            .iter()
            .filter(|token| !FILLERS.contains(&token.as_str()))
            .map(|token| expand(token).to_owned())
            .collect();
        let tokens = if kept.is_empty() { tokens } else { kept };
        let joined = tokens.concat();
        let mut letters = [0_u8; 36];
        for digit in joined.chars().filter_map(|c| c.to_digit(36)) {
            if let Some(count) = letters.get_mut(digit as usize) {
                *count = count.saturating_add(1);
            }
        }
        Self { joined, tokens, letters }
    }

    /// Whether a text breaks off before its sense is whole: "Name of" goes on.
    pub fn is_open(text: &str) -> bool {
        let last = text.split_whitespace().next_back().unwrap_or_default();
        ["of", "for", "the", "your", "a", "an", "in", "by", "on"].contains(&last.to_lowercase().as_str())
    }

    /// Whether no word is left.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// How many words carry sense.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// 0 to 1: the better of spelling distance and shared words. 1 means the same wording.
    pub fn similarity(&self, other: &Self) -> f32 {
        if self.is_empty() || other.is_empty() {
            return 0.0;
        }
        if self.joined == other.joined {
            return 1.0;
        }
        let long = self.joined.len().max(other.joined.len());
        let differing: usize = self.letters.iter().zip(&other.letters).map(|(a, b)| usize::from(a.abs_diff(*b))).sum();
        // One change of spelling alters at most two of the counts.
        // As many words on both sides are compared word by word; letters only where the reader lost or made a space.
        let words = self.tokens.len();
        let comparable =
            self.joined.len().min(other.joined.len()) >= SPELLED_MIN && (words == 1 || words != other.tokens.len());
        let spelled = if comparable && differing * 10 <= long * 2 * SPELLING_CHANGES_TENTHS {
            strsim::normalized_damerau_levenshtein(&self.joined, &other.joined) as f32
        } else {
            0.0
        };
        spelled.max(self.shared(other))
    }

    fn shared(&self, other: &Self) -> f32 {
        let (mut used, mut matched) = (0_u64, 0.0_f32);
        for token in &self.tokens {
            let found = other
                .tokens
                .iter()
                .take(64)
                .enumerate()
                .find(|(at, word)| used & (1 << at) == 0 && same_word(token, word));
            if let Some((at, _)) = found {
                used |= 1 << at;
                matched += weight(token);
            }
        }
        if matched == 0.0 {
            return 0.0;
        }
        let all: f32 = self.tokens.iter().chain(&other.tokens).map(weight).sum();
        // Word order carries little sense in labels, but some: a hair below the same wording.
        0.98 * 2.0 * matched / all
    }
}

/// "Policy" and "policy number" mean nearly the same; "number" alone says little.
fn weight(token: impl AsRef<str>) -> f32 {
    if matches!(token.as_ref(), "number" | "reference" | "id") { 0.4 } else { 1.0 }
}

/// Whether two words differ by a reading error at most: one letter in six to nine, two in more.
fn same_word(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let long = a.len().max(b.len());
    // Short words are too near to other words: "plane" is not "place", nor "over" "cover".
    if a.len().min(b.len()) < SPELLED_MIN || a.len().abs_diff(b.len()) > 2 {
        return false;
    }
    // One change leaves all letters before and after it in place: cheap to see, and it settles nearly every pair.
    let head = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let tail = a.bytes().rev().zip(b.bytes().rev()).take_while(|(x, y)| x == y).count();
    let kept = if long < 10 { long - 2 } else { long / 2 };
    head + tail >= kept && strsim::normalized_damerau_levenshtein(a, b) >= 0.8
}
