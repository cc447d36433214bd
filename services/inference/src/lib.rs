//! Models on libtorch and ONNX Runtime behind one API: bytes and a media type in, typed content out.

pub mod adapters;
pub mod config;
pub mod domain;
pub mod extract;
pub mod inbound;
pub mod lanes;
pub mod models;
pub mod ocr;
pub mod torch;
mod tree;

pub use tree::tree;
