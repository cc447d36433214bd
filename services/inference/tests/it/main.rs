//! One integration binary: the service against real models, files and servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adapters_audio;
mod adapters_image;
mod adapters_pdf;
mod adapters_text;
mod extract_layouts;
mod lanes;
mod ocr_engine;
mod torch_minilm;
mod torch_models;
mod torch_smollm2;
mod torch_speech;
