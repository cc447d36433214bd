//! Reads CTranslate2's `model.bin`, version 6 (`python/ctranslate2/specs/model_spec.py`, `_serialize`): a name of the
//! specification, then variables with name, shape, type and bytes, then aliases, which are not needed here.

use std::collections::HashMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::super::ModelError;
use super::super::byte_reader::ByteReader;
use super::super::error::read_file;
use super::super::weights::Weights;

const VERSION: u32 = 6;
const SPECIFICATION: &str = "WhisperSpec";
const VARIABLES_MAX: u32 = 100_000;
const RANK_MAX: u8 = 8;

/// What the file holds: weights as 32-bit floats and whole numbers that describe the network.
pub(super) struct Model {
    pub(super) weights: Weights,
    settings: HashMap<String, i64>,
}

impl Model {
    pub(super) fn open(path: &Path, device: Device) -> Result<Self, ModelError> {
        Self::parse(path, &read_file(path)?, device)
    }

    fn parse(path: &Path, bytes: &[u8], device: Device) -> Result<Self, ModelError> {
        let mut reader = ByteReader::new(path, bytes);
        let version = reader.u32()?;
        if version != VERSION {
            return Err(ModelError::unsupported(
                path,
                format!("CTranslate2 format {version} where {VERSION} is known"),
            ));
        }
        let specification = name(&mut reader)?;
        if specification != SPECIFICATION {
            return Err(ModelError::unsupported(path, format!("the network {specification}")));
        }
        let _revision = reader.u32()?;
        let count = reader.u32()?;
        if count > VARIABLES_MAX {
            return Err(reader.corrupt(format!("{count} variables exceed the limit of {VARIABLES_MAX}")));
        }
        let mut tensors = HashMap::new();
        let mut settings = HashMap::new();
        for _ in 0..count {
            let (name, variable) = variable(&mut reader)?;
            match variable {
                Variable::Number(number) => drop(settings.insert(name, number)),
                Variable::Float(tensor) => {
                    let tensor = tensor.f_to_device(device)?.f_to_kind(Kind::Float)?;
                    tensors.insert(name, tensor);
                }
            }
        }
        Ok(Self { weights: Weights::new(path, tensors), settings })
    }

    /// A whole number between 1 and `limit`.
    pub(super) fn setting(&self, path: &Path, name: &str, limit: i64) -> Result<i64, ModelError> {
        match self.settings.get(name) {
            Some(&number) if (1..=limit).contains(&number) => Ok(number),
            Some(number) => Err(ModelError::corrupt(path, format!("{name} is {number}"))),
            None => Err(ModelError::corrupt(path, format!("it has no {name}"))),
        }
    }
}

enum Variable {
    Number(i64),
    Float(Tensor),
}

fn variable(reader: &mut ByteReader<'_>) -> Result<(String, Variable), ModelError> {
    let name = name(reader)?;
    let rank = reader.u8()?;
    if rank > RANK_MAX {
        return Err(reader.corrupt(format!("{name} has {rank} dimensions")));
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        shape.push(i64::from(reader.u32()?));
    }
    let kind = reader.u8()?;
    let length = reader.u32()? as usize;
    let (float, width) = match kind {
        0 => (Some(Kind::Float), 4),
        1 => (None, 1),
        2 => (None, 2),
        3 => (None, 4),
        4 => (Some(Kind::Half), 2),
        5 => (Some(Kind::BFloat16), 2),
        other => return Err(reader.corrupt(format!("{name} is of the unknown type {other}"))),
    };
    let elements =
        shape.iter().try_fold(width, |product: usize, &extent| product.checked_mul(usize::try_from(extent).ok()?));
    if elements != Some(length) {
        return Err(reader.corrupt(format!("{name} has {length} bytes for the shape {shape:?}")));
    }
    let bytes = reader.take(length)?;
    let variable = match (float, bytes) {
        (Some(kind), bytes) => Variable::Float(Tensor::f_from_data_size(bytes, &shape, kind)?),
        (None, &[low]) => Variable::Number(i8::from_le_bytes([low]).into()),
        (None, &[low, high]) => Variable::Number(i16::from_le_bytes([low, high]).into()),
        (None, &[a, b, c, d]) => Variable::Number(i32::from_le_bytes([a, b, c, d]).into()),
        (None, _) => return Err(reader.corrupt(format!("{name} holds quantised weights; convert it to float16"))),
    };
    Ok((name, variable))
}

/// Length, text and a closing zero byte, which the length includes.
fn name(reader: &mut ByteReader<'_>) -> Result<String, ModelError> {
    let length = reader.u16()?;
    let text = reader.text(length.into())?;
    text.strip_suffix('\0').map(str::to_owned).ok_or_else(|| reader.corrupt("a name does not end in a zero byte"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use half::f16;
    use proptest::prelude::*;

    use super::*;

    fn push_name(bytes: &mut Vec<u8>, name: &str) {
        bytes.extend((name.len() as u16 + 1).to_le_bytes());
        bytes.extend(name.bytes());
        bytes.push(0);
    }

    fn small_file() -> Vec<u8> {
        let mut bytes = 6_u32.to_le_bytes().to_vec();
        push_name(&mut bytes, "WhisperSpec");
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(2_u32.to_le_bytes());
        push_name(&mut bytes, "w");
        bytes.push(1);
        bytes.extend(2_u32.to_le_bytes());
        bytes.push(4);
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(f16::from_f32(1.5).to_le_bytes());
        bytes.extend(f16::from_f32(-2.0).to_le_bytes());
        push_name(&mut bytes, "heads");
        bytes.extend([0, 2]);
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(6_i16.to_le_bytes());
        bytes
    }

    #[test]
    fn weights_and_numbers_are_read() {
        let path = Path::new("m");
        let mut model = Model::parse(path, &small_file(), Device::Cpu).unwrap();
        assert_eq!(model.setting(path, "heads", 64).unwrap(), 6);
        assert!(model.setting(path, "heads", 4).is_err());
        let values = Vec::<f32>::try_from(model.weights.take("w", &[2]).unwrap()).unwrap();
        assert_eq!(values, [1.5, -2.0]);
        assert!(matches!(model.weights.take("w", &[2]), Err(ModelError::MissingTensor { .. })));
    }

    proptest! {
        #[test]
        fn a_damaged_file_never_panics(
            position in 0_usize..80, byte in any::<u8>(), length in 0_usize..80
        ) {
            let mut bytes = small_file();
            if let Some(target) = bytes.get_mut(position) {
                *target = byte;
            }
            bytes.truncate(length);
            let _ = Model::parse(Path::new("m"), &bytes, Device::Cpu);
        }
    }
}
