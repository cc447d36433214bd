//! Models on libtorch and ONNX Runtime behind one API: bytes and a media type in, typed content out.

pub mod domain;
