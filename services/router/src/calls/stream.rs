//! A streamed call. Candidates are tried until the first piece is there; after it there is no way back.

use std::sync::Arc;

use futures::StreamExt as _;
use orrery_bus::FrameSender;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, InvokeFrame, InvokeReply, invoke_frame, model_output};
use orrery_types::UnixMillis;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::attempt::{Course, Taken, caller_left};
use super::plan::Plan;
use super::{Call, Router};
use orrery_providers::{Answer, Order, Piece, Pieces, Provider};
use orrery_routing::catalogue::Capability;
use orrery_routing::price;

/// Where frames go. An error means that nobody listens any more.
pub type Frames = FrameSender<InvokeFrame>;

/// How much has passed through.
#[derive(Debug, Default, Clone, Copy)]
struct Passed {
    pieces: u64,
    bytes: u64,
}

impl Router {
    /// Answers a chat call as it goes. Dropping the future, which the bus does when the caller leaves, cancels the work;
    /// what was used is recorded all the same.
    pub async fn stream(self: &Arc<Self>, call: Call, frames: Frames) -> Result<(), Error> {
        if call.facts.capability != Capability::Chat {
            let message = format!("{} cannot be streamed; only chat can", call.facts.capability);
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
        let left = CancellationToken::new();
        let _leaving = left.clone().drop_guard();
        let router = self.clone();
        let task = tokio::spawn(async move { router.run_stream(call, frames, left).await }.in_current_span());
        let ended = |error| Error::new(ErrorCode::Internal, format!("the call ended unexpectedly: {error}"));
        task.await.map_err(ended)?
    }

    async fn run_stream(&self, call: Call, frames: Frames, left: CancellationToken) -> Result<(), Error> {
        if let Some(reply) = self.replay(&call).await? {
            return send_whole(&frames, reply).await;
        }
        let plan = self.plan(&call)?;
        let mut course = Course::default();
        let taken = match self.first_success(&call, &plan, &mut course, &left, first_piece).await {
            Ok(taken) => taken,
            Err(error) => return Err(self.conclude_failed(&call, &plan, &course, error).await),
        };
        let ((first, rest), taken) = taken.split();
        let took = UnixMillis::now().since(taken.began);
        let labels =
            [("gen_ai.provider.name", course.provider.clone()), ("gen_ai.request.model", course.model.clone())];
        metrics::histogram!("gen_ai.server.time_to_first_token", &labels).record(took.as_secs_f64());
        self.pass_on(&call, &plan, &course, taken, first, rest, &frames, &left).await
    }

    #[allow(clippy::too_many_arguments)] // one caller; a struct would only rename them
    async fn pass_on(
        &self,
        call: &Call,
        plan: &Plan,
        course: &Course,
        taken: Taken<'_, ()>,
        first: Piece,
        mut rest: Pieces,
        frames: &Frames,
        left: &CancellationToken,
    ) -> Result<(), Error> {
        let mut passed = Passed::default();
        match forward(call, first, &mut rest, frames, left, &mut passed).await {
            Ok(answer) => {
                let reply = self.conclude_answered(call, plan, course, taken, answer).await?;
                frames.send(&InvokeFrame { kind: Some(invoke_frame::Kind::Done(reply)) }).await
            }
            Err(error) => {
                // Upstream first: nothing more is made for nobody.
                drop(rest);
                let used = price::used_so_far(&call.facts, taken.model, passed.pieces, passed.bytes);
                if error.code != ErrorCode::Cancelled {
                    self.report_failure(taken.model, &error, UnixMillis::now().since(taken.began));
                }
                Err(self.conclude_broken_off(call, plan, course, taken, used, error).await)
            }
        }
    }
}

async fn first_piece(provider: Arc<dyn Provider>, order: Order) -> Result<(Piece, Pieces), Error> {
    let mut pieces = provider.stream(order).await?;
    match pieces.next().await {
        Some(first) => Ok((first?, pieces)),
        None => Err(broke_off()),
    }
}

/// Passes pieces on until the last, which it returns.
async fn forward(
    call: &Call,
    first: Piece,
    rest: &mut Pieces,
    frames: &Frames,
    left: &CancellationToken,
    passed: &mut Passed,
) -> Result<Answer, Error> {
    let mut piece = first;
    loop {
        match piece {
            Piece::Done(answer) => return Ok(*answer),
            Piece::Delta(delta) => {
                passed.pieces += 1;
                passed.bytes += u64::try_from(delta.text.len() + delta.reasoning.len()).unwrap_or(u64::MAX);
                send_delta(frames, *delta).await.map_err(|_gone| caller_left())?;
            }
        }
        piece = tokio::select! {
            next = rest.next() => next.unwrap_or_else(|| Err(broke_off()))?,
            () = left.cancelled() => return Err(caller_left()),
            () = tokio::time::sleep(call.deadline.since(UnixMillis::now())) => {
                return Err(Error::new(ErrorCode::DeadlineExceeded, "the answer was not complete before the deadline"));
            }
        };
    }
}

async fn send_whole(frames: &Frames, reply: InvokeReply) -> Result<(), Error> {
    if let Some(model_output::Kind::Chat(chat)) = reply.output.as_ref().and_then(|output| output.kind.as_ref()) {
        send_delta(frames, ChatDelta { text: chat.text.clone(), ..ChatDelta::default() }).await?;
    }
    frames.send(&InvokeFrame { kind: Some(invoke_frame::Kind::Done(reply)) }).await
}

async fn send_delta(frames: &Frames, delta: ChatDelta) -> Result<(), Error> {
    frames.send(&InvokeFrame { kind: Some(invoke_frame::Kind::Delta(delta)) }).await
}

fn broke_off() -> Error {
    Error::new(ErrorCode::ModelFailed, "the provider's answer broke off")
}
