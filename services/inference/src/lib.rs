//! Models on libtorch and ONNX Runtime behind one API: bytes and a media type in, typed content out.

pub mod config;
pub mod domain;
pub mod inbound;
pub mod lanes;
pub mod models;
mod tree;

pub use tree::tree;
