//! ggml's block formats, taken apart into codes, scales and offsets (`ggml-common.h`: `block_q4_1`, `block_q8_0`).

use std::path::Path;

use half::f16;
use tch::{Device, Kind, TchError, Tensor};

use super::super::ModelError;
use super::gguf::RawTensor;

/// Values that share one scale.
pub(super) const BLOCK: i64 = 32;
const BLOCK_USIZE: usize = 32;
const Q4_1_BYTES: usize = 4 + BLOCK_USIZE / 2;
const Q8_0_BYTES: usize = 2 + BLOCK_USIZE;

/// A matrix as stored: exact, whatever it is later turned into.
pub(super) enum Blocks {
    Float(Tensor),
    /// `code * scale + offset`, codes 0 to 15.
    FourBit(Coded),
    /// `code * scale`, codes -127 to 127.
    EightBit(Coded),
}

/// Codes `[rows, blocks, 32]` and one scale and offset per block, `[rows, blocks, 1]`.
pub(super) struct Coded {
    pub(super) codes: Tensor,
    pub(super) scales: Tensor,
    pub(super) offsets: Option<Tensor>,
}

impl Coded {
    /// The matrix `[rows, columns]` in 32-bit floats.
    pub(super) fn dense(&self) -> Result<Tensor, TchError> {
        let mut values = self.codes.f_to_kind(Kind::Float)?.f_mul_(&self.scales)?;
        if let Some(offsets) = &self.offsets {
            values = values.f_add_(offsets)?;
        }
        values.f_flatten(1, -1)
    }

    /// The chosen rows, in 32-bit floats.
    pub(super) fn rows(&self, indices: &Tensor) -> Result<Tensor, TchError> {
        let select = |tensor: &Tensor| tensor.f_index_select(0, indices);
        let rows = Self {
            codes: select(&self.codes)?,
            scales: select(&self.scales)?,
            offsets: self.offsets.as_ref().map(select).transpose()?,
        };
        rows.dense()
    }

    /// Puts matrices of the same width under one another.
    pub(super) fn stack(parts: &[Self]) -> Result<Self, TchError> {
        let join = |tensors: Vec<&Tensor>| Tensor::f_cat(&tensors, 0);
        let offsets: Vec<&Tensor> = parts.iter().filter_map(|part| part.offsets.as_ref()).collect();
        Ok(Self {
            codes: join(parts.iter().map(|part| &part.codes).collect())?,
            scales: join(parts.iter().map(|part| &part.scales).collect())?,
            offsets: if offsets.is_empty() { None } else { Some(join(offsets)?) },
        })
    }
}

impl Blocks {
    /// Decodes a tensor, which must have `shape`.
    pub(super) fn decode(path: &Path, raw: &RawTensor<'_>, shape: &[i64]) -> Result<Self, ModelError> {
        if raw.shape != shape {
            return Err(ModelError::WrongShape {
                path: path.to_owned(),
                name: raw.name.to_owned(),
                expected: shape.to_vec(),
                found: raw.shape.to_vec(),
            });
        }
        let elements = usize::try_from(shape.iter().product::<i64>()).unwrap_or(usize::MAX);
        match raw.kind {
            0 => {
                let bytes = sized(path, raw, elements, 4, 1)?;
                Ok(Self::Float(Tensor::f_from_data_size(bytes, shape, Kind::Float)?))
            }
            3 => {
                Ok(Self::FourBit(q4_1(sized(path, raw, elements, Q4_1_BYTES, BLOCK_USIZE)?, &block_shape(path, raw)?)?))
            }
            8 => Ok(Self::EightBit(q8_0(
                sized(path, raw, elements, Q8_0_BYTES, BLOCK_USIZE)?,
                &block_shape(path, raw)?,
            )?)),
            other => Err(ModelError::unsupported(path, format!("ggml type {other} in tensor {}", raw.name))),
        }
    }

    pub(super) fn dense(&self, device: Device) -> Result<Tensor, TchError> {
        let dense = match self {
            Self::Float(values) => values.shallow_clone(),
            Self::FourBit(coded) | Self::EightBit(coded) => coded.dense()?,
        };
        dense.f_to_device(device)
    }
}

fn sized<'a>(
    path: &Path,
    raw: &RawTensor<'a>,
    elements: usize,
    unit_bytes: usize,
    unit_elements: usize,
) -> Result<&'a [u8], ModelError> {
    (elements / unit_elements)
        .checked_mul(unit_bytes)
        .and_then(|length| raw.bytes.get(..length))
        .ok_or_else(|| ModelError::corrupt(path, format!("tensor {} is cut off", raw.name)))
}

/// `[rows, blocks, 32]` for a matrix whose rows are whole blocks.
fn block_shape(path: &Path, raw: &RawTensor<'_>) -> Result<[i64; 3], ModelError> {
    match raw.shape {
        [rows, columns] if columns % BLOCK == 0 => Ok([*rows, columns / BLOCK, BLOCK]),
        _ => Err(ModelError::corrupt(path, format!("tensor {} is no matrix of whole blocks", raw.name))),
    }
}

fn q4_1(bytes: &[u8], shape: &[i64; 3]) -> Result<Coded, TchError> {
    let mut codes = Vec::with_capacity(bytes.len() / Q4_1_BYTES * BLOCK_USIZE);
    let mut scales = Vec::new();
    let mut offsets = Vec::new();
    for block in bytes.chunks_exact(Q4_1_BYTES) {
        let (head, nibbles) = block.split_at(4);
        let (scale, offset) = head.split_at(2);
        scales.push(half_float(scale));
        offsets.push(half_float(offset));
        codes.extend(nibbles.iter().map(|byte| byte & 0x0F));
        codes.extend(nibbles.iter().map(|byte| byte >> 4));
    }
    let [rows, blocks, _] = *shape;
    Ok(Coded {
        codes: Tensor::f_from_data_size(&codes, shape, Kind::Uint8)?,
        scales: Tensor::f_from_slice(&scales)?.f_view([rows, blocks, 1])?,
        offsets: Some(Tensor::f_from_slice(&offsets)?.f_view([rows, blocks, 1])?),
    })
}

fn q8_0(bytes: &[u8], shape: &[i64; 3]) -> Result<Coded, TchError> {
    let mut codes = Vec::with_capacity(bytes.len() / Q8_0_BYTES * BLOCK_USIZE);
    let mut scales = Vec::new();
    for block in bytes.chunks_exact(Q8_0_BYTES) {
        let (scale, values) = block.split_at(2);
        scales.push(half_float(scale));
        codes.extend_from_slice(values);
    }
    let [rows, blocks, _] = *shape;
    Ok(Coded {
        codes: Tensor::f_from_data_size(&codes, shape, Kind::Int8)?,
        scales: Tensor::f_from_slice(&scales)?.f_view([rows, blocks, 1])?,
        offsets: None,
    })
}

fn half_float(bytes: &[u8]) -> f32 {
    match bytes {
        [low, high] => f16::from_le_bytes([*low, *high]).to_f32(),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn raw(kind: u32, bytes: &[u8]) -> RawTensor<'_> {
        RawTensor { name: "t", shape: &[1, 32], kind, bytes }
    }

    fn values(blocks: &Blocks) -> Vec<f32> {
        Vec::try_from(blocks.dense(Device::Cpu).unwrap().flatten(0, -1)).unwrap()
    }

    #[test]
    fn a_four_bit_block_holds_its_low_nibbles_first() {
        let mut bytes = f16::from_f32(0.5).to_le_bytes().to_vec();
        bytes.extend(f16::from_f32(-1.0).to_le_bytes());
        bytes.extend((0..16_u8).map(|code| code | ((15 - code) << 4)));
        let decoded = Blocks::decode(Path::new("m"), &raw(3, &bytes), &[1, 32]).unwrap();
        let expected: Vec<f32> = (0..16).chain((0..16).rev()).map(|code| 0.5 * code as f32 - 1.0).collect();
        assert_eq!(values(&decoded), expected);
    }

    #[test]
    fn an_eight_bit_block_is_signed() {
        let mut bytes = f16::from_f32(0.25).to_le_bytes().to_vec();
        bytes.extend((0..32_i8).map(|code| (code - 16).to_le_bytes()[0]));
        let decoded = Blocks::decode(Path::new("m"), &raw(8, &bytes), &[1, 32]).unwrap();
        let expected: Vec<f32> = (-16..16).map(|code| 0.25 * code as f32).collect();
        assert_eq!(values(&decoded), expected);
    }

    #[test]
    fn cut_off_unknown_and_misshapen_tensors_are_refused() {
        let path = Path::new("m");
        assert!(matches!(Blocks::decode(path, &raw(3, &[0; 19]), &[1, 32]), Err(ModelError::Corrupt { .. })));
        assert!(matches!(Blocks::decode(path, &raw(12, &[0; 99]), &[1, 32]), Err(ModelError::Unsupported { .. })));
        assert!(matches!(Blocks::decode(path, &raw(3, &[0; 20]), &[2, 16]), Err(ModelError::WrongShape { .. })));
    }
}
