//! Reads little-endian fields out of a model file held in memory. Every read checks its bounds.

use std::path::Path;

use super::ModelError;

pub(crate) struct ByteReader<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    position: usize,
}

macro_rules! little_endian {
    ($($name:ident),+) => {
        $(pub(crate) fn $name(&mut self) -> Result<$name, ModelError> {
            self.array().map($name::from_le_bytes)
        })+
    };
}

#[allow(non_camel_case_types)]
impl<'a> ByteReader<'a> {
    pub(crate) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes, position: 0 }
    }

    little_endian!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], ModelError> {
        let taken =
            self.position.checked_add(length).and_then(|end| self.bytes.get(self.position..end)).ok_or_else(|| {
                self.corrupt(format!(
                    "{length} bytes are needed at offset {}, the file ends at {}",
                    self.position,
                    self.bytes.len()
                ))
            })?;
        self.position += length;
        Ok(taken)
    }

    pub(crate) fn text(&mut self, length: usize) -> Result<String, ModelError> {
        let offset = self.position;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.corrupt(format!("the text at offset {offset} is not UTF-8")))
    }

    pub(crate) fn corrupt(&self, reason: impl Into<String>) -> ModelError {
        ModelError::corrupt(self.path, reason)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_little_endian_and_the_end_is_an_error() {
        let bytes = [1, 0, 2, 0, 0, 0, b'h', b'i'];
        let mut reader = ByteReader::new(Path::new("m"), &bytes);
        assert_eq!(reader.u16().ok(), Some(1));
        assert_eq!(reader.u32().ok(), Some(2));
        assert_eq!(reader.text(2).ok().as_deref(), Some("hi"));
        assert!(matches!(reader.u8(), Err(ModelError::Corrupt { .. })));
        assert!(matches!(reader.take(usize::MAX), Err(ModelError::Corrupt { .. })));
    }
}
