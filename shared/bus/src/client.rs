//! The connection, and calls with one reply.

use std::time::Duration;

use async_nats::client::{RequestError, RequestErrorKind};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Request};
use orrery_errors::{Error, ErrorCode};
use orrery_types::TenantId;
use prost::Message;
use tokio::sync::watch;
use tracing::Instrument as _;

use crate::context::deadline_exceeded;
use crate::stream::CancelOnDrop;
use crate::{CallContext, TenantVerb, Verb, subjects, wire};

/// A hint for callers of a service that is restarting.
const RESTART_HINT: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that leaves three of these unanswered is gone, even if the connection seems whole.
const PING: Duration = Duration::from_secs(5);

/// How to connect.
#[derive(Debug, Clone)]
pub struct BusOptions {
    /// For example `nats://127.0.0.1:4222`.
    pub url: String,
    /// NATS user: the service's name.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// A connection to the bus as one user. Cheap to clone; reconnects by itself.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    jetstream: async_nats::jetstream::Context,
    user: String,
    breaks: watch::Receiver<u64>,
}

impl Bus {
    /// Connects, and retries for ten seconds while the server is starting.
    pub async fn connect(options: BusOptions) -> Result<Self, Error> {
        let (broke, breaks) = watch::channel(0);
        let broke = std::sync::Arc::new(broke);
        let connecting = ConnectOptions::with_user_and_password(options.user.clone(), options.password)
            .name(format!("orrery-{}", options.user))
            .custom_inbox_prefix(subjects::inbox_prefix(&options.user))
            .connection_timeout(Duration::from_secs(2))
            .ping_interval(PING)
            .max_reconnects(None)
            .reconnect_delay_callback(|attempt| Duration::from_millis((50 * attempt as u64).min(1_000)))
            .event_callback(move |event| {
                if matches!(event, Event::Disconnected) {
                    broke.send_modify(|breaks| *breaks += 1);
                }
                async move { tracing::info!(%event, "bus connection") }
            });
        let deadline = tokio::time::Instant::now() + CONNECT_TIMEOUT;
        loop {
            match connecting_once(&connecting, &options.url).await {
                Ok(client) => {
                    let jetstream = async_nats::jetstream::new(client.clone());
                    return Ok(Self { client, jetstream, user: options.user, breaks });
                }
                Err(error) if tokio::time::Instant::now() >= deadline => {
                    let message = format!("cannot connect to NATS at {} as {}: {error}", options.url, options.user);
                    return Err(Error::new(ErrorCode::Unavailable, message));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// The user that this connection acts as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The NATS client underneath, for what has no typed call.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// JetStream over the same connection.
    pub fn jetstream(&self) -> &async_nats::jetstream::Context {
        &self.jetstream
    }

    /// Whether the server is reachable right now.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Changes whenever the connection breaks.
    pub fn breaks(&self) -> watch::Receiver<u64> {
        self.breaks.clone()
    }

    /// Calls a service and waits for its reply, at most until the deadline. Dropping the future cancels the work. A
    /// connection that breaks meanwhile ends the wait at once: the reply may have been on the way and is lost.
    pub async fn call<Req, Rep>(&self, verb: Verb<Req, Rep>, context: &CallContext, request: &Req) -> Result<Rep, Error>
    where
        Req: Message,
        Rep: Message + Default,
    {
        let span =
            tracing::info_span!("bus.call", otel.kind = "client", rpc.service = verb.service, rpc.method = verb.name);
        let calling = async {
            let remaining = context.remaining()?;
            let mut headers = HeaderMap::new();
            context.write(&mut headers);
            let mut cancel = CancelOnDrop::arm(&self.client, verb.service, &mut headers);
            let request =
                Request::new().headers(headers).payload(request.encode_to_vec().into()).timeout(Some(remaining));
            let mut breaks = self.breaks.clone();
            breaks.mark_unchanged();
            let sent = tokio::select! {
                sent = self.client.send_request(verb.subject, request) => sent,
                Ok(()) = breaks.changed() => return Err(broken_off(verb.service)),
            };
            if !sent.as_ref().is_err_and(|error| error.kind() == RequestErrorKind::TimedOut) {
                cancel.disarm();
            }
            wire::decode_reply(&sent.map_err(|error| request_error(verb.service, &error))?)
        };
        calling.instrument(span).await
    }

    /// Makes a call of a tenant's workers in the tenant's name, for a worker that serves every tenant.
    pub async fn call_as_worker<Req, Rep>(
        &self,
        tenant: &TenantId,
        verb: TenantVerb<Req, Rep>,
        context: &CallContext,
        request: &Req,
    ) -> Result<Rep, Error>
    where
        Req: Message,
        Rep: Message + Default,
    {
        let remaining = context.remaining()?;
        let mut headers = HeaderMap::new();
        context.write(&mut headers);
        let request = Request::new().headers(headers).payload(request.encode_to_vec().into()).timeout(Some(remaining));
        let sent = self.client.send_request(verb.subject_of(tenant), request).await;
        wire::decode_reply(&sent.map_err(|error| request_error("kernel", &error))?)
    }

    /// Publishes on a subject without waiting for anyone. For what may be lost, such as health reports.
    pub async fn publish(&self, subject: String, payload: Vec<u8>) -> Result<(), Error> {
        self.client.publish(subject, payload.into()).await.map_err(|error| unavailable("the bus", &error))
    }

    /// Listens on a subject for what may be lost. `None` from the stream means that the connection was closed.
    pub async fn subscribe(&self, subject: String) -> Result<async_nats::Subscriber, Error> {
        self.client.subscribe(subject).await.map_err(|error| unavailable("the bus", &error))
    }
}

async fn connecting_once(options: &ConnectOptions, url: &str) -> Result<Client, async_nats::ConnectError> {
    options.clone().connect(url).await
}

pub(crate) fn unavailable(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::Unavailable, format!("{what} is not available: {error}")).retry_after(RESTART_HINT)
}

pub(crate) fn not_running(service: &str) -> Error {
    Error::new(ErrorCode::Unavailable, format!("the {service} service is not running or still starting"))
        .retry_after(RESTART_HINT)
}

fn broken_off(service: &str) -> Error {
    let message = format!("the connection to the bus broke off before the {service} service had answered");
    Error::new(ErrorCode::Unavailable, message).retry_after(RESTART_HINT)
}

fn request_error(service: &str, error: &RequestError) -> Error {
    match error.kind() {
        RequestErrorKind::NoResponders => not_running(service),
        RequestErrorKind::TimedOut => deadline_exceeded(),
        RequestErrorKind::MaxPayloadExceeded => Error::new(
            ErrorCode::PayloadTooLarge,
            format!("the request to {service} is larger than a message may be; send large payloads as blobs"),
        ),
        RequestErrorKind::InvalidSubject | RequestErrorKind::Other => {
            unavailable(&format!("the {service} service"), error)
        }
    }
}
