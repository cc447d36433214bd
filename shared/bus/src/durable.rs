//! JetStream: publishing that returns once the message is stored, and durable consumers with explicit acknowledgement.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures::StreamExt as _;
use orrery_errors::Error;
use orrery_proto::v1::AuditRecord;
use prost::Message;

use crate::client::unavailable;
use crate::{Bus, subjects};

/// Time for JetStream to store and synchronise one message.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

impl Bus {
    /// Publishes and waits until the stream has stored the message. A second message with the same id is dropped by the
    /// stream for as long as its duplicate window lasts.
    pub async fn publish_durable(&self, subject: String, message_id: &str, payload: Vec<u8>) -> Result<(), Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("JetStream", error);
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, message_id);
        orrery_telemetry::inject(&mut headers);
        let publishing = self.jetstream().publish_with_headers(subject, headers, payload.into());
        let acknowledged = publishing.await.map_err(|error| failed(&error))?;
        match tokio::time::timeout(ACK_TIMEOUT, acknowledged).await {
            Ok(Ok(_ack)) => Ok(()),
            Ok(Err(error)) => Err(failed(&error)),
            Err(elapsed) => Err(failed(&elapsed)),
        }
    }

    /// Sends a record to the transparency log's stream.
    pub async fn audit(&self, record: &AuditRecord) -> Result<(), Error> {
        let subject = subjects::audit_record(&record.service);
        self.publish_durable(subject, &record.id, record.encode_to_vec()).await
    }

    /// Opens a durable pull consumer, creating it if it is not there.
    pub async fn consume(&self, spec: ConsumerSpec) -> Result<Consumer, Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("JetStream", error);
        let stream = self.jetstream().get_stream(spec.stream).await.map_err(|error| failed(&error))?;
        let config = pull::Config {
            durable_name: Some(spec.durable.to_owned()),
            filter_subject: spec.filter,
            ack_policy: AckPolicy::Explicit,
            ack_wait: spec.ack_wait,
            max_ack_pending: spec.pending_max,
            ..pull::Config::default()
        };
        let consumer = stream.get_or_create_consumer(spec.durable, config).await.map_err(|error| failed(&error))?;
        let messages = consumer.messages().await.map_err(|error| failed(&error))?;
        Ok(Consumer { messages })
    }
}

/// A durable consumer.
#[derive(Debug, Clone)]
pub struct ConsumerSpec {
    /// One of the streams in [`subjects`].
    pub stream: &'static str,
    /// Name under which the server keeps the position.
    pub durable: &'static str,
    /// Subject filter; empty: all.
    pub filter: String,
    /// A message that is not acknowledged by then comes again.
    pub ack_wait: Duration,
    /// Messages handed out and not yet acknowledged.
    pub pending_max: i64,
}

/// Messages of a durable consumer, in order.
#[allow(missing_debug_implementations)] // the stream underneath has none
pub struct Consumer {
    messages: pull::Stream,
}

/// One message, which comes again unless it is acknowledged.
#[derive(Debug)]
pub struct Delivery {
    message: async_nats::jetstream::Message,
}

impl Consumer {
    /// The next message. `None` when the connection was closed for good.
    pub async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        let message = self.messages.next().await?;
        Some(match message {
            Ok(message) => Ok(Delivery { message }),
            Err(error) => Err(unavailable("JetStream", &error)),
        })
    }
}

impl Delivery {
    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.message.payload
    }

    /// Where it was published.
    pub fn subject(&self) -> &str {
        &self.message.subject
    }

    /// How often it was delivered, this time included.
    pub fn attempt(&self) -> u64 {
        self.message.info().map_or(1, |info| u64::try_from(info.delivered).unwrap_or(1))
    }

    /// Done: does not come again.
    pub async fn ack(&self) -> Result<(), Error> {
        self.send(AckKind::Ack).await
    }

    /// Not done: comes again after `delay`.
    pub async fn retry(&self, delay: Duration) -> Result<(), Error> {
        self.send(AckKind::Nak(Some(delay))).await
    }

    /// Cannot be done: never comes again.
    pub async fn terminate(&self) -> Result<(), Error> {
        self.send(AckKind::Term).await
    }

    async fn send(&self, kind: AckKind) -> Result<(), Error> {
        self.message.ack_with(kind).await.map_err(|error| unavailable("JetStream", &error))
    }
}
