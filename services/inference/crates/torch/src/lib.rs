//! The models that libtorch executes, as synchronous code: tensors and plain values in, plain values out.
//!
//! Owns loading, device choice and the forward passes. Knows no actor, no runtime and no bus; whoever calls decides
//! on which thread. One folder per model; algorithms that need no tensor (sampling, mel filters, search rules) are
//! in files of their own.

mod byte_level;
mod byte_reader;
pub mod device;
mod error;
mod layers;
pub mod minilm;
mod random;
pub mod silero;
pub mod smollm2;
mod weights;
pub mod whisper;

pub use error::ModelError;
