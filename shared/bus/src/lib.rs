//! The bus: every subject, stream and bucket name, the envelope (deadline, idempotency key, trace, cancellation), and
//! typed clients and servers over NATS. No other crate spells a subject.

pub mod access;
mod access_config;
mod blobs;
mod client;
mod context;
mod durable;
mod event;
mod provision;
mod server;
mod snapshots;
mod stream;
pub mod subjects;
mod tenant_verb;
mod verb;
pub mod verbs;
mod wire;
mod work;

pub use access_config::{Credentials, server_config};
pub use blobs::{BlobInfo, BlobReader, Blobs};
pub use client::{Bus, BusOptions};
pub use context::{CallContext, DEFAULT_DEADLINE};
pub use durable::{Consumer, ConsumerSpec, Delivery};
pub use event::CloudEvent;
pub use provision::{ProvisionOptions, provision};
pub use server::{FrameSender, RunningServer, Server};
pub use stream::ReplyStream;
use stream::StreamSink;
pub use tenant_verb::TenantVerb;
pub use verb::{StreamVerb, Verb};
pub use work::{ANNOUNCED_MAX, MODEL_BATCHES, WORK_ACK_WAIT, WorkQueue, is_platform_queue};
