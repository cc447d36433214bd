//! Logs, traces and metrics, set up once per process, and the trace context that travels in NATS headers.
//!
//! Content (prompts, documents, names) is never recorded here; spans and metrics carry ids, counts and times.

pub mod admin;
mod context;
mod setup;

pub use context::{annotate, extract, extract_http, inject, trace_id, traceparent};
pub use setup::{Guard, STEP_DURATION, TelemetryError, init, init_for_people};
