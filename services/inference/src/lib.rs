//! Models on libtorch and ONNX Runtime behind one API: bytes and a media type in, typed content out.

pub mod adapters;
pub mod domain;
pub mod extract;
pub mod ocr;
pub mod torch;
