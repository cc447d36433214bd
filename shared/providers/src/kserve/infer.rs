//! Embeddings by `infer`: texts and vectors as JSON tensors.

use orrery_errors::Error;
use orrery_proto::v1::EmbedInput;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Kserve;
use crate::conversation::refuse;
use crate::failure::broken;
use crate::{Answer, Order, embedding};

/// How the tensors of an embedding model are called and shaped.
#[derive(Debug)]
pub(super) struct Tensors {
    pub input: String,
    pub output: String,
    pub is_column: bool,
}

#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    model_version: String,
    outputs: Vec<Tensor>,
}

#[derive(Debug, Deserialize)]
struct Tensor {
    name: String,
    datatype: String,
    shape: Vec<usize>,
    #[serde(default)]
    data: Vec<Value>,
}

impl Kserve {
    pub(super) async fn embed(&self, order: &Order, input: &EmbedInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        // What a text is embedded for makes no difference to such a model.
        refuse(name, &[(input.dimensions > 0, "a number of dimensions (dimensions)")])?;
        let Tensors { input: tensor, output, is_column } = &self.tensors;
        let texts = input.texts.len();
        let shape = if *is_column { vec![texts, 1] } else { vec![texts] };
        let body = json!({
            "id": order.call_id,
            "inputs": [{"name": tensor, "datatype": "BYTES", "shape": shape, "data": input.texts}],
            "outputs": [{"name": output}],
        });
        let (reply, quota): (Reply, _) = self.upstream.exchange(self.post("infer", order, &body)).await?;
        let wrong = |what: String| broken(name, what);
        let tensor = reply.outputs.into_iter().find(|tensor| tensor.name == *output);
        let tensor = tensor.ok_or_else(|| wrong(format!("its reply has no tensor {output:?}")))?;
        let vectors = tensor.vectors(texts).map_err(wrong)?;
        let mut answer = embedding::answer(name, order, input, vectors, None, quota)?;
        for model in answer.models.iter_mut().filter(|_| !reply.model_version.is_empty()) {
            model.version.clone_from(&reply.model_version);
        }
        Ok(answer)
    }
}

impl Tensor {
    /// Its rows, one for each text.
    fn vectors(self, texts: usize) -> Result<Vec<Vec<f32>>, String> {
        let Self { name, datatype, shape, data } = self;
        let &[rows, columns] = shape.as_slice() else {
            return Err(format!("tensor {name:?} has the shape {shape:?}; it must be [texts, dimensions]"));
        };
        if rows != texts || columns == 0 || !["FP32", "FP64"].contains(&datatype.as_str()) {
            return Err(format!("tensor {name:?} is {datatype} {shape:?} for {texts} texts; it must be FP32"));
        }
        let mut numbers = Vec::new();
        flatten(data, &mut numbers, rows.saturating_mul(columns))
            .ok_or_else(|| format!("tensor {name:?} holds other than {rows} times {columns} numbers"))?;
        Ok(numbers.chunks(columns).map(<[f32]>::to_vec).collect())
    }
}

/// Numbers, which may stand in lists of lists. None when there are not so many.
#[allow(clippy::cast_possible_truncation)] // the tensor is FP32
fn flatten(data: Vec<Value>, numbers: &mut Vec<f32>, count: usize) -> Option<()> {
    for value in data {
        match value {
            Value::Number(number) => numbers.push(number.as_f64()? as f32),
            Value::Array(row) => {
                for value in row {
                    numbers.push(value.as_f64()? as f32);
                }
            }
            _ => return None,
        }
    }
    (numbers.len() == count).then_some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn tensor(shape: &[usize], data: Value) -> Tensor {
        serde_json::from_value(json!({"name": "e", "datatype": "FP32", "shape": shape, "data": data})).unwrap()
    }

    #[test]
    fn tensors_are_flat_or_nested_and_have_their_shape() {
        let expected = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
        assert_eq!(tensor(&[2, 2], json!([1, 2.0, 3, 4])).vectors(2).unwrap(), expected);
        assert_eq!(tensor(&[2, 2], json!([[1, 2], [3, 4]])).vectors(2).unwrap(), expected);
        for (shape, data) in [
            (vec![2, 2], json!([1, 2, 3])),
            (vec![4], json!([1, 2, 3, 4])),
            (vec![1, 4], json!([1, 2, 3, 4])),
            (vec![2, 0], json!([])),
            (vec![2, 2], json!([1, 2, 3, "x"])),
            (vec![2, usize::MAX], json!([1])),
        ] {
            assert!(tensor(&shape, data).vectors(2).is_err());
        }
    }

    proptest! {
        #[test]
        fn rows_are_as_many_and_as_long_as_the_shape_says(
            rows in 0usize..8, columns in 0usize..8, data in proptest::collection::vec(-1e3f32..1e3, 0..64), texts in 0usize..8,
        ) {
            if let Ok(vectors) = tensor(&[rows, columns], json!(data)).vectors(texts) {
                prop_assert_eq!(vectors.len(), texts);
                prop_assert!(vectors.iter().all(|vector| vector.len() == columns));
            }
        }
    }
}
