//! The two layers that every transformer here is made of. All calls are fallible: libtorch's errors are typed, not
//! panics.

use tch::{TchError, Tensor};

use super::ModelError;
use super::weights::Weights;

/// `x · Wᵀ + b`.
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub(crate) fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// Takes `{prefix}{weight}` of `[outputs, inputs]` and `{prefix}{bias}` of `[outputs]`.
    pub(crate) fn take(weights: &mut Weights, prefix: &str, outputs: i64, inputs: i64) -> Result<Self, ModelError> {
        let weight = weights.take(&format!("{prefix}weight"), &[outputs, inputs])?;
        let bias = weights.take(&format!("{prefix}bias"), &[outputs])?;
        Ok(Self::new(weight, Some(bias)))
    }

    /// Stacks layers of the same input, so that one product computes them all.
    pub(crate) fn stack(layers: &[Self]) -> Result<Self, TchError> {
        let weights: Vec<&Tensor> = layers.iter().map(|layer| &layer.weight).collect();
        let biases: Vec<&Tensor> = layers.iter().filter_map(|layer| layer.bias.as_ref()).collect();
        let bias = if biases.is_empty() { None } else { Some(Tensor::f_cat(&biases, 0)?) };
        Ok(Self::new(Tensor::f_cat(&weights, 0)?, bias))
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_linear(&self.weight, self.bias.as_ref())
    }
}

/// Layer normalisation over the last dimension.
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    width: i64,
    epsilon: f64,
}

impl LayerNorm {
    pub(crate) fn take(
        weights: &mut Weights,
        names: (&str, &str),
        width: i64,
        epsilon: f64,
    ) -> Result<Self, ModelError> {
        Ok(Self { weight: weights.take(names.0, &[width])?, bias: weights.take(names.1, &[width])?, width, epsilon })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_layer_norm([self.width], Some(&self.weight), Some(&self.bias), self.epsilon, false)
    }
}
