//! Matrix products with quantised weights: libtorch's 4-bit and 8-bit kernels for a token at a time, 32-bit floats for
//! whole prompts.
//!
//! One token reads every weight once, so the bytes moved decide the speed: 4-bit codes take a sixth of the time of
//! floats. A prompt reuses each weight for all its tokens, so arithmetic decides, and there the float product wins
//! even with unpacking the codes first. libtorch's packed kernels are fast for bfloat16 inputs only.

use tch::{Device, Kind, TchError, Tensor};

use super::blocks::{BLOCK, Blocks, Coded};

/// Up to this many rows the packed kernels win.
const PACKED_ROWS_MAX: i64 = 4;

/// How many of the best tokens get exact scores.
const RESCORED: i64 = 256;

pub(super) enum Projection {
    /// Q4_1 on the CPU. Both forms hold the file's codes; only `grid` rounds scale and offset to bfloat16.
    FourBit {
        packed: Tensor,
        grid: Tensor,
        coded: Coded,
    },
    Dense(Tensor),
}

impl Projection {
    /// Builds one projection from matrices that share their input.
    pub(super) fn new(parts: Vec<Blocks>, device: Device) -> Result<Self, TchError> {
        let mut coded = Vec::new();
        let mut dense = Vec::new();
        for part in parts {
            match part {
                Blocks::FourBit(part) if device == Device::Cpu => coded.push(part),
                other => dense.push(other.dense(device)?),
            }
        }
        if dense.is_empty() {
            return Self::pack(Coded::stack(&coded)?);
        }
        let mut all = coded.iter().map(Coded::dense).collect::<Result<Vec<_>, _>>()?;
        all.append(&mut dense);
        Ok(Self::Dense(Tensor::f_cat(&all, 0)?))
    }

    fn pack(coded: Coded) -> Result<Self, TchError> {
        let packed =
            coded.codes.f_flatten(1, -1)?.f_to_kind(Kind::Int)?.f_internal_convert_weight_to_int4pack_for_cpu(1)?;
        // The kernel computes (code - 8) * scale + zero, the file says code * scale + offset.
        let scales = coded.scales.f_squeeze_dim(-1)?;
        let mut zeros = scales.f_mul_scalar(8.0)?;
        if let Some(offsets) = &coded.offsets {
            zeros = zeros.f_add(&offsets.f_squeeze_dim(-1)?)?;
        }
        let grid =
            Tensor::f_stack(&[scales, zeros], -1)?.f_transpose(0, 1)?.f_contiguous()?.f_to_kind(Kind::BFloat16)?;
        Ok(Self::FourBit { packed, grid, coded })
    }

    /// `[rows, inputs]` to `[rows, outputs]`, in and out as 32-bit floats.
    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::FourBit { packed, grid, coded } => {
                if input.size().first().is_some_and(|&rows| rows <= PACKED_ROWS_MAX) {
                    input
                        .f_to_kind(Kind::BFloat16)?
                        .f_internal_weight_int4pack_mm_for_cpu(packed, BLOCK, grid)?
                        .f_to_kind(Kind::Float)
                } else {
                    input.f_linear(&coded.dense()?, None::<&Tensor>)
                }
            }
            Self::Dense(weight) => input.f_linear(weight, None::<&Tensor>),
        }
    }
}

/// The embedding table, which is also the output layer.
pub(super) enum Vocabulary {
    /// Exact rows for the way in; codes with one scale per row for the way out.
    EightBit {
        table: Coded,
        head: Tensor,
        head_scales: Tensor,
    },
    Dense(Tensor),
}

impl Vocabulary {
    pub(super) fn new(table: Blocks, device: Device) -> Result<Self, TchError> {
        let table = match table {
            Blocks::EightBit(table) if device == Device::Cpu => table,
            other => return Ok(Self::Dense(other.dense(device)?)),
        };
        let mut dense = table.dense()?;
        let head_scales = dense
            .f_abs()?
            .f_amax([1_i64], true)?
            .f_clamp_min(f64::from(f32::MIN_POSITIVE))?
            .f_div_scalar(127.0)?
            // Rounded first, so that the codes make up for the rounding.
            .f_to_kind(Kind::BFloat16)?;
        let head = dense
            .f_div_(&head_scales.f_to_kind(Kind::Float)?)?
            .f_round()?
            .f_clamp(-127.0, 127.0)?
            .f_to_kind(Kind::Int8)?;
        Ok(Self::EightBit { table, head, head_scales: head_scales.f_squeeze_dim(-1)? })
    }

    /// The embeddings `[tokens, width]` of token ids.
    pub(super) fn embed(&self, ids: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::EightBit { table, .. } => table.rows(ids),
            Self::Dense(table) => table.f_index_select(0, ids),
        }
    }

    /// Scores of all tokens for one hidden row `[1, width]`.
    ///
    /// The 8-bit kernel answers in bfloat16, too coarse to tell the best tokens apart, so those are scored again exactly.
    pub(super) fn scores(&self, hidden: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::EightBit { table, head, head_scales } => {
                let rough = hidden
                    .f_to_kind(Kind::BFloat16)?
                    .f_internal_weight_int8pack_mm(head, head_scales)?
                    .f_to_kind(Kind::Float)?
                    .f_view(-1)?;
                let count = RESCORED.min(rough.size1()?);
                let (_, best) = rough.f_topk(count, 0, true, false)?;
                let exact = hidden.f_linear(&table.rows(&best)?, None::<&Tensor>)?;
                rough.f_scatter(0, &best, &exact.f_view(-1)?)
            }
            Self::Dense(table) => hidden.f_linear(table, None::<&Tensor>)?.f_view(-1),
        }
    }
}
