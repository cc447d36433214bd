//! Reads GGUF version 2 and 3 files (`docs/gguf.md` of the ggml project): metadata, tensor table, tensor bytes.
//!
//! Every count and offset in the file is checked before it is used; interpreting the bytes is the business of `blocks`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::ModelError;
use super::super::byte_reader::ByteReader;
use super::super::error::read_file;

const MAGIC: &[u8] = b"GGUF";
/// Limits that no sound file comes near; a file above them would only exhaust memory.
const METADATA_MAX: u64 = 4_096;
const TENSORS_MAX: u64 = 65_536;
const TEXT_BYTES_MAX: u64 = 1 << 22;
const ARRAY_MAX: u64 = 1 << 22;
const DIMENSIONS_MAX: u32 = 4;

/// A metadata value. Number kinds are widened; nothing here needs the narrow ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Array(Vec<Value>),
}

/// Where a tensor lies. The shape is in PyTorch's order: rows first.
#[derive(Debug)]
struct TensorInfo {
    shape: Vec<i64>,
    kind: u32,
    offset: u64,
}

/// The encoded bytes of one tensor.
pub(super) struct RawTensor<'a> {
    pub(super) name: &'a str,
    pub(super) shape: &'a [i64],
    /// ggml's type number.
    pub(super) kind: u32,
    /// From the tensor's first byte to the end of the file; `blocks` takes as many as the shape says.
    pub(super) bytes: &'a [u8],
}

pub(super) struct Gguf {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
    data_start: usize,
}

impl Gguf {
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        Self::parse(path, read_file(path)?)
    }

    pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, ModelError> {
        let mut reader = ByteReader::new(path, &bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(reader.corrupt("it does not begin with GGUF"));
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(ModelError::unsupported(path, format!("GGUF version {version}")));
        }
        let tensor_count = bounded(&mut reader, TENSORS_MAX, "tensors")?;
        let metadata_count = bounded(&mut reader, METADATA_MAX, "metadata entries")?;
        let mut metadata = HashMap::new();
        for _ in 0..metadata_count {
            let key = text(&mut reader)?;
            let kind = reader.u32()?;
            metadata.insert(key, value(&mut reader, kind, 0)?);
        }
        let mut tensors = HashMap::new();
        for _ in 0..tensor_count {
            let (name, info) = tensor_info(&mut reader)?;
            tensors.insert(name, info);
        }
        let alignment = match metadata.get("general.alignment") {
            Some(Value::Unsigned(alignment @ 1..=4096)) => usize::try_from(*alignment).unwrap_or(32),
            Some(_) => return Err(reader.corrupt("general.alignment is no sensible number")),
            None => 32,
        };
        let data_start = reader.position().next_multiple_of(alignment);
        Ok(Self { path: path.to_owned(), bytes, metadata, tensors, data_start })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn tensor(&self, name: &str) -> Result<RawTensor<'_>, ModelError> {
        let (name, info) = self
            .tensors
            .get_key_value(name)
            .ok_or_else(|| ModelError::MissingTensor { path: self.path.clone(), name: name.to_owned() })?;
        let bytes = usize::try_from(info.offset)
            .ok()
            .and_then(|offset| self.data_start.checked_add(offset))
            .and_then(|start| self.bytes.get(start..))
            .ok_or_else(|| self.corrupt(format!("tensor {name} begins behind the end of the file")))?;
        Ok(RawTensor { name, shape: &info.shape, kind: info.kind, bytes })
    }

    pub(super) fn unsigned(&self, key: &str) -> Result<u64, ModelError> {
        match self.metadata.get(key) {
            Some(Value::Unsigned(number)) => Ok(*number),
            other => Err(self.wrong(key, "an unsigned number", other)),
        }
    }

    pub(super) fn float(&self, key: &str) -> Result<f64, ModelError> {
        match self.metadata.get(key) {
            Some(Value::Float(number)) => Ok(*number),
            other => Err(self.wrong(key, "a number with a fraction", other)),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&str, ModelError> {
        match self.metadata.get(key) {
            Some(Value::Text(text)) => Ok(text),
            other => Err(self.wrong(key, "a text", other)),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<&str>, ModelError> {
        let array = self.array(key)?;
        let texts = array.iter().map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Option<Vec<_>>>().ok_or_else(|| self.corrupt(format!("{key} must be a list of texts")))
    }

    pub(super) fn array(&self, key: &str) -> Result<&[Value], ModelError> {
        match self.metadata.get(key) {
            Some(Value::Array(values)) => Ok(values),
            other => Err(self.wrong(key, "a list", other)),
        }
    }

    pub(super) fn corrupt(&self, reason: impl Into<String>) -> ModelError {
        ModelError::corrupt(&self.path, reason)
    }

    fn wrong(&self, key: &str, expected: &str, found: Option<&Value>) -> ModelError {
        let found = if found.is_some() { "another kind" } else { "nothing" };
        self.corrupt(format!("metadata {key} must be {expected}, there is {found}"))
    }
}

fn tensor_info(reader: &mut ByteReader<'_>) -> Result<(String, TensorInfo), ModelError> {
    let name = text(reader)?;
    let dimensions = reader.u32()?;
    if dimensions == 0 || dimensions > DIMENSIONS_MAX {
        return Err(reader.corrupt(format!("tensor {name} has {dimensions} dimensions")));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        let extent = i64::try_from(reader.u64()?).unwrap_or(0);
        if extent < 1 {
            return Err(reader.corrupt(format!("tensor {name} has an empty dimension")));
        }
        shape.push(extent);
    }
    // GGUF lists the fastest-moving dimension first.
    shape.reverse();
    let info = TensorInfo { shape, kind: reader.u32()?, offset: reader.u64()? };
    Ok((name, info))
}

fn value(reader: &mut ByteReader<'_>, kind: u32, depth: u8) -> Result<Value, ModelError> {
    Ok(match kind {
        0 => Value::Unsigned(reader.u8()?.into()),
        1 => Value::Signed(reader.i8()?.into()),
        2 => Value::Unsigned(reader.u16()?.into()),
        3 => Value::Signed(reader.i16()?.into()),
        4 => Value::Unsigned(reader.u32()?.into()),
        5 => Value::Signed(reader.i32()?.into()),
        6 => Value::Float(reader.f32()?.into()),
        7 => Value::Bool(reader.u8()? != 0),
        8 => Value::Text(text(reader)?),
        9 if depth < 2 => {
            let element = reader.u32()?;
            let length = bounded(reader, ARRAY_MAX, "list elements")?;
            let mut values = Vec::new();
            for _ in 0..length {
                values.push(value(reader, element, depth + 1)?);
            }
            Value::Array(values)
        }
        10 => Value::Unsigned(reader.u64()?),
        11 => Value::Signed(reader.i64()?),
        12 => Value::Float(reader.f64()?),
        other => return Err(reader.corrupt(format!("metadata of kind {other}"))),
    })
}

fn text(reader: &mut ByteReader<'_>) -> Result<String, ModelError> {
    let length = bounded(reader, TEXT_BYTES_MAX, "bytes of text")?;
    reader.text(length)
}

fn bounded(reader: &mut ByteReader<'_>, limit: u64, what: &str) -> Result<usize, ModelError> {
    let count = reader.u64()?;
    usize::try_from(count)
        .ok()
        .filter(|_| count <= limit)
        .ok_or_else(|| reader.corrupt(format!("{count} {what} exceed the limit of {limit}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    fn text_bytes(text: &str) -> Vec<u8> {
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.bytes());
        bytes
    }

    fn small_file() -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(text_bytes("width"));
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(text_bytes("w"));
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(1.5_f32.to_le_bytes());
        bytes.extend((-2.0_f32).to_le_bytes());
        bytes
    }

    #[test]
    fn metadata_and_tensors_are_found() {
        let file = Gguf::parse(Path::new("m"), small_file()).unwrap();
        assert_eq!(file.unsigned("width").unwrap(), 2);
        let tensor = file.tensor("w").unwrap();
        assert_eq!(tensor.shape, [1, 2]);
        assert_eq!(&tensor.bytes[..4], 1.5_f32.to_le_bytes());
        assert!(matches!(file.tensor("x"), Err(ModelError::MissingTensor { .. })));
        assert!(matches!(file.text("width"), Err(ModelError::Corrupt { .. })));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_an_error_or_a_file_but_never_a_panic(
            position in 0_usize..120, byte in any::<u8>(), length in 0_usize..160
        ) {
            let mut bytes = small_file();
            if let Some(target) = bytes.get_mut(position) {
                *target = byte;
            }
            bytes.truncate(length);
            if let Ok(file) = Gguf::parse(Path::new("m"), bytes) {
                let _ = file.tensor("w").map(|tensor| tensor.bytes.len());
            }
        }
    }
}
