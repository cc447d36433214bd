//! The actor that keeps one model's health. The only writer of that model's cell on the board. A restarted one forgets,
//! and the model is healthy until it fails again.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};
use orrery_supervise::ActorSpec;
use orrery_types::UnixMillis;

use super::Board;
use orrery_routing::breaker::{Admission, Breaker, Outcome};

/// More calls ending at once than this are not all counted, which health can bear.
const MAILBOX: usize = 1024;

/// A call to the model has ended.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CallEnded {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: UnixMillis,
}

/// Health of one model.
#[derive(Debug)]
pub struct ModelHealth {
    model: String,
    breaker: Breaker,
    board: Arc<Board>,
}

impl ModelHealth {
    /// How it is supervised.
    pub fn spec(model: &str, board: Arc<Board>) -> ActorSpec<Self> {
        let name = model.to_owned();
        let make = move || Self { model: name.clone(), breaker: Breaker::default(), board: board.clone() };
        ActorSpec::new(model, make).mailbox(MAILBOX)
    }
}

impl Actor for ModelHealth {
    type Context = Context<Self>;

    fn started(&mut self, _context: &mut Self::Context) {
        self.board.publish(&self.model, self.breaker);
    }
}

impl Handler<CallEnded> for ModelHealth {
    type Result = ();

    fn handle(&mut self, ended: CallEnded, _context: &mut Self::Context) {
        let before = self.breaker.admission(ended.at);
        self.breaker = self.breaker.after(ended.outcome, ended.at);
        self.board.publish(&self.model, self.breaker);
        match (before, self.breaker.admission(ended.at)) {
            (Admission::Open | Admission::Probe, Admission::Resting { until }) => {
                tracing::warn!(gen_ai.request.model = self.model, %until, "model rests after failures");
            }
            (Admission::Probe, Admission::Open) => {
                tracing::info!(gen_ai.request.model = self.model, "model has recovered");
            }
            _ => {}
        }
        let open = matches!(self.breaker.admission(ended.at), Admission::Open);
        metrics::gauge!("orrery.router.model.healthy", "gen_ai.request.model" => self.model.clone()).set(if open {
            1.0
        } else {
            0.0
        });
    }
}
