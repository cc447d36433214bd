//! The BERT network of MiniLM: embeddings, six layers, mean pooling, normalisation.

use tch::{Device, Kind, TchError, Tensor};

use super::super::ModelError;
use super::super::layers::{LayerNorm, Linear};
use super::super::weights::Weights;
use super::Config;

struct Layer {
    joint: Linear,
    attention_out: Linear,
    attention_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
    output_norm: LayerNorm,
}

impl Layer {
    fn take(weights: &mut Weights, config: &Config, index: i64) -> Result<Self, ModelError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let mut linear =
            |part: &str, outputs: i64, inputs: i64| Linear::take(weights, &name(&format!("{part}.")), outputs, inputs);
        let joint = [
            linear("attention.self.query", width, width)?,
            linear("attention.self.key", width, width)?,
            linear("attention.self.value", width, width)?,
        ];
        let attention_out = linear("attention.output.dense", width, width)?;
        let widen = linear("intermediate.dense", inner, width)?;
        let narrow = linear("output.dense", width, inner)?;
        Ok(Self {
            joint: Linear::stack(&joint)?,
            attention_out,
            attention_norm: norm(weights, config, &name("attention.output.LayerNorm"))?,
            widen,
            narrow,
            output_norm: norm(weights, config, &name("output.LayerNorm"))?,
        })
    }
}

fn norm(weights: &mut Weights, config: &Config, prefix: &str) -> Result<LayerNorm, ModelError> {
    let names = (format!("{prefix}.weight"), format!("{prefix}.bias"));
    LayerNorm::take(weights, (&names.0, &names.1), config.hidden_size, config.layer_norm_eps)
}

pub(super) struct Encoder {
    words: Tensor,
    /// Position embeddings with the embedding of segment 0 added: there is only one segment.
    positions: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    heads: i64,
    width: i64,
    device: Device,
}

impl Encoder {
    pub(super) fn take(weights: &mut Weights, config: &Config, device: Device) -> Result<Self, ModelError> {
        let width = config.hidden_size;
        let words = weights.take("embeddings.word_embeddings.weight", &[config.vocab_size, width])?;
        let positions =
            weights.take("embeddings.position_embeddings.weight", &[config.max_position_embeddings, width])?;
        let segments = weights.take("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width])?;
        Ok(Self {
            words,
            positions: positions.f_add(&segments.f_get(0)?)?,
            norm: norm(weights, config, "embeddings.LayerNorm")?,
            layers: (0..config.num_hidden_layers)
                .map(|index| Layer::take(weights, config, index))
                .collect::<Result<_, _>>()?,
            heads: config.num_attention_heads,
            width,
            device,
        })
    }

    pub(super) fn width(&self) -> usize {
        usize::try_from(self.width).unwrap_or(0)
    }

    /// One unit vector per sequence. The first sequence must be the longest; none may be empty.
    pub(super) fn embed(&self, sequences: &[&[i64]]) -> Result<Vec<Vec<f32>>, TchError> {
        let longest = sequences.first().map_or(0, |sequence| sequence.len());
        let mut ids = Vec::with_capacity(longest * sequences.len());
        let mut present = Vec::with_capacity(longest * sequences.len());
        for sequence in sequences {
            let padding = longest.saturating_sub(sequence.len());
            ids.extend_from_slice(sequence);
            ids.extend(std::iter::repeat_n(0, padding));
            present.extend(std::iter::repeat_n(true, sequence.len()));
            present.extend(std::iter::repeat_n(false, padding));
        }
        let shape = [sequences.len() as i64, longest as i64];
        let ids = Tensor::f_from_slice(&ids)?.f_to_device(self.device)?;
        let padded = present.contains(&false);
        let present = Tensor::f_from_slice(&present)?.f_view(shape)?.f_to_device(self.device)?;
        let hidden = self.forward(&ids, shape, padded.then_some(&present))?;
        let weights = present.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?;
        let pooled = hidden
            .f_mul(&weights)?
            .f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)?
            .f_div(&weights.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)?)?;
        let length = pooled.f_norm_scalaropt_dim(2, [1_i64].as_slice(), true)?.f_clamp_min(1e-12)?;
        Vec::<Vec<f32>>::try_from(pooled.f_div(&length)?)
    }

    fn forward(&self, ids: &Tensor, [batch, length]: [i64; 2], present: Option<&Tensor>) -> Result<Tensor, TchError> {
        let mask = present
            .map(|present| present.f_view([batch, 1, 1, length])?.f_expand([batch, 1, length, length], false))
            .transpose()?;
        let head_width = self.width / self.heads;
        let hidden = self
            .words
            .f_index_select(0, ids)?
            .f_view([batch, length, self.width])?
            .f_add(&self.positions.f_narrow(0, 0, length)?)?;
        let mut hidden = self.norm.forward(&hidden)?;
        for layer in &self.layers {
            let joint = layer
                .joint
                .forward(&hidden)?
                .f_view([batch, length, 3, self.heads, head_width])?
                .f_permute([2, 0, 3, 1, 4])?;
            let attended = Tensor::f_scaled_dot_product_attention(
                &joint.f_get(0)?,
                &joint.f_get(1)?,
                &joint.f_get(2)?,
                mask.as_ref(),
                0.0,
                false,
                None,
                false,
            )?
            .f_transpose(1, 2)?
            .f_reshape([batch, length, self.width])?;
            let attended = layer.attention_out.forward(&attended)?.f_add_(&hidden)?;
            let attended = layer.attention_norm.forward(&attended)?;
            let widened = layer.widen.forward(&attended)?.f_gelu("none")?;
            let narrowed = layer.narrow.forward(&widened)?.f_add_(&attended)?;
            hidden = layer.output_norm.forward(&narrowed)?;
        }
        Ok(hidden)
    }
}
