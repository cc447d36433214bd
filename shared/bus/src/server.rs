//! Serving calls: registered with the NATS services API, one queue group per service, bounded work per call, deadlines
//! and cancellation honoured, and a drain that finishes what was accepted.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::service::{Request, ServiceExt as _};
use async_nats::{Client, HeaderMap};
use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use orrery_types::TenantId;
use parking_lot::Mutex;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::client::unavailable;
use crate::context::deadline_exceeded;
use crate::subjects::{self, HEADER_CALL};
use crate::tenant_verb::Encoding;
use crate::{Bus, CallContext, StreamSink, StreamVerb, TenantVerb, Verb, wire};

const OVERLOAD_HINT: Duration = Duration::from_millis(200);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = Arc<dyn Fn(Call) -> Work + Send + Sync>;

/// A request that was accepted.
struct Call {
    client: Client,
    request: Request,
    context: CallContext,
    cancelled: CancellationToken,
}

struct Endpoint {
    name: &'static str,
    subject: &'static str,
    limit: usize,
    handler: Handler,
}

/// The calls that a service answers. Handlers must be safe to drop at any `await`: that is how a deadline or a caller
/// that left ends them.
#[allow(missing_debug_implementations)] // handlers are closures
pub struct Server {
    bus: Bus,
    service: &'static str,
    version: &'static str,
    endpoints: Vec<Endpoint>,
}

impl Server {
    /// A server for `service`, whose calls it may answer.
    pub fn new(bus: &Bus, service: &'static str, version: &'static str) -> Self {
        Self { bus: bus.clone(), service, version, endpoints: Vec::new() }
    }

    /// Answers `verb`, at most `limit` calls at once; more are turned away with a retry hint.
    #[must_use]
    pub fn handle<Req, Rep, H, F>(mut self, verb: Verb<Req, Rep>, limit: usize, handler: H) -> Self
    where
        Req: Message + Default + 'static,
        Rep: Message + 'static,
        H: Fn(CallContext, Req) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Rep, Error>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let endpoint: Handler = Arc::new(move |call: Call| {
            let handler = handler.clone();
            Box::pin(async move {
                let decoded = wire::decode::<Req>(&call.request.message.payload);
                let answer = match (decoded, call.context.remaining()) {
                    (Err(error), _) | (_, Err(error)) => Err(error),
                    (Ok(request), Ok(remaining)) => tokio::select! {
                        answer = handler(call.context.clone(), request) => answer,
                        () = tokio::time::sleep(remaining) => Err(deadline_exceeded()),
                        () = call.cancelled.cancelled() => Err(Error::new(ErrorCode::Cancelled, "the caller has left")),
                    },
                };
                respond(&call.client, &call.request, answer).await;
            })
        });
        self.endpoints.push(Endpoint { name: verb.name, subject: verb.subject, limit, handler: endpoint });
        self
    }

    /// Answers `verb` with a stream of frames, at most `limit` calls at once.
    #[must_use]
    pub fn handle_stream<Req, Frame, H, F>(mut self, verb: StreamVerb<Req, Frame>, limit: usize, handler: H) -> Self
    where
        Req: Message + Default + 'static,
        Frame: Message + 'static,
        H: Fn(CallContext, Req, FrameSender<Frame>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let endpoint: Handler = Arc::new(move |call: Call| {
            let handler = handler.clone();
            Box::pin(async move {
                let Some(inbox) = call.request.message.reply.clone() else { return };
                let sink = StreamSink::new(call.client.clone(), inbox, call.cancelled.clone());
                let sender = FrameSender(Arc::new(tokio::sync::Mutex::new(Some(sink))));
                let decoded = wire::decode::<Req>(&call.request.message.payload);
                let result = match (decoded, call.context.remaining()) {
                    (Err(error), _) | (_, Err(error)) => Err(error),
                    (Ok(request), Ok(remaining)) => tokio::select! {
                        result = handler(call.context.clone(), request, sender.clone()) => result,
                        () = tokio::time::sleep(remaining) => Err(deadline_exceeded()),
                        () = call.cancelled.cancelled() => Err(Error::new(ErrorCode::Cancelled, "the caller has left")),
                    },
                };
                // The handler's own work may outlive it by a moment; it learns here that nobody listens.
                call.cancelled.cancel();
                let sink = sender.0.lock().await.take();
                if let Some(sink) = sink
                    && let Err(error) = sink.end(result).await
                {
                    tracing::debug!(%error, "the end of a streamed answer was not sent");
                }
            })
        });
        self.endpoints.push(Endpoint { name: verb.name, subject: verb.subject, limit, handler: endpoint });
        self
    }

    /// Answers `verb` for other systems, in the encoding in which they ask, at most `limit` calls at once.
    #[must_use]
    pub fn handle_tenant<Req, Rep, H, F>(mut self, verb: TenantVerb<Req, Rep>, limit: usize, handler: H) -> Self
    where
        Req: Message + Default + DeserializeOwned + 'static,
        Rep: Message + Serialize + 'static,
        H: Fn(TenantId, Req) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Rep, Error>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let endpoint: Handler = Arc::new(move |call: Call| {
            let handler = handler.clone();
            Box::pin(async move {
                let message = &call.request.message;
                let encoding = Encoding::of(message.headers.as_ref());
                let decoded =
                    verb.tenant(&message.subject).and_then(|it| Ok((it, encoding.decode::<Req>(&message.payload)?)));
                let answer = match (decoded, call.context.remaining()) {
                    (Err(error), _) | (_, Err(error)) => Err(error),
                    (Ok((tenant, request)), Ok(remaining)) => tokio::select! {
                        answer = handler(tenant, request) => answer,
                        () = tokio::time::sleep(remaining) => Err(deadline_exceeded()),
                    },
                };
                respond_encoded(&call.client, &call.request, encoding, answer).await;
            })
        });
        self.endpoints.push(Endpoint { name: verb.name, subject: verb.subject, limit, handler: endpoint });
        self
    }

    /// Registers the service and begins to answer.
    pub async fn start(self) -> Result<RunningServer, Error> {
        let failed = |error: async_nats::Error| unavailable("the bus", &error);
        let client = self.bus.client().clone();
        let service = client
            .service_builder()
            .queue_group(self.service)
            .description(format!("Orrery {}", self.service))
            .start(format!("orrery-{}", self.service), self.version)
            .await
            .map_err(failed)?;
        let calls = Calls::default();
        let tracker = TaskTracker::new();
        let mut loops = JoinSet::new();
        let leavers = client.subscribe(subjects::cancel(self.service, "*")).await;
        let leavers = leavers.map_err(|error| unavailable("the bus", &error))?;
        loops.spawn(cancel_those_who_left(leavers, calls.clone()));
        for endpoint in self.endpoints {
            let builder = service.endpoint_builder().name(endpoint.name);
            let requests = builder.add(endpoint.subject).await.map_err(failed)?;
            loops.spawn(accept(client.clone(), requests, endpoint, calls.clone(), tracker.clone()));
        }
        // Subscriptions are sent asynchronously; after this the service is really reachable.
        client.flush().await.map_err(|error| unavailable("the bus", &error))?;
        Ok(RunningServer { service, loops, tracker })
    }
}

/// Sends the frames of one streamed answer; may be cloned into the work that makes them.
#[derive(Debug)]
pub struct FrameSender<Frame>(Arc<tokio::sync::Mutex<Option<StreamSink<Frame>>>>);

impl<Frame> Clone for FrameSender<Frame> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Frame: Message> FrameSender<Frame> {
    /// Sends the next frame. An error means that nobody listens any more: stop the work.
    pub async fn send(&self, frame: &Frame) -> Result<(), Error> {
        match self.0.lock().await.as_mut() {
            Some(sink) => sink.send(frame).await,
            None => Err(Error::new(ErrorCode::Cancelled, "the answer has already ended")),
        }
    }
}

/// A server that answers. Dropping it stops it at once.
#[allow(missing_debug_implementations)] // async_nats::Service has none
pub struct RunningServer {
    service: async_nats::service::Service,
    loops: JoinSet<()>,
    tracker: TaskTracker,
}

impl RunningServer {
    /// Resolves when an endpoint has ended, which it does only when the connection is closed or its loop panicked.
    pub async fn failed(&mut self) -> Error {
        let ended = self.loops.join_next().await;
        let how = match ended {
            Some(Err(error)) if error.is_panic() => "panicked",
            _ => "ended",
        };
        Error::new(ErrorCode::Unavailable, format!("an endpoint of the bus server {how}"))
    }

    /// Takes no new calls and finishes those accepted, for at most `deadline`. Returns how many were abandoned.
    pub async fn drain(mut self, deadline: Duration) -> usize {
        if let Err(error) = self.service.stop().await {
            tracing::debug!(%error, "the service was not deregistered");
        }
        self.tracker.close();
        let in_time = tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok();
        let abandoned = if in_time { 0 } else { self.tracker.len() };
        self.loops.abort_all();
        abandoned
    }
}

/// The calls under way that can be cancelled, by the name that the caller gave them.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<HashMap<String, CancellationToken>>>);

impl Calls {
    fn enter(&self, headers: Option<&HeaderMap>) -> (Option<String>, CancellationToken) {
        let token = CancellationToken::new();
        let call = headers.and_then(|headers| headers.get(HEADER_CALL)).map(|value| value.as_str().to_owned());
        if let Some(call) = &call {
            self.0.lock().insert(call.clone(), token.clone());
        }
        (call, token)
    }

    fn leave(&self, call: Option<String>) {
        if let Some(call) = call {
            self.0.lock().remove(&call);
        }
    }

    fn cancel(&self, call: &str) {
        if let Some(token) = self.0.lock().get(call) {
            token.cancel();
        }
    }
}

async fn cancel_those_who_left(mut leavers: async_nats::Subscriber, calls: Calls) {
    while let Some(message) = leavers.next().await {
        if let Some(call) = message.subject.rsplit('.').next() {
            calls.cancel(call);
        }
    }
}

async fn accept(
    client: Client,
    mut requests: async_nats::service::endpoint::Endpoint,
    endpoint: Endpoint,
    calls: Calls,
    tracker: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(endpoint.limit));
    while let Some(request) = requests.next().await {
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            let message = format!("{} calls of {} are under way already", endpoint.limit, endpoint.name);
            let overloaded = Error::new(ErrorCode::Overloaded, message).retry_after(OVERLOAD_HINT);
            respond::<orrery_proto::v1::Error>(&client, &request, Err(overloaded)).await;
            continue;
        };
        let headers = request.message.headers.as_ref();
        let context = CallContext::read(headers);
        let (name, cancelled) = calls.enter(headers);
        let span = tracing::info_span!("bus.serve", otel.kind = "server", rpc.method = endpoint.name);
        if let Some(headers) = headers {
            orrery_telemetry::extract(headers, &span);
        }
        let work = (endpoint.handler)(Call { client: client.clone(), request, context, cancelled });
        let calls = calls.clone();
        let serving = async move {
            let _slot = slot;
            let _left = LeaveOnDrop { calls, name };
            work.await;
        };
        tracker.spawn(serving.instrument(span));
    }
}

/// Forgets the call however its handler ends, a panic included.
struct LeaveOnDrop {
    calls: Calls,
    name: Option<String>,
}

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        self.calls.leave(self.name.take());
    }
}

async fn respond<Rep: Message>(client: &Client, request: &Request, answer: Result<Rep, Error>) {
    let mut headers = HeaderMap::new();
    let body = match answer.and_then(|reply| fitting(client, &reply)) {
        Ok(body) => body,
        Err(error) => {
            tracing::debug!(error.code = %error.code, %error, "call failed");
            wire::encode_error(&error, &mut headers)
        }
    };
    if let Err(error) = request.respond_with_headers(Ok(body), headers).await {
        tracing::warn!(%error, "a reply was not sent; the caller will see its deadline");
    }
}

async fn respond_encoded<Rep: Message + Serialize>(
    client: &Client,
    request: &Request,
    encoding: Encoding,
    answer: Result<Rep, Error>,
) {
    let mut headers = HeaderMap::new();
    let encoded = answer.and_then(|reply| encoding.encode(&reply, &mut headers));
    let body = match encoded.and_then(|body| within_limit(client, body.len()).map(|()| body)) {
        Ok(body) => body,
        Err(error) => {
            tracing::debug!(error.code = %error.code, %error, "call failed");
            encoding.encode_error(&error, &mut headers)
        }
    };
    if let Err(error) = request.respond_with_headers(Ok(body), headers).await {
        tracing::warn!(%error, "a reply was not sent; the caller will see its deadline");
    }
}

/// Bytes of a message that its headers may take.
const HEADERS_BYTES: usize = 4096;

/// The reply's bytes, unless the server would refuse a message of that size.
fn fitting<Rep: Message>(client: &Client, reply: &Rep) -> Result<bytes::Bytes, Error> {
    within_limit(client, reply.encoded_len())?;
    Ok(reply.encode_to_vec().into())
}

fn within_limit(client: &Client, size: usize) -> Result<(), Error> {
    let limit = client.server_info().max_payload.saturating_sub(HEADERS_BYTES);
    if size > limit {
        let message = format!("the answer has {size} bytes and a message holds {limit}; ask for less at a time");
        return Err(Error::new(ErrorCode::PayloadTooLarge, message));
    }
    Ok(())
}
