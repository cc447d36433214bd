//! One integration binary: the service against real models and files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod adapters_audio;
mod adapters_image;
mod adapters_pdf;
mod adapters_text;
mod chat;
mod lanes;
mod ocr_engine;
mod service;
