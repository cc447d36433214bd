//! Zero-shot classification by similarity: the label whose description lies nearest to the text.

use serde::Serialize;

/// Cosines of sentence embeddings lie close together; this spreads them before they are turned into shares.
const SHARPNESS: f32 = 20.0;

/// A label with its share of the certainty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The label.
    pub name: String,
    /// Cosine similarity of text and label, -1 to 1.
    pub similarity: f32,
    /// Share among the labels, 0 to 1; all shares together are 1.
    pub score: f32,
}

/// The outcome, best label first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// The best label.
    pub label: String,
    /// Its share.
    pub score: f32,
    /// Every label.
    pub scores: Vec<Score>,
}

/// Ranks labels by their unit vectors against the text's. `None` without labels.
pub fn classify(text: &[f32], labels: Vec<(String, Vec<f32>)>) -> Option<Classification> {
    let mut scores: Vec<Score> =
        labels.into_iter().map(|(name, vector)| Score { name, similarity: dot(text, &vector), score: 0.0 }).collect();
    scores.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    let best = scores.first()?.similarity;
    let weight = |similarity: f32| ((similarity - best) * SHARPNESS).exp();
    let total: f32 = scores.iter().map(|score| weight(score.similarity)).sum();
    for score in &mut scores {
        score.score = weight(score.similarity) / total;
    }
    let first = scores.first()?;
    Some(Classification { label: first.name.clone(), score: first.score, scores })
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_label_wins_and_shares_add_up() {
        let labels = vec![("far".to_owned(), vec![0.0, 1.0]), ("near".to_owned(), vec![1.0, 0.0])];
        let outcome = classify(&[0.8, 0.6], labels);
        let shares: f32 = outcome.iter().flat_map(|c| &c.scores).map(|s| s.score).sum();
        assert_eq!(outcome.map(|c| c.label), Some("near".to_owned()));
        assert!((shares - 1.0).abs() < 1e-5, "{shares}");
    }

    #[test]
    fn without_labels_there_is_no_outcome() {
        assert_eq!(classify(&[1.0], Vec::new()), None);
    }
}
