//! all-MiniLM-L6-v2: texts to unit vectors whose dot product is their similarity.
//!
//! Follows sentence-transformers: at most 256 tokens of a text count, token vectors are averaged and normalised.

mod batches;
mod encoder;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::Device;
use tokenizers::{Tokenizer, TruncationParams};

use self::batches::plan;
use self::encoder::Encoder;
use super::ModelError;
use super::device::without_gradients;
use super::error::read_file;
use super::weights::Weights;

/// Tokens of one text that count, its two frame tokens included (`sentence_bert_config.json`).
const TOKENS_MAX: usize = 256;

/// The files of the model.
#[derive(Debug, Clone)]
pub struct MiniLmFiles {
    pub weights: PathBuf,
    pub tokenizer: PathBuf,
    pub config: PathBuf,
}

/// The published `config.json`, as far as it shapes the network.
#[derive(Debug, Clone, Deserialize)]
struct Config {
    hidden_size: i64,
    intermediate_size: i64,
    layer_norm_eps: f64,
    max_position_embeddings: i64,
    num_attention_heads: i64,
    num_hidden_layers: i64,
    type_vocab_size: i64,
    vocab_size: i64,
}

impl Config {
    fn read(path: &Path) -> Result<Self, ModelError> {
        let config: Self =
            serde_json::from_slice(&read_file(path)?).map_err(|error| ModelError::corrupt(path, error.to_string()))?;
        let sensible = (1..=1 << 14).contains(&config.hidden_size)
            && config.num_attention_heads > 0
            && config.hidden_size % config.num_attention_heads == 0
            && (1..=1 << 10).contains(&config.num_hidden_layers)
            && config.max_position_embeddings >= TOKENS_MAX as i64;
        if !sensible {
            return Err(ModelError::corrupt(path, "its sizes do not fit together"));
        }
        Ok(config)
    }
}

/// Vectors in the order of the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    pub vectors: Vec<Vec<f32>>,
    /// Tokens read, frame tokens included, padding not.
    pub tokens: usize,
    /// Indices of texts of which the end was not read.
    pub truncated: Vec<usize>,
}

/// A loaded model.
pub struct MiniLm {
    encoder: Encoder,
    tokenizer: Tokenizer,
}

impl std::fmt::Debug for MiniLm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MiniLm").field("dimension", &self.dimension()).finish_non_exhaustive()
    }
}

impl MiniLm {
    /// Loads weights, tokenizer and configuration.
    ///
    /// # Errors
    /// When a file cannot be read, is malformed, or does not fit the others.
    pub fn load(files: &MiniLmFiles, device: Device) -> Result<Self, ModelError> {
        let config = Config::read(&files.config)?;
        let mut tokenizer = Tokenizer::from_bytes(read_file(&files.tokenizer)?)
            .map_err(|error| ModelError::corrupt(&files.tokenizer, error.to_string()))?;
        let vocabulary = i64::try_from(tokenizer.get_vocab_size(true)).unwrap_or(i64::MAX);
        if vocabulary > config.vocab_size {
            return Err(ModelError::corrupt(
                &files.tokenizer,
                format!("it has {vocabulary} tokens, the model {}", config.vocab_size),
            ));
        }
        // The file's own settings (128 tokens, padded) are those of the model's training, not of its use.
        let truncation = TruncationParams { max_length: TOKENS_MAX, ..TruncationParams::default() };
        tokenizer.with_padding(None);
        tokenizer.with_truncation(Some(truncation)).map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        let encoder = without_gradients(|| {
            Encoder::take(&mut Weights::from_safetensors(&files.weights, device)?, &config, device)
        })?;
        Ok(Self { encoder, tokenizer })
    }

    /// Numbers in one vector.
    pub fn dimension(&self) -> usize {
        self.encoder.width()
    }

    /// Embeds texts. Long inputs are worked off in batches of bounded size, similar lengths together.
    ///
    /// # Errors
    /// When the tokenizer or libtorch fails.
    pub fn embed(&self, texts: &[&str]) -> Result<Embeddings, ModelError> {
        let mut sequences = Vec::with_capacity(texts.len());
        let mut truncated = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let encoding =
                self.tokenizer.encode_fast(*text, true).map_err(|error| ModelError::Tokenizer(error.to_string()))?;
            if !encoding.get_overflowing().is_empty() {
                truncated.push(index);
            }
            sequences.push(encoding.get_ids().iter().map(|&id| id.into()).collect::<Vec<i64>>());
        }
        let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
        let mut vectors = vec![Vec::new(); texts.len()];
        for batch in plan(&lengths) {
            let members: Vec<&[i64]> =
                batch.iter().filter_map(|&index| sequences.get(index).map(Vec::as_slice)).collect();
            let rows = without_gradients(|| self.encoder.embed(&members))?;
            for (&index, row) in batch.iter().zip(rows) {
                if let Some(vector) = vectors.get_mut(index) {
                    *vector = row;
                }
            }
        }
        Ok(Embeddings { vectors, tokens: lengths.iter().sum(), truncated })
    }
}
