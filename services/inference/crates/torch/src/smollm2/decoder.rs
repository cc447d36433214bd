//! The Llama-shaped network: weights by their GGUF names and the pass from token ids to the next token's scores.

use tch::{Device, TchError, Tensor};

use super::super::ModelError;
use super::super::device::without_gradients;
use super::attention::{HeadShape, LayerCache, Rotary, Span, attend};
use super::blocks::Blocks;
use super::gguf::Gguf;
use super::projection::{Projection, Vocabulary};

/// A prompt is read in pieces of this many tokens, which bounds the memory of masks and intermediate values.
pub(super) const PIECE_TOKENS_MAX: usize = 512;

struct Shape {
    layers: u64,
    width: i64,
    feed_forward: i64,
    heads: HeadShape,
    context: i64,
    vocabulary: i64,
    rotary_base: f64,
    epsilon: f64,
}

impl Shape {
    fn read(file: &Gguf) -> Result<Self, ModelError> {
        let architecture = file.text("general.architecture")?;
        if architecture != "llama" {
            return Err(ModelError::unsupported(file.path(), format!("architecture {architecture}")));
        }
        let extent = |key: &str, limit: u64| -> Result<i64, ModelError> {
            let number = file.unsigned(key)?;
            i64::try_from(number)
                .ok()
                .filter(|_| (1..=limit).contains(&number))
                .ok_or_else(|| file.corrupt(format!("{key} is {number}")))
        };
        let width = extent("llama.embedding_length", 1 << 16)?;
        let query_heads = extent("llama.attention.head_count", 1 << 10)?;
        let key_heads = extent("llama.attention.head_count_kv", 1 << 10)?;
        let head_width = extent("llama.rope.dimension_count", 1 << 10)?;
        if query_heads % key_heads != 0 || head_width % 2 != 0 || head_width * query_heads != width {
            return Err(file.corrupt("its attention heads do not divide its width"));
        }
        Ok(Self {
            layers: extent("llama.block_count", 1 << 10)?.unsigned_abs(),
            width,
            feed_forward: extent("llama.feed_forward_length", 1 << 20)?,
            heads: HeadShape { query_heads, key_heads, head_width },
            context: extent("llama.context_length", 1 << 20)?,
            vocabulary: extent("llama.vocab_size", 1 << 22)?,
            rotary_base: file.float("llama.rope.freq_base")?,
            epsilon: file.float("llama.attention.layer_norm_rms_epsilon")?,
        })
    }
}

struct Layer {
    attention_norm: Tensor,
    joint: Projection,
    attention_out: Projection,
    feed_forward_norm: Tensor,
    gate_up: Projection,
    down: Projection,
}

/// Keys and values of a sequence so far.
pub(super) struct Cache {
    layers: Vec<LayerCache>,
    length: i64,
    capacity: i64,
}

impl Cache {
    /// Tokens held so far.
    pub(super) fn length(&self) -> usize {
        usize::try_from(self.length).unwrap_or(0)
    }

    /// Forgets all but the first `tokens`.
    pub(super) fn truncate(&mut self, tokens: usize) {
        self.length = i64::try_from(tokens).map_or(self.length, |tokens| tokens.min(self.length));
    }
}

pub(super) struct Decoder {
    shape: Shape,
    vocabulary: Vocabulary,
    layers: Vec<Layer>,
    norm: Tensor,
    rotary: Rotary,
    device: Device,
}

impl Decoder {
    pub(super) fn load(file: &Gguf, device: Device) -> Result<Self, ModelError> {
        let shape = Shape::read(file)?;
        let matrix =
            |name: &str, rows: i64, columns: i64| Blocks::decode(file.path(), &file.tensor(name)?, &[rows, columns]);
        let table = matrix("token_embd.weight", shape.vocabulary, shape.width)?;
        let vector = |name: &str| -> Result<Tensor, ModelError> {
            let values = Blocks::decode(file.path(), &file.tensor(name)?, &[shape.width])?;
            Ok(values.dense(device)?)
        };
        let mut layers = Vec::new();
        for index in 0..shape.layers {
            let name = |part: &str| format!("blk.{index}.{part}.weight");
            let (width, inner) = (shape.width, shape.feed_forward);
            let key_width = shape.heads.key_width();
            let joint = vec![
                matrix(&name("attn_q"), shape.heads.query_width(), width)?,
                matrix(&name("attn_k"), key_width, width)?,
                matrix(&name("attn_v"), key_width, width)?,
            ];
            let gate_up = vec![matrix(&name("ffn_gate"), inner, width)?, matrix(&name("ffn_up"), inner, width)?];
            let attention_out = vec![matrix(&name("attn_output"), width, shape.heads.query_width())?];
            let down = vec![matrix(&name("ffn_down"), width, inner)?];
            layers.push(Layer {
                attention_norm: vector(&name("attn_norm"))?,
                joint: Projection::new(joint, device)?,
                attention_out: Projection::new(attention_out, device)?,
                feed_forward_norm: vector(&name("ffn_norm"))?,
                gate_up: Projection::new(gate_up, device)?,
                down: Projection::new(down, device)?,
            });
        }
        Ok(Self {
            vocabulary: Vocabulary::new(table, device)?,
            layers,
            norm: vector("output_norm.weight")?,
            rotary: Rotary::new(shape.context, shape.heads.head_width, shape.rotary_base, device)?,
            shape,
            device,
        })
    }

    pub(super) fn context_length(&self) -> usize {
        usize::try_from(self.shape.context).unwrap_or(0)
    }

    pub(super) fn vocabulary_size(&self) -> usize {
        usize::try_from(self.shape.vocabulary).unwrap_or(0)
    }

    /// Allocates room for `capacity` tokens.
    pub(super) fn new_cache(&self, capacity: usize) -> Result<Cache, ModelError> {
        let too_long = ModelError::TooLong { actual: capacity, limit: self.context_length() };
        let capacity =
            i64::try_from(capacity).ok().filter(|&capacity| capacity <= self.shape.context).ok_or(too_long)?;
        let layers = (0..self.shape.layers)
            .map(|_| LayerCache::new(self.shape.heads, capacity, self.device))
            .collect::<Result<_, _>>()?;
        Ok(Cache { layers, length: 0, capacity })
    }

    /// Appends `tokens` to the sequence and returns the scores of what follows the last of them.
    pub(super) fn forward(&self, tokens: &[u32], cache: &mut Cache) -> Result<Vec<f32>, ModelError> {
        let room = usize::try_from(cache.capacity - cache.length).unwrap_or(0);
        if tokens.is_empty() {
            return Err(ModelError::InvalidInput("there are no tokens to read".into()));
        }
        if tokens.len() > room {
            return Err(ModelError::TooLong { actual: tokens.len(), limit: room });
        }
        if tokens.iter().any(|&token| i64::from(token) >= self.shape.vocabulary) {
            return Err(ModelError::InvalidInput("a token is outside the vocabulary".into()));
        }
        without_gradients(|| {
            let mut last = None;
            for piece in tokens.chunks(PIECE_TOKENS_MAX) {
                last = Some(self.piece(piece, cache)?);
            }
            let hidden = last.ok_or_else(|| TchError::Shape("no piece".into()))?;
            let scores = self.vocabulary.scores(&self.rms_norm(&hidden, &self.norm)?)?;
            Vec::<f32>::try_from(scores)
        })
        .map_err(ModelError::from)
    }

    /// Runs one piece through all layers; returns the hidden row of its last token.
    fn piece(&self, tokens: &[u32], cache: &mut Cache) -> Result<Tensor, TchError> {
        let ids: Vec<i64> = tokens.iter().map(|&token| token.into()).collect();
        let ids = Tensor::f_from_slice(&ids)?.f_to_device(self.device)?;
        let length = ids.size1()?;
        let heads = self.shape.heads;
        let span = Span::new(&self.rotary, heads, cache.length, length, self.device)?;
        let mut hidden = self.vocabulary.embed(&ids)?;
        for (layer, layer_cache) in self.layers.iter().zip(&mut cache.layers) {
            let normed = self.rms_norm(&hidden, &layer.attention_norm)?;
            let joint = layer.joint.forward(&normed)?;
            let attended = attend(&joint, &span, heads, layer_cache)?;
            hidden = hidden.f_add_(&layer.attention_out.forward(&attended)?)?;

            let normed = self.rms_norm(&hidden, &layer.feed_forward_norm)?;
            let gate_up = layer.gate_up.forward(&normed)?;
            let inner = self.shape.feed_forward;
            let up = gate_up.f_narrow(1, inner, inner)?;
            let activated = gate_up.f_narrow(1, 0, inner)?.f_silu()?.f_mul_(&up)?;
            hidden = hidden.f_add_(&layer.down.forward(&activated)?)?;
        }
        cache.length += length;
        hidden.f_narrow(0, length - 1, 1)
    }

    fn rms_norm(&self, hidden: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
        hidden.f_rms_norm([self.shape.width], Some(weight), self.shape.epsilon)
    }
}
