//! BM25 over the chunks that a search may see (Robertson and Zaragoza 2009, k1 1.2, b 0.75). The statistics are those of
//! the candidates, so that what a caller may not see does not change what it finds.

use std::collections::BTreeMap;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization as _;

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// English words that say nothing of what a text is about.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "for", "from", "had", "has", "have", "he", "her",
    "his", "i", "if", "in", "into", "is", "it", "its", "me", "my", "no", "not", "of", "on", "or", "our", "she", "so",
    "such", "that", "the", "their", "them", "then", "there", "these", "they", "this", "to", "us", "was", "we", "were",
    "when", "which", "while", "will", "with", "you", "your",
];

/// How often each term occurs in a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// Ordered, so that sums of fractions come out the same each time.
    counts: BTreeMap<String, u32>,
    length: u32,
}

impl Terms {
    /// The stemmed terms of a text, without stop words.
    pub fn of(text: &str) -> Self {
        let stemmer = Stemmer::create(Algorithm::English);
        let mut terms = Self::default();
        let folded = text.nfkc().flat_map(char::to_lowercase).collect::<String>();
        for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            if !STOP_WORDS.contains(&word) {
                *terms.counts.entry(stemmer.stem(word).into_owned()).or_default() += 1;
                terms.length += 1;
            }
        }
        terms
    }
}

/// The score of each candidate for a query, in their order.
pub fn bm25(query: &Terms, candidates: &[&Terms]) -> Vec<f32> {
    let count = candidates.len() as f32;
    let mean_length = candidates.iter().map(|terms| terms.length as f32).sum::<f32>() / count.max(1.0);
    let mut scores = vec![0.0; candidates.len()];
    for term in query.counts.keys() {
        let containing = candidates.iter().filter(|terms| terms.counts.contains_key(term)).count() as f32;
        if containing == 0.0 {
            continue;
        }
        let rarity = (1.0 + (count - containing + 0.5) / (containing + 0.5)).ln();
        for (score, terms) in scores.iter_mut().zip(candidates) {
            let frequency = terms.counts.get(term).copied().unwrap_or(0) as f32;
            let length = terms.length as f32 / mean_length.max(1.0);
            *score += rarity * frequency * (K1 + 1.0) / (frequency + K1 * (1.0 - B + B * length));
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_terms_count_more_and_inflections_meet() {
        let texts = ["storms damage roofs", "the storm of damage", "damage, damage"].map(Terms::of);
        let candidates: Vec<&Terms> = texts.iter().collect();
        let scores = bm25(&Terms::of("a storm damaged the roof"), &candidates);
        let order = |i: usize| scores.get(i).copied().unwrap_or_default();
        assert!(order(0) > order(1) && order(1) > order(2) && order(2) > 0.0, "{scores:?}");
    }

    #[test]
    fn a_query_of_stop_words_finds_nothing() {
        let text = Terms::of("the storm");
        assert_eq!(bm25(&Terms::of("the of and"), &[&text]), [0.0]);
    }
}
