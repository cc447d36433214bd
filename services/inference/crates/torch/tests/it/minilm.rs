//! Embeddings against those of sentence-transformers.

use orrery_torch::ModelError;
use orrery_torch::minilm::MiniLm;
use serde::Deserialize;

use crate::models::{fixture, minilm, minilm_files};

/// `SentenceTransformer(...).encode(text, normalize_embeddings=True)` of release 6.2 for each text.
#[derive(Deserialize)]
struct Published {
    text: String,
    vector: Vec<f32>,
}

fn published() -> Vec<Published> {
    fixture("minilm.json")
}

fn largest_difference(own: &[f32], published: &[f32]) -> f32 {
    assert_eq!(own.len(), published.len());
    own.iter().zip(published).map(|(own, published)| (own - published).abs()).fold(0.0, f32::max)
}

#[test]
fn vectors_are_within_1e_5_of_the_published_implementation() {
    let published = published();
    let texts: Vec<&str> = published.iter().map(|text| text.text.as_str()).collect();
    let embeddings = minilm().embed(&texts).unwrap();
    for (own, published) in embeddings.vectors.iter().zip(&published) {
        let difference = largest_difference(own, &published.vector);
        assert!(difference < 1e-5, "{difference} for {:.40}", published.text);
    }
    // Only the last one is longer than 256 tokens.
    assert_eq!(embeddings.truncated, [texts.len() - 1]);
}

#[test]
fn a_text_has_the_same_vector_alone_and_in_a_padded_batch() {
    let published = published();
    let text = published[0].text.as_str();
    let alone = minilm().embed(&[text]).unwrap();
    let longer = format!("{text} and a bit");
    let together = minilm().embed(&[longer.as_str(), text]).unwrap();
    assert!(largest_difference(&alone.vectors[0], &together.vectors[1]) < 1e-6);
}

#[test]
fn no_texts_have_no_vectors() {
    let nothing = minilm().embed(&[]).unwrap();
    assert!(nothing.vectors.is_empty() && nothing.tokens == 0);
}

#[test]
fn malformed_files_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = minilm_files();
    files.weights = folder.path().join("cut.safetensors");
    std::fs::write(&files.weights, &std::fs::read(minilm_files().weights).unwrap()[..5000]).unwrap();
    assert!(matches!(MiniLm::load(&files, tch::Device::Cpu), Err(ModelError::Corrupt { .. })));

    files.weights = folder.path().join("absent");
    assert!(matches!(MiniLm::load(&files, tch::Device::Cpu), Err(ModelError::Io { .. })));

    let mut files = minilm_files();
    files.config = folder.path().join("config.json");
    let config = std::fs::read_to_string(minilm_files().config).unwrap();
    std::fs::write(&files.config, config.replace("\"intermediate_size\": 1536", "\"intermediate_size\": 1024"))
        .unwrap();
    assert!(matches!(MiniLm::load(&files, tch::Device::Cpu), Err(ModelError::WrongShape { .. })));
}
