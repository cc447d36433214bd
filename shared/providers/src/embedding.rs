//! Embeddings as they are wanted here: one for each text, all of one length, each of unit length.

use orrery_errors::Error;
use orrery_proto::v1::{EmbedInput, EmbedOutput, ModelOutput, Usage, model_output};

use crate::failure::broken;
use crate::{Answer, Order, Quota, estimate};

/// The answer that these vectors make; `input_tokens` where the vendor counts.
pub(crate) fn answer(
    provider: &str,
    order: &Order,
    input: &EmbedInput,
    vectors: Vec<Vec<f32>>,
    input_tokens: Option<u64>,
    quota: Option<Quota>,
) -> Result<Answer, Error> {
    let (texts, embedded) = (input.texts.len(), vectors.len());
    let dimensions = vectors.first().map_or(0, Vec::len);
    if embedded != texts || dimensions == 0 || vectors.iter().any(|vector| vector.len() != dimensions) {
        return Err(broken(provider, format!("it gave {embedded} embeddings of one length for {texts} texts")));
    }
    let values: Vec<f32> = vectors.into_iter().flat_map(unit_length).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(broken(provider, "an embedding holds what is no number"));
    }
    let output = EmbedOutput { dimensions: u32::try_from(dimensions).unwrap_or(u32::MAX), values };
    let bytes = input.texts.iter().map(String::len).sum();
    let usage = match input_tokens {
        Some(input_tokens) => Usage { input_tokens, ..Usage::default() },
        None => estimate::texts(bytes, 0),
    };
    let models = vec![estimate::identity(provider, order, String::new())];
    Ok(Answer { output: ModelOutput { kind: Some(model_output::Kind::Embed(output)) }, models, usage, quota })
}

/// Embeddings are unit length throughout the system; not every server sees to it.
pub(crate) fn unit_length(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
    vector
}
