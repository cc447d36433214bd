//! A streamed call. Candidates are tried until the first piece is there; after it there is no way back.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt as _};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ChatDelta, ChatOutput, InvokeFrame, InvokeReply, ToolCall, ToolCallDelta, invoke_frame, model_output,
};
use orrery_providers::{Answer, Order, Piece, Pieces, Provider};
use orrery_routing::catalogue::Capability;
use orrery_routing::price;
use orrery_types::UnixMillis;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use super::attempt::{Course, Taken, caller_left, report_failure};
use super::cached::{Kept, Share};
use super::conclude::Answered;
use super::{Call, Plan};
use crate::DataPlane;

/// Frames that may wait for a slow reader; then the provider waits.
const FRAMES: usize = 64;

type Frame = Result<InvokeFrame, Error>;

/// A streamed answer. The last frame is the whole reply or an error. Dropping it, which is what a caller that leaves does,
/// cancels the work; what was used is recorded all the same.
#[derive(Debug)]
pub struct Frames {
    frames: mpsc::Receiver<Frame>,
    _left: DropGuard,
}

impl Stream for Frames {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.frames.poll_recv(context)
    }
}

/// How much has passed through.
#[derive(Debug, Default, Clone, Copy)]
struct Passed {
    pieces: u64,
    bytes: u64,
    first_token_ms: u64,
}

impl DataPlane {
    /// Answers a chat call as it goes.
    pub fn stream(self: &Arc<Self>, call: Call) -> Frames {
        let (sender, frames) = mpsc::channel(FRAMES);
        let left = CancellationToken::new();
        let (plane, token) = (self.clone(), left.clone());
        let work = async move {
            if let Err(error) = plane.run_stream(call, &sender, token).await {
                // Nobody to tell when the caller has left.
                let _gone = sender.send(Err(error)).await;
            }
        };
        tokio::spawn(work.in_current_span());
        Frames { frames, _left: left.drop_guard() }
    }

    async fn run_stream(&self, call: Call, frames: &mpsc::Sender<Frame>, left: CancellationToken) -> Result<(), Error> {
        if call.facts.capability != Capability::Chat {
            let message = format!("{} cannot be streamed; only chat can", call.facts.capability);
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
        if let Some(reply) = self.replay(&call).await? {
            return send_whole(frames, reply).await;
        }
        let plan = self.plan(&call)?;
        let share = match self.kept(&call, &plan, &left).await? {
            Kept::Given(reply) => return send_whole(frames, *reply).await,
            Kept::Ask(share) => share,
        };
        let mut course = Course::default();
        let taken = match self.first_success(&call, &plan, &mut course, &left, first_piece).await {
            Ok(taken) => taken,
            Err(error) => match self.last_resort(&call, &plan, &mut course, share, &error).await {
                Some(reply) => return send_whole(frames, reply).await,
                None => return Err(self.conclude_failed(&call, &plan, &course, error).await),
            },
        };
        let ((first, rest), taken) = taken.split();
        let took = UnixMillis::now().since(taken.began);
        let labels =
            [("gen_ai.provider.name", course.provider.clone()), ("gen_ai.request.model", course.model.clone())];
        metrics::histogram!("gen_ai.server.time_to_first_token", &labels).record(took.as_secs_f64());
        let first_token_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let passed = Passed { first_token_ms, ..Passed::default() };
        self.pass_on(&call, &plan, &course, taken, first, rest, frames, &left, passed, share).await
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
        frames: &mpsc::Sender<Frame>,
        left: &CancellationToken,
        mut passed: Passed,
        share: Share,
    ) -> Result<(), Error> {
        match forward(call, first, &mut rest, frames, left, &mut passed).await {
            Ok(answer) => {
                let answered = Answered { answer, first_token_ms: passed.first_token_ms, cache: share.mark() };
                let reply = self.conclude_answered(call, plan, course, taken, answered).await?;
                share.fill(&reply).await;
                send(frames, InvokeFrame { kind: Some(invoke_frame::Kind::Done(reply)) }).await
            }
            Err(error) => {
                // Upstream first: nothing more is made for nobody.
                drop(rest);
                let used = price::used_so_far(&call.facts, taken.model, passed.pieces, passed.bytes);
                if error.code != ErrorCode::Cancelled {
                    report_failure(&plan.snapshot, taken.model, &error, UnixMillis::now().since(taken.began));
                }
                Err(self.conclude_broken_off(call, plan, course, taken, used, passed.first_token_ms, error).await)
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
    frames: &mpsc::Sender<Frame>,
    left: &CancellationToken,
    passed: &mut Passed,
) -> Result<Answer, Error> {
    let mut piece = first;
    let deadline = tokio::time::sleep(call.deadline.since(UnixMillis::now()));
    tokio::pin!(deadline);
    loop {
        match piece {
            Piece::Done(answer) => return Ok(*answer),
            Piece::Delta(delta) => {
                passed.pieces += 1;
                let calls: usize = delta.tool_calls.iter().map(|call| call.arguments.len()).sum();
                passed.bytes += u64::try_from(delta.text.len() + delta.reasoning.len() + calls).unwrap_or(u64::MAX);
                tokio::select! {
                    sent = send_delta(frames, *delta) => sent?,
                    () = left.cancelled() => return Err(caller_left()),
                    () = &mut deadline => return Err(too_late()),
                }
            }
        }
        piece = tokio::select! {
            next = rest.next() => next.unwrap_or_else(|| Err(broke_off()))?,
            () = left.cancelled() => return Err(caller_left()),
            () = &mut deadline => return Err(too_late()),
        };
    }
}

async fn send_whole(frames: &mpsc::Sender<Frame>, reply: InvokeReply) -> Result<(), Error> {
    if let Some(model_output::Kind::Chat(chat)) = reply.output.as_ref().and_then(|output| output.kind.as_ref()) {
        let choices = std::iter::once(chat).chain(&chat.others);
        for (index, choice) in (0..).zip(choices) {
            let delta = ChatDelta {
                text: choice.text.clone(),
                index,
                tool_calls: whole_calls(choice),
                logprobs: choice.logprobs.clone(),
                refusal: choice.refusal.clone(),
                reasoning: choice.reasoning.clone(),
                finish_reason: choice.finish_reason.clone(),
            };
            send_delta(frames, delta).await?;
        }
    }
    send(frames, InvokeFrame { kind: Some(invoke_frame::Kind::Done(reply)) }).await
}

fn whole_calls(choice: &ChatOutput) -> Vec<ToolCallDelta> {
    let call = |(index, call): (u32, &ToolCall)| ToolCallDelta {
        index,
        id: call.id.clone(),
        name: call.name.clone(),
        arguments: call.arguments_json.clone(),
    };
    (0..).zip(&choice.tool_calls).map(call).collect()
}

async fn send_delta(frames: &mpsc::Sender<Frame>, delta: ChatDelta) -> Result<(), Error> {
    send(frames, InvokeFrame { kind: Some(invoke_frame::Kind::Delta(delta)) }).await
}

async fn send(frames: &mpsc::Sender<Frame>, frame: InvokeFrame) -> Result<(), Error> {
    frames.send(Ok(frame)).await.map_err(|_gone| caller_left())
}

fn broke_off() -> Error {
    Error::new(ErrorCode::ModelFailed, "the provider's answer broke off")
}

fn too_late() -> Error {
    Error::new(ErrorCode::DeadlineExceeded, "the answer was not complete before the deadline")
}
