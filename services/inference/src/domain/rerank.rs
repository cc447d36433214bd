//! Ranking documents by their similarity to a query.

/// A document with its relevance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its place among the documents as they were sent.
    pub index: usize,
    /// The cosine of the two vectors, moved from -1..1 to 0..1. It orders the documents of one query; it is no probability.
    pub score: f32,
}

/// Ranks unit vectors of documents against the query's, best first, the earlier one first among equals. `top` of them
/// are kept; 0 keeps all.
pub fn rerank(query: &[f32], documents: &[Vec<f32>], top: usize) -> Vec<Ranked> {
    let score = |document: &Vec<f32>| {
        let cosine: f32 = query.iter().zip(document).map(|(a, b)| a * b).sum();
        f32::midpoint(cosine, 1.0).clamp(0.0, 1.0)
    };
    let mut ranked: Vec<Ranked> =
        documents.iter().enumerate().map(|(index, document)| Ranked { index, score: score(document) }).collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    if top > 0 {
        ranked.truncate(top);
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_comes_first_and_scores_lie_between_nought_and_one() {
        let documents = [vec![-1.0, 0.0], vec![0.6, 0.8], vec![1.0, 0.0], vec![0.6, -0.8]];
        let ranked = rerank(&[1.0, 0.0], &documents, 0);
        assert_eq!(ranked.iter().map(|it| it.index).collect::<Vec<_>>(), [2, 1, 3, 0]);
        assert_eq!(ranked.iter().map(|it| it.score).collect::<Vec<_>>(), [1.0, 0.8, 0.8, 0.0]);
    }

    #[test]
    fn only_the_best_are_kept_and_nothing_is_ranked_out_of_nothing() {
        let documents = [vec![0.0], vec![1.0]];
        assert_eq!(rerank(&[1.0], &documents, 1).iter().map(|it| it.index).collect::<Vec<_>>(), [1]);
        assert_eq!(rerank(&[1.0], &documents, 9).len(), 2);
        assert!(rerank(&[1.0], &[], 0).is_empty());
    }
}
