//! Calls with a streamed reply: numbered frames straight to the caller's inbox, a last frame that says so, and
//! cancellation of the work when the caller leaves.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_nats::{Client, HeaderMap, StatusCode, Subscriber};
use futures::{Stream, StreamExt as _};
use orrery_errors::{Error, ErrorCode};
use prost::Message;
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::client::{not_running, unavailable};
use crate::context::deadline_exceeded;
use crate::subjects::{self, HEADER_CALL, HEADER_END, HEADER_FRAME};
use crate::{Bus, CallContext, StreamVerb, wire};

/// Tells the service when the caller leaves before the answer is complete.
#[derive(Debug)]
pub(crate) struct CancelOnDrop {
    client: Client,
    subject: Option<String>,
}

impl CancelOnDrop {
    pub(crate) fn arm(client: &Client, service: &str, headers: &mut HeaderMap) -> Self {
        let call = format!("{:032x}", rand::random::<u128>());
        headers.insert(HEADER_CALL, call.as_str());
        Self { client: client.clone(), subject: Some(subjects::cancel(service, &call)) }
    }

    pub(crate) fn disarm(&mut self) {
        self.subject = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(subject) = self.subject.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let client = self.client.clone();
        runtime.spawn(async move {
            if let Err(error) = client.publish(subject, Vec::new().into()).await {
                tracing::debug!(%error, "a cancellation was not sent; the deadline will end the work");
            }
        });
    }
}

/// The frames of a streamed reply, in order. Ends after the last frame or the first error. Dropping it cancels the work.
#[derive(Debug)]
pub struct ReplyStream<Frame> {
    frames: Subscriber,
    service: &'static str,
    deadline: Pin<Box<Sleep>>,
    next: u64,
    cancel: CancelOnDrop,
    ended: bool,
    types: PhantomData<fn() -> Frame>,
}

impl Bus {
    /// Calls a service that answers with a stream.
    pub async fn call_stream<Req, Frame>(
        &self,
        verb: StreamVerb<Req, Frame>,
        context: &CallContext,
        request: &Req,
    ) -> Result<ReplyStream<Frame>, Error>
    where
        Req: Message,
        Frame: Message + Default,
    {
        let remaining = context.remaining()?;
        let mut headers = HeaderMap::new();
        context.write(&mut headers);
        let cancel = CancelOnDrop::arm(self.client(), verb.service, &mut headers);
        let inbox = self.client().new_inbox();
        let frames = self.client().subscribe(inbox.clone()).await.map_err(|error| unavailable("the bus", &error))?;
        let payload = request.encode_to_vec().into();
        let sent = self.client().publish_with_reply_and_headers(verb.subject, inbox, headers, payload).await;
        sent.map_err(|error| unavailable("the bus", &error))?;
        let deadline = Box::pin(tokio::time::sleep(remaining));
        Ok(ReplyStream { frames, service: verb.service, deadline, next: 0, cancel, ended: false, types: PhantomData })
    }
}

impl<Frame: Message + Default> ReplyStream<Frame> {
    fn finish(&mut self) {
        self.ended = true;
        self.cancel.disarm();
    }

    /// `None`: the message ends the stream and carries no frame.
    fn accept(&mut self, message: &async_nats::Message) -> Option<Result<Frame, Error>> {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            self.finish();
            return Some(Err(not_running(self.service)));
        }
        let header = |name: &str| message.headers.as_ref().and_then(|headers| headers.get(name));
        let number = header(HEADER_FRAME).and_then(|value| value.as_str().parse::<u64>().ok());
        let last = header(HEADER_END).is_some();
        let frame = wire::decode_reply(message);
        if last || frame.is_err() {
            self.finish();
        }
        if frame.is_ok() && number != Some(self.next) {
            // Not `finish`: the work upstream is still going on and must be cancelled.
            self.ended = true;
            let message = format!("frame {} of the answer from {} was lost", self.next, self.service);
            return Some(Err(Error::new(ErrorCode::Unavailable, message)));
        }
        self.next += 1;
        if last && message.payload.is_empty() && frame.is_ok() { None } else { Some(frame) }
    }
}

impl<Frame: Message + Default> Stream for ReplyStream<Frame> {
    type Item = Result<Frame, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        match this.frames.poll_next_unpin(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(this.accept(&message)),
            Poll::Ready(None) => {
                this.ended = true;
                Poll::Ready(Some(Err(unavailable("the bus", &"the connection was closed"))))
            }
            Poll::Pending => match this.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => {
                    this.ended = true;
                    Poll::Ready(Some(Err(deadline_exceeded())))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// Where a handler puts the frames of its answer.
#[derive(Debug)]
pub struct StreamSink<Frame> {
    client: Client,
    inbox: async_nats::Subject,
    next: u64,
    cancelled: CancellationToken,
    types: PhantomData<fn(Frame)>,
}

impl<Frame: Message> StreamSink<Frame> {
    pub(crate) fn new(client: Client, inbox: async_nats::Subject, cancelled: CancellationToken) -> Self {
        Self { client, inbox, next: 0, cancelled, types: PhantomData }
    }

    /// Sends the next frame. An error means that nobody listens any more: stop the work.
    pub async fn send(&mut self, frame: &Frame) -> Result<(), Error> {
        if self.cancelled.is_cancelled() {
            return Err(Error::new(ErrorCode::Cancelled, "the caller has left"));
        }
        let headers = self.headers();
        self.publish(headers, frame.encode_to_vec()).await
    }

    pub(crate) async fn end(mut self, result: Result<(), Error>) -> Result<(), Error> {
        let mut headers = self.headers();
        headers.insert(HEADER_END, "1");
        let body = match result {
            Ok(()) => Vec::new(),
            Err(error) => wire::encode_error(&error, &mut headers).to_vec(),
        };
        self.publish(headers, body).await
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_FRAME, self.next.to_string());
        headers
    }

    async fn publish(&mut self, headers: HeaderMap, payload: Vec<u8>) -> Result<(), Error> {
        self.next += 1;
        let sent = self.client.publish_with_headers(self.inbox.clone(), headers, payload.into()).await;
        sent.map_err(|error| unavailable("the bus", &error))
    }
}
