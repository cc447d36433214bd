//! Named tensors of one model file, handed out one by one with their shape checked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use super::ModelError;
use super::error::read_file;

pub(crate) struct Weights {
    path: PathBuf,
    tensors: HashMap<String, Tensor>,
}

impl Weights {
    pub(crate) fn new(path: &Path, tensors: HashMap<String, Tensor>) -> Self {
        Self { path: path.to_owned(), tensors }
    }

    /// Reads a safetensors file into 32-bit floats on `device`.
    pub(crate) fn from_safetensors(path: &Path, device: Device) -> Result<Self, ModelError> {
        let bytes = read_file(path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| ModelError::corrupt(path, error.to_string()))?;
        let mut tensors = HashMap::new();
        for (name, view) in file.tensors() {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::F16 => Kind::Half,
                Dtype::BF16 => Kind::BFloat16,
                // Position ids and other buffers are no weights.
                _ => continue,
            };
            let shape = view
                .shape()
                .iter()
                .map(|&extent| i64::try_from(extent))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| ModelError::corrupt(path, format!("{name} is too large")))?;
            let tensor =
                Tensor::f_from_data_size(view.data(), &shape, kind)?.f_to_device(device)?.f_to_kind(Kind::Float)?;
            tensors.insert(name, tensor);
        }
        Ok(Self::new(path, tensors))
    }

    /// Hands out the tensor `name`, which must have exactly `shape`.
    pub(crate) fn take(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, ModelError> {
        let tensor = self
            .tensors
            .remove(name)
            .ok_or_else(|| ModelError::MissingTensor { path: self.path.clone(), name: name.to_owned() })?;
        let found = tensor.size();
        if found != shape {
            return Err(ModelError::WrongShape {
                path: self.path.clone(),
                name: name.to_owned(),
                expected: shape.to_vec(),
                found,
            });
        }
        Ok(tensor)
    }

    /// How many layers are there, counted by names such as `encoder/layer_3/…` for the prefix `encoder/layer_`.
    pub(crate) fn layers(&self, prefix: &str) -> usize {
        let index = |name: &String| -> Option<usize> {
            let rest = name.strip_prefix(prefix)?;
            rest.split(['/', '.']).next()?.parse().ok()
        };
        self.tensors.keys().filter_map(index).max().map_or(0, |last| last + 1)
    }
}
