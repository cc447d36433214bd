//! The encoder and decoder of Whisper by their CTranslate2 names, with the caches that make decoding cheap.

use std::path::Path;

use tch::{Device, Kind, TchError, Tensor};

use super::super::ModelError;
use super::super::layers::{LayerNorm, Linear};
use super::super::weights::Weights;
use super::ctranslate2::Model;
use super::mel::BANDS;

/// Frames of one window, 30 s.
pub(super) const WINDOW_FRAMES: usize = 3000;
/// Positions after the second convolution, which halves the rate.
const POSITIONS: i64 = 1500;
/// Tokens of one window, prompt included.
pub(super) const CONTEXT: i64 = 448;
/// Fixed by the architecture.
const HEAD_WIDTH: i64 = 64;
const EPSILON: f64 = 1e-5;

/// Sizes that follow from the file.
#[derive(Debug, Clone, Copy)]
struct Shape {
    width: i64,
    heads: i64,
}

impl Shape {
    /// `[batch, length, width]` to `[batch, heads, length, head width]`.
    fn split(self, rows: &Tensor) -> Result<Tensor, TchError> {
        rows.f_unflatten(-1, [self.heads, HEAD_WIDTH])?.f_transpose(1, 2)
    }

    /// The way back.
    fn join(self, heads: &Tensor) -> Result<Tensor, TchError> {
        heads.f_transpose(1, 2)?.f_flatten(-2, -1)
    }
}

fn layer_norm(weights: &mut Weights, prefix: &str, width: i64) -> Result<LayerNorm, ModelError> {
    let names = (format!("{prefix}/gamma"), format!("{prefix}/beta"));
    LayerNorm::take(weights, (&names.0, &names.1), width, EPSILON)
}

fn linear(weights: &mut Weights, prefix: &str, outputs: i64, inputs: i64) -> Result<Linear, ModelError> {
    Linear::take(weights, &format!("{prefix}/"), outputs, inputs)
}

fn attention(queries: &Tensor, keys: &Tensor, values: &Tensor) -> Result<Tensor, TchError> {
    Tensor::f_scaled_dot_product_attention(queries, keys, values, None::<&Tensor>, 0.0, false, None, false)
}

struct FeedForward {
    norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

impl FeedForward {
    fn take(weights: &mut Weights, prefix: &str, width: i64) -> Result<Self, ModelError> {
        Ok(Self {
            norm: layer_norm(weights, &format!("{prefix}/layer_norm"), width)?,
            widen: linear(weights, &format!("{prefix}/linear_0"), 4 * width, width)?,
            narrow: linear(weights, &format!("{prefix}/linear_1"), width, 4 * width)?,
        })
    }

    fn add_to(&self, hidden: &Tensor) -> Result<Tensor, TchError> {
        let widened = self.widen.forward(&self.norm.forward(hidden)?)?.f_gelu("none")?;
        self.narrow.forward(&widened)?.f_add_(hidden)
    }
}

struct SelfAttention {
    norm: LayerNorm,
    joint: Linear,
    out: Linear,
}

impl SelfAttention {
    fn take(weights: &mut Weights, prefix: &str, width: i64) -> Result<Self, ModelError> {
        Ok(Self {
            norm: layer_norm(weights, &format!("{prefix}/layer_norm"), width)?,
            joint: linear(weights, &format!("{prefix}/linear_0"), 3 * width, width)?,
            out: linear(weights, &format!("{prefix}/linear_1"), width, width)?,
        })
    }

    /// Queries, keys and values as heads.
    fn project(&self, hidden: &Tensor, shape: Shape) -> Result<[Tensor; 3], TchError> {
        let joint = self.joint.forward(&self.norm.forward(hidden)?)?;
        let part = |index: i64| shape.split(&joint.f_narrow(-1, index * shape.width, shape.width)?);
        Ok([part(0)?, part(1)?, part(2)?])
    }
}

pub(super) struct Encoder {
    shape: Shape,
    narrow_convolution: (Tensor, Tensor),
    halving_convolution: (Tensor, Tensor),
    positions: Tensor,
    layers: Vec<(SelfAttention, FeedForward)>,
    norm: LayerNorm,
    device: Device,
}

impl Encoder {
    fn take(weights: &mut Weights, shape: Shape, layers: usize, device: Device) -> Result<Self, ModelError> {
        let width = shape.width;
        let mut convolution = |name: &str, inputs: i64| -> Result<(Tensor, Tensor), ModelError> {
            Ok((
                weights.take(&format!("encoder/{name}/weight"), &[width, inputs, 3])?,
                weights.take(&format!("encoder/{name}/bias"), &[width])?,
            ))
        };
        let narrow_convolution = convolution("conv1", BANDS as i64)?;
        let halving_convolution = convolution("conv2", width)?;
        let positions = weights.take("encoder/position_encodings/encodings", &[POSITIONS, width])?;
        let layers = (0..layers)
            .map(|index| {
                let prefix = format!("encoder/layer_{index}");
                Ok((
                    SelfAttention::take(weights, &format!("{prefix}/self_attention"), width)?,
                    FeedForward::take(weights, &format!("{prefix}/ffn"), width)?,
                ))
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            shape,
            narrow_convolution,
            halving_convolution,
            positions,
            layers,
            norm: layer_norm(weights, "encoder/layer_norm", width)?,
            device,
        })
    }

    /// One window of [`WINDOW_FRAMES`] mel frames to `[1, positions, width]`.
    pub(super) fn encode(&self, mel: &[f32]) -> Result<Tensor, TchError> {
        let mel = Tensor::f_from_slice(mel)?
            .f_view([1, WINDOW_FRAMES as i64, BANDS as i64])?
            .f_transpose(1, 2)?
            .f_to_device(self.device)?;
        let convolve = |input: &Tensor, (weight, bias): &(Tensor, Tensor), stride: i64| {
            input.f_conv1d(weight, Some(bias), [stride], [1], [1], 1)?.f_gelu("none")
        };
        let hidden = convolve(&mel, &self.narrow_convolution, 1)?;
        let hidden = convolve(&hidden, &self.halving_convolution, 2)?;
        let mut hidden = hidden.f_transpose(1, 2)?.f_add(&self.positions)?;
        for (attend, feed_forward) in &self.layers {
            let [queries, keys, values] = attend.project(&hidden, self.shape)?;
            let attended = self.shape.join(&attention(&queries, &keys, &values)?)?;
            hidden = attend.out.forward(&attended)?.f_add_(&hidden)?;
            hidden = feed_forward.add_to(&hidden)?;
        }
        self.norm.forward(&hidden)
    }
}

struct DecoderLayer {
    own: SelfAttention,
    cross_norm: LayerNorm,
    cross_query: Linear,
    cross_keys_values: Linear,
    cross_out: Linear,
    feed_forward: FeedForward,
}

impl DecoderLayer {
    fn take(weights: &mut Weights, prefix: &str, width: i64) -> Result<Self, ModelError> {
        let cross = format!("{prefix}/attention");
        Ok(Self {
            own: SelfAttention::take(weights, &format!("{prefix}/self_attention"), width)?,
            cross_norm: layer_norm(weights, &format!("{cross}/layer_norm"), width)?,
            cross_query: linear(weights, &format!("{cross}/linear_0"), width, width)?,
            cross_keys_values: linear(weights, &format!("{cross}/linear_1"), 2 * width, width)?,
            cross_out: linear(weights, &format!("{cross}/linear_2"), width, width)?,
            feed_forward: FeedForward::take(weights, &format!("{prefix}/ffn"), width)?,
        })
    }
}

/// Keys and values of the recording, the same for all hypotheses: `[1, heads, positions, head width]` per layer.
pub(super) struct Heard {
    layers: Vec<(Tensor, Tensor)>,
}

/// Keys and values of the hypotheses' own tokens: `[hypotheses, heads, context, head width]` per layer.
pub(super) struct Written {
    layers: Vec<(Tensor, Tensor)>,
    length: i64,
}

impl Written {
    /// Continues hypothesis `parents[i]` as number `i`.
    pub(super) fn reorder(&mut self, parents: &[i64]) -> Result<(), TchError> {
        if parents.iter().zip(0..).all(|(&parent, index)| parent == index) {
            return Ok(());
        }
        for (keys, values) in &mut self.layers {
            let index = Tensor::f_from_slice(parents)?.f_to_device(keys.device())?;
            for cache in [keys, values] {
                let mut used = cache.f_narrow(2, 0, self.length)?;
                let reordered = used.f_index_select(0, &index)?;
                used.f_copy_(&reordered)?;
            }
        }
        Ok(())
    }
}

pub(super) struct Decoder {
    shape: Shape,
    /// Embeddings, one column per token: a few rows times this is twice as fast as times its transpose.
    vocabulary: Tensor,
    positions: Tensor,
    layers: Vec<DecoderLayer>,
    norm: LayerNorm,
    device: Device,
}

impl Decoder {
    fn take(
        weights: &mut Weights,
        shape: Shape,
        layers: usize,
        vocabulary: i64,
        device: Device,
    ) -> Result<Self, ModelError> {
        let width = shape.width;
        Ok(Self {
            shape,
            vocabulary: weights
                .take("decoder/embeddings/weight", &[vocabulary, width])?
                .f_transpose(0, 1)?
                .f_contiguous()?,
            positions: weights.take("decoder/position_encodings/encodings", &[CONTEXT, width])?,
            layers: (0..layers)
                .map(|index| DecoderLayer::take(weights, &format!("decoder/layer_{index}"), width))
                .collect::<Result<_, _>>()?,
            norm: layer_norm(weights, "decoder/layer_norm", width)?,
            device,
        })
    }

    /// What every hypothesis about an encoded window attends to.
    pub(super) fn listen(&self, encoded: &Tensor) -> Result<Heard, TchError> {
        let project = |layer: &DecoderLayer| {
            let both = layer.cross_keys_values.forward(encoded)?;
            let part = |index: i64| {
                let rows = both.f_narrow(-1, index * self.shape.width, self.shape.width)?;
                self.shape.split(&rows)?.f_contiguous()
            };
            Ok((part(0)?, part(1)?))
        };
        Ok(Heard { layers: self.layers.iter().map(project).collect::<Result<_, TchError>>()? })
    }

    pub(super) fn start(&self, hypotheses: i64) -> Result<Written, TchError> {
        let empty = || Tensor::f_zeros([hypotheses, self.shape.heads, CONTEXT, HEAD_WIDTH], (Kind::Float, self.device));
        let layers = self.layers.iter().map(|_| Ok((empty()?, empty()?)));
        Ok(Written { layers: layers.collect::<Result<_, TchError>>()?, length: 0 })
    }

    /// Appends one token to each hypothesis; the scores `[hypotheses, vocabulary]` of what follows.
    pub(super) fn step(&self, tokens: &[i64], heard: &Heard, written: &mut Written) -> Result<Tensor, TchError> {
        let ids = Tensor::f_from_slice(tokens)?.f_to_device(self.device)?;
        let position = written.length;
        let mut hidden = self
            .vocabulary
            .f_index_select(1, &ids)?
            .f_transpose(0, 1)?
            .f_add(&self.positions.f_narrow(0, position, 1)?)?
            .f_unsqueeze(1)?;
        let caches = written.layers.iter_mut().zip(&heard.layers);
        for (layer, ((keys, values), (heard_keys, heard_values))) in self.layers.iter().zip(caches) {
            let [query, key, value] = layer.own.project(&hidden, self.shape)?;
            keys.f_narrow(2, position, 1)?.f_copy_(&key)?;
            values.f_narrow(2, position, 1)?.f_copy_(&value)?;
            let attended =
                attention(&query, &keys.f_narrow(2, 0, position + 1)?, &values.f_narrow(2, 0, position + 1)?)?;
            hidden = layer.own.out.forward(&self.shape.join(&attended)?)?.f_add_(&hidden)?;

            let query = layer.cross_query.forward(&layer.cross_norm.forward(&hidden)?)?;
            // Hypotheses share what they hear, so they are rows of one query and it is read once for all.
            let query = self.shape.split(&query.f_transpose(0, 1)?)?;
            let attended = self.shape.join(&attention(&query, heard_keys, heard_values)?)?;
            let mut attended = layer.cross_out.forward(&attended.f_transpose(0, 1)?)?;
            hidden = attended.f_add_(&hidden)?;
            hidden = layer.feed_forward.add_to(&hidden)?;
        }
        written.length += 1;
        self.norm.forward(&hidden.f_squeeze_dim(1)?)?.f_mm(&self.vocabulary)
    }
}

/// Builds both halves.
pub(super) fn load(path: &Path, vocabulary: i64, device: Device) -> Result<(Encoder, Decoder), ModelError> {
    let mut model = Model::open(path, device)?;
    let heads = model.setting(path, "encoder/num_heads", 64)?;
    if model.setting(path, "decoder/num_heads", 64)? != heads {
        return Err(ModelError::corrupt(path, "encoder and decoder differ in their heads"));
    }
    let shape = Shape { width: heads * HEAD_WIDTH, heads };
    let encoder_layers = model.weights.layers("encoder/layer_");
    let decoder_layers = model.weights.layers("decoder/layer_");
    Ok((
        Encoder::take(&mut model.weights, shape, encoder_layers, device)?,
        Decoder::take(&mut model.weights, shape, decoder_layers, vocabulary, device)?,
    ))
}
