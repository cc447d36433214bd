//! What of a chunk is embedded. Texts of one kind repeat phrases from clause to clause ("we pay for damage caused by"),
//! which swamp what tells clauses apart. Phrases that recur across a document are left out of what is embedded; the text
//! that is cited stays whole.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::chunk::Chunk;

/// Words of a recurring phrase.
const PHRASE: usize = 3;
/// A phrase recurs when it is in this many chunks,
const CHUNKS_MIN: usize = 3;
/// and in one of so many.
const SHARE: usize = 10;

/// The two texts of a chunk that are embedded: a title says what a clause is about, its body how people tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Title and body.
    pub wording: String,
    /// Without the title; the same as the wording where there is none.
    pub body: String,
}

/// The passages of a document's chunks, in their order.
pub fn passages_of(chunks: &[Chunk]) -> Vec<Passage> {
    let recurring = recurring(chunks.iter().map(Chunk::wording));
    let passage = |chunk: &Chunk| Passage {
        wording: without(chunk.wording(), &recurring),
        body: without(chunk.body(), &recurring),
    };
    chunks.iter().map(passage).collect()
}

type Phrase = [String; PHRASE];

/// A word with its place in the text, and the sentence that it is in.
struct Word<'a> {
    text: &'a str,
    start: usize,
    sentence: usize,
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut start, mut sentence) = (None, 0);
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match start {
            None if c.is_alphanumeric() => start = Some(at),
            Some(begun) if !c.is_alphanumeric() => {
                words.extend(text.get(begun..at).map(|text| Word { text, start: begun, sentence }));
                start = None;
            }
            _ => {}
        }
        if matches!(c, '.' | ';' | ':' | '!' | '?' | '\n') {
            sentence += 1;
        }
    }
    words
}

/// The phrases of a text, each with the index of its first word. None reaches over the end of a sentence.
fn phrases<'a>(words: &'a [Word<'a>]) -> impl Iterator<Item = (usize, Phrase)> + 'a {
    words.windows(PHRASE).enumerate().filter_map(|(index, window)| {
        let [first, second, third] = window else { return None };
        let whole = first.sentence == third.sentence;
        whole.then(|| (index, [first, second, third].map(|word| word.text.to_lowercase())))
    })
}

fn recurring<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> HashSet<Phrase> {
    let enough = CHUNKS_MIN.max(texts.len() / SHARE);
    let mut counts: HashMap<Phrase, usize> = HashMap::new();
    for text in texts {
        let words = words(text);
        for phrase in phrases(&words).map(|(_, phrase)| phrase).collect::<BTreeSet<_>>() {
            *counts.entry(phrase).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, count)| *count >= enough).map(|(phrase, _)| phrase).collect()
}

/// The text without recurring phrases; all of it where nothing else would be left.
fn without(text: &str, recurring: &HashSet<Phrase>) -> String {
    let words = words(text);
    let dropped: HashSet<usize> = phrases(&words)
        .filter(|(_, phrase)| recurring.contains(phrase))
        .flat_map(|(index, _)| index..index + PHRASE)
        .collect();
    if dropped.is_empty() || dropped.len() == words.len() {
        return text.to_owned();
    }
    let mut rest = String::with_capacity(text.len());
    let mut end = 0;
    for (_, word) in words.iter().enumerate().filter(|(index, _)| dropped.contains(index)) {
        rest.push_str(text.get(end..word.start).unwrap_or_default());
        end = word.start + word.text.len();
    }
    rest.push_str(text.get(end..).unwrap_or_default());
    rest.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::chunk::chunks_of;
    use super::super::parse::{Format, parse};
    use super::*;

    fn passages(source: &str) -> Vec<Passage> {
        passages_of(&chunks_of(&parse(Format::Markdown, source)))
    }

    #[test]
    fn what_every_clause_says_is_left_out_of_what_is_embedded() {
        let source = "A-1 Fire. We pay for damage by fire.\nA-2 Theft. We pay for theft.\nA-3 Glass. Panes, and we pay for glass.\n";
        let found = passages(source);
        let wordings: Vec<_> = found.iter().map(|passage| passage.wording.as_str()).collect();
        assert_eq!(wordings, ["Fire. damage by fire.", "Theft. theft.", "Glass. Panes, and glass."]);
        assert_eq!(found.first().map(|passage| passage.body.as_str()), Some("damage by fire."));
    }

    #[test]
    fn a_text_of_nothing_else_and_a_phrase_over_two_sentences_stay() {
        let source = "A-1 We pay for.\nA-2 We pay for.\nA-3 We pay for.\nA-4 Here we. Pay for.\n";
        let wordings: Vec<_> = passages(source).into_iter().map(|passage| passage.wording).collect();
        assert_eq!(wordings, ["We pay for.", "We pay for.", "We pay for.", "Here we. Pay for."]);
    }
}
