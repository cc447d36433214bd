//! The modality adapters behind lanes: one for what needs eyes, one for what needs ears, one for what needs neither, so
//! that none waits for another.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::queue::{BatchLimits, QueueLimits};
use crate::lanes::{Backend, Ticket};
use orrery_adapters::{AdapterError, Input, Registry};
use orrery_content::Content;
use orrery_content::capability::Interrupt;

const QUEUE: QueueLimits = QueueLimits { requests_max: 128, cost_max: 512 << 20 };

/// Which lane a payload takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadKind {
    /// Pictures and documents.
    Vision,
    /// Recordings.
    Speech,
    /// Recordings that may keep a machine busy for minutes.
    LongSpeech,
    /// Text and records.
    Plain,
}

impl ReadKind {
    /// By the type that the bytes really have.
    pub fn of(registry: &Registry, bytes: &[u8], declared: &str) -> Result<Self, AdapterError> {
        let media_type = registry.settle(bytes, declared)?;
        Ok(match media_type.split_once('/') {
            Some(("image", _)) | Some(("application", "pdf")) => Self::Vision,
            Some(("audio", kind)) if bytes.len() > short_bytes_max(kind) => Self::LongSpeech,
            Some(("audio", _)) => Self::Speech,
            _ => Self::Plain,
        })
    }
}

/// Bytes of a recording that is surely short: a minute or two of speech, by how densely the format packs it.
fn short_bytes_max(kind: &str) -> usize {
    match kind {
        "wav" => 4 << 20,
        "flac" => 2 << 20,
        _ => 512 << 10,
    }
}

/// A payload that a lane may hold.
#[derive(Debug)]
pub struct OwnedInput {
    /// The payload.
    pub bytes: Vec<u8>,
    /// As declared by the sender.
    pub media_type: String,
    /// JSON Schema for structured input.
    pub schema: Option<Value>,
}

/// The adapters, as one lane sees them.
#[derive(Debug, Clone)]
pub struct ReadBackend(Arc<Registry>);

impl ReadBackend {
    /// Over the adapters that all lanes share.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self(registry)
    }
}

impl Backend for ReadBackend {
    type Request = OwnedInput;
    type Reply = Content;

    fn cost(&self, request: &OwnedInput) -> u64 {
        request.bytes.len() as u64
    }

    fn batch_limits(&self) -> BatchLimits {
        BatchLimits { requests_max: 1, cost_max: u64::MAX }
    }

    fn queue_limits(&self) -> QueueLimits {
        QUEUE
    }

    fn run(&self, batch: Vec<Ticket<OwnedInput, Content>>) {
        for ticket in batch {
            ticket.answer_with(|request, cancelled| {
                let is_left = || cancelled.is_cancelled();
                let OwnedInput { bytes, media_type, schema } = request;
                let input = Input {
                    bytes: &bytes,
                    media_type: &media_type,
                    schema: schema.as_ref(),
                    interrupt: Interrupt::new(&is_left),
                };
                self.0.read(input).map_err(Into::into)
            });
        }
    }
}
