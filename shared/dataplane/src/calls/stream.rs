//! A streamed call. Candidates are tried until the first piece is there; after it there is no way back.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt as _};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ChatDelta, ChatOutput, InvokeFrame, InvokeReply, ToolCall, ToolCallDelta, Usage, invoke_frame, model_output,
};
use orrery_providers::{Answer, Order, Piece, Pieces, Provider};
use orrery_routing::catalogue::{Capability, Model};
use orrery_routing::decide::Course as Way;
use orrery_routing::price;
use orrery_routing::request::RequestFacts;
use orrery_types::UnixMillis;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use super::attempt::{Begun, Run, Taken, caller_left};
use super::cached::{Kept, Share};
use super::conclude::usage_of;
use super::course::Course;
use super::{Answered, Call};
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

    async fn run_stream(
        self: &Arc<Self>,
        call: Call,
        frames: &mpsc::Sender<Frame>,
        left: CancellationToken,
    ) -> Result<(), Error> {
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
        let course = Course::default();
        let run = Run { call: &call, plan: &plan, course: &course, left: &left };
        if plan.decision.plan.course == Way::First {
            let taken = match self.first_success(&run, &[], None).await {
                Ok(taken) => taken,
                Err(error) => match self.last_resort(&run, share, &error).await {
                    Some(reply) => return send_whole(frames, reply).await,
                    None => return Err(self.conclude_failed(&run, error).await),
                },
            };
            self.pass_on(&run, taken, frames, share).await?;
        } else {
            // Whose answer counts is known only once it is whole.
            let reply = match self.answer(&run).await {
                Ok(answered) => self.conclude_answered(&run, answered, 0, share.mark()).await?,
                Err(error) => match self.last_resort(&run, share, &error).await {
                    Some(reply) => return send_whole(frames, reply).await,
                    None => return Err(self.conclude_failed(&run, error).await),
                },
            };
            share.fill(&reply).await;
            send_whole(frames, reply).await?;
        }
        self.copy_to_shadow(call, plan);
        Ok(())
    }

    async fn pass_on(
        &self,
        run: &Run<'_>,
        taken: Taken<'_, Opening>,
        frames: &mpsc::Sender<Frame>,
        share: Share,
    ) -> Result<(), Error> {
        let (Opening { first, mut rest }, mut taken) = taken.split();
        let took = UnixMillis::now().since(taken.began);
        let labels = [
            ("gen_ai.provider.name", taken.model.provider.clone()),
            ("gen_ai.request.model", taken.model.name.clone()),
        ];
        metrics::histogram!("gen_ai.server.time_to_first_token", &labels).record(took.as_secs_f64());
        let first_token_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut passed = Passed::default();
        match forward(run.call, first, &mut rest, frames, run.left, &mut passed).await {
            Ok(answer) => {
                taken.answered(answer.quota);
                let model = taken.model.name.clone();
                self.pay(run, taken, &answer.usage, &answer.models);
                let answered = Answered { answer, model };
                let reply = self.conclude_answered(run, answered, first_token_ms, share.mark()).await?;
                share.fill(&reply).await;
                send(frames, InvokeFrame { kind: Some(invoke_frame::Kind::Done(reply)) }).await
            }
            Err(error) => {
                // Upstream first: nothing more is made for nobody.
                drop(rest);
                let used = price::used_so_far(&run.call.facts, taken.model, passed.pieces, passed.bytes);
                if error.code != ErrorCode::Cancelled {
                    taken.failed(&error);
                }
                Err(self.conclude_broken_off(run, taken, &used, first_token_ms, error).await)
            }
        }
    }
}

/// A stream that has begun.
struct Opening {
    first: Piece,
    rest: Pieces,
}

impl Begun for Opening {
    async fn ask(provider: Arc<dyn Provider>, order: Order) -> Result<Self, Error> {
        let mut pieces = provider.stream(order).await?;
        match pieces.next().await {
            Some(first) => Ok(Self { first: first?, rest: pieces }),
            None => Err(broke_off()),
        }
    }

    fn seen(&self, facts: &RequestFacts, model: &Model) -> Usage {
        match &self.first {
            Piece::Done(answer) => answer.usage,
            Piece::Delta(delta) => usage_of(&price::used_so_far(facts, model, 1, bytes_of(delta))),
        }
    }
}

fn bytes_of(delta: &ChatDelta) -> u64 {
    let calls: usize = delta.tool_calls.iter().map(|call| call.arguments.len()).sum();
    u64::try_from(delta.text.len() + delta.reasoning.len() + calls).unwrap_or(u64::MAX)
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
                passed.bytes += bytes_of(&delta);
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
                reasoning_signature: choice.reasoning_signature.clone(),
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
