//! Triton: the Open Inference Protocol, version 2, and its generate extension over a vLLM or TensorRT-LLM model.

use serde_json::{Value, json};

use crate::http::{Request, Vendor, data};

pub const VENDOR: Vendor = Vendor {
    prefix: "/v2",
    stream_type: "text/event-stream; charset=utf-8",
    admits: |_| Ok(()),
    streams: |request| request.path.ends_with("/generate_stream"),
    answers,
    opens: Vec::new,
    word: |text| data(&generated(text, "None")),
    closes: |_| data(&last("", "stop", 0)),
};

fn answers(request: &Request, text: &str) -> Value {
    if request.path.ends_with("/infer") {
        let count = request.body["inputs"][0]["data"].as_array().map_or(0, Vec::len);
        let numbers: Vec<f64> = (0..count).flat_map(|at| [3.0, 4.0 + at as f64]).collect();
        let name = request.body["outputs"][0]["name"].clone();
        return json!({"model_name": "m", "model_version": "7",
            "outputs": [{"name": name, "datatype": "FP32", "shape": [count, 2], "data": numbers}]});
    }
    last(text, "stop", text.split_whitespace().count())
}

/// A part of a text, with what the vLLM backend adds where it was asked to.
pub fn generated(text: &str, finish_reason: &str) -> Value {
    json!({"model_name": "m", "model_version": "7", "text_output": text, "finish_reason": finish_reason,
        "num_input_tokens": 3, "num_output_tokens": 1})
}

/// The last part, or the whole.
pub fn last(text: &str, finish_reason: &str, output_tokens: usize) -> Value {
    let mut reply = generated(text, finish_reason);
    reply["num_output_tokens"] = json!(output_tokens);
    reply
}
