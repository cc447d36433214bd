//! Grouped-query attention with rotary positions over a cache allocated once per generation.

use tch::{Device, Kind, TchError, Tensor};

/// Head counts and width of one attention layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadShape {
    pub(super) query_heads: i64,
    pub(super) key_heads: i64,
    pub(super) head_width: i64,
}

impl HeadShape {
    pub(super) fn query_width(self) -> i64 {
        self.query_heads * self.head_width
    }

    pub(super) fn key_width(self) -> i64 {
        self.key_heads * self.head_width
    }

    fn group(self) -> i64 {
        self.query_heads / self.key_heads
    }
}

/// Rotations for every position, complex, `[positions, 1, head_width / 2]`.
///
/// GGUF stores the rows of Q and K such that neighbouring values form the pair that is rotated (the order of the
/// RoFormer paper), so a rotation is one complex product.
pub(super) struct Rotary {
    turns: Tensor,
}

impl Rotary {
    pub(super) fn new(positions: i64, head_width: i64, base: f64, device: Device) -> Result<Self, TchError> {
        let double = (Kind::Double, device);
        let exponents = Tensor::f_arange(head_width / 2, double)?.f_mul_scalar(-2.0 / head_width as f64)?;
        let frequencies = exponents.f_mul_scalar(base.ln())?.f_exp()?;
        let angles = Tensor::f_arange(positions, double)?.f_outer(&frequencies)?.f_to_kind(Kind::Float)?;
        let turns = Tensor::f_polar(&angles.f_ones_like()?, &angles)?.f_unsqueeze(1)?;
        Ok(Self { turns })
    }

    pub(super) fn slice(&self, start: i64, length: i64) -> Result<Tensor, TchError> {
        self.turns.f_narrow(0, start, length)
    }
}

/// Rotates `[tokens, heads, head_width]`.
fn rotate(heads: &Tensor, turns: &Tensor, head_width: i64) -> Result<Tensor, TchError> {
    heads.f_unflatten(-1, [head_width / 2, 2])?.f_view_as_complex()?.f_mul(turns)?.f_view_as_real()?.f_flatten(-2, -1)
}

/// Keys and values of one layer, `[heads, capacity, head_width]`.
pub(super) struct LayerCache {
    keys: Tensor,
    values: Tensor,
}

impl LayerCache {
    pub(super) fn new(shape: HeadShape, capacity: i64, device: Device) -> Result<Self, TchError> {
        let empty = || Tensor::f_zeros([shape.key_heads, capacity, shape.head_width], (Kind::Float, device));
        Ok(Self { keys: empty()?, values: empty()? })
    }

    fn store(&mut self, start: i64, keys: &Tensor, values: &Tensor) -> Result<(), TchError> {
        let length = keys.size3()?.0;
        self.keys.f_narrow(1, start, length)?.f_copy_(&keys.f_transpose(0, 1)?)?;
        self.values.f_narrow(1, start, length)?.f_copy_(&values.f_transpose(0, 1)?)
    }
}

/// What all layers share while one piece of a sequence is processed.
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) length: i64,
    turns: Tensor,
    /// Which earlier tokens each row sees; none where every row sees them all.
    mask: Option<Tensor>,
}

impl Span {
    pub(super) fn new(
        rotary: &Rotary,
        shape: HeadShape,
        start: i64,
        length: i64,
        device: Device,
    ) -> Result<Self, TchError> {
        let mask = if length == 1 {
            None
        } else {
            // Query heads of a group are laid out as further rows, so the mask repeats per group member.
            let causal = Tensor::f_ones([length, start + length], (Kind::Bool, device))?
                .f_tril(start)?
                .f_repeat([shape.group(), 1])?;
            Some(causal)
        };
        Ok(Self { start, length, turns: rotary.slice(start, length)?, mask })
    }
}

/// From the joint Q, K, V rows of a span to the attended values `[tokens, query_width]`; extends the cache.
pub(super) fn attend(
    joint: &Tensor,
    span: &Span,
    shape: HeadShape,
    cache: &mut LayerCache,
) -> Result<Tensor, TchError> {
    let width = shape.head_width;
    let rotated_heads = shape.query_heads + shape.key_heads;
    let heads = joint.f_unflatten(-1, [rotated_heads + shape.key_heads, width])?;
    let rotated = rotate(&heads.f_narrow(1, 0, rotated_heads)?, &span.turns, width)?;
    cache.store(
        span.start,
        &rotated.f_narrow(1, shape.query_heads, shape.key_heads)?,
        &heads.f_narrow(1, rotated_heads, shape.key_heads)?,
    )?;
    let group = shape.group();
    let queries = rotated
        .f_narrow(1, 0, shape.query_heads)?
        .f_unflatten(1, [shape.key_heads, group])?
        .f_permute([1, 2, 0, 3])?
        .f_reshape([1, shape.key_heads, group * span.length, width])?;
    let seen = span.start + span.length;
    let attended = Tensor::f_scaled_dot_product_attention(
        &queries,
        &cache.keys.f_narrow(1, 0, seen)?.f_unsqueeze(0)?,
        &cache.values.f_narrow(1, 0, seen)?.f_unsqueeze(0)?,
        span.mask.as_ref(),
        0.0,
        false,
        None,
        false,
    )?;
    attended
        .f_reshape([shape.key_heads, group, span.length, width])?
        .f_permute([2, 0, 1, 3])?
        .f_reshape([span.length, shape.query_width()])
}
