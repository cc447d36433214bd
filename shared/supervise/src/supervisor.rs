//! A running supervisor: starts its children in order, answers their exits by strategy and budget, drains in reverse.
//!
//! S-3: a child starts only when those before it are up. S-4: more restarts than the budget fail the supervisor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::budget::RestartBudget;
use crate::control::{Control, DrainOrder};
use crate::exit::ExitStatus;
use crate::host::SharedThread;
use crate::incarnation;
use crate::node::ChildState;
use crate::spec::{Body, ChildSpec, Plan};
use crate::strategy::{Restart, Strategy};
use crate::telemetry;

/// Later than any drain deadline: an order without a limit of its own.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// What all supervisors of one tree share.
#[derive(Debug, Clone)]
pub(crate) struct Env {
    pub(crate) shared: Arc<SharedThread>,
    /// Paths of the children that a drain had to kill.
    pub(crate) killed: Arc<parking_lot::Mutex<Vec<String>>>,
}

/// News from an instance. `life` tells instances of one child apart.
struct Event {
    child: usize,
    life: u64,
    news: News,
}

enum News {
    Up,
    Exited(ExitStatus),
}

/// One instance that has not been buried yet.
struct Life {
    id: u64,
    since: Instant,
    control: Arc<Control>,
    join: JoinHandle<ExitStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting { until: Instant },
    Starting,
    Up,
    Done,
}

struct Child {
    spec: Arc<ChildSpec>,
    phase: Phase,
    /// Faults in a row; the backoff grows with them.
    faults: u32,
    /// Whether it was ever up: before that, even one-for-one keeps the starting order.
    was_up: bool,
    life: Option<Life>,
}

pub(crate) struct Supervisor {
    plan: Arc<Plan>,
    env: Env,
    control: Arc<Control>,
    children: Vec<Child>,
    budget: RestartBudget,
    lives: u64,
    // Unbounded, yet each instance sends at most two events.
    tell: mpsc::UnboundedSender<Event>,
    news: mpsc::UnboundedReceiver<Event>,
}

impl Supervisor {
    pub(crate) fn new(plan: Arc<Plan>, env: Env, control: Arc<Control>) -> Self {
        let now = Instant::now();
        let fresh = |spec: &Arc<ChildSpec>| Child {
            spec: Arc::clone(spec),
            phase: Phase::Waiting { until: now },
            faults: 0,
            was_up: false,
            life: None,
        };
        let children = plan.children.iter().map(fresh).collect();
        let budget = RestartBudget::new(plan.restarts_max, plan.restarts_window);
        let (tell, news) = mpsc::unbounded_channel();
        Self { plan, env, control, children, budget, lives: 0, tell, news }
    }

    /// Supervises until drained, killed or out of budget.
    pub(crate) async fn run(mut self) -> ExitStatus {
        let control = Arc::clone(&self.control);
        loop {
            let due = self.start_due(Instant::now());
            if self.children.iter().all(|child| matches!(child.phase, Phase::Up | Phase::Done)) {
                control.up.cancel();
            }
            tokio::select! {
                biased;
                () = control.kill.cancelled() => {
                    self.kill_all().await;
                    return ExitStatus::Killed;
                }
                () = control.drain.cancelled() => {
                    self.drain_all(control.drain_order()).await;
                    return ExitStatus::Success;
                }
                Some(event) = self.news.recv() => {
                    if let Err(failure) = self.on_event(event).await {
                        let order = DrainOrder { until: Instant::now() + FAR, returns: true };
                        self.drain_all(order).await;
                        return failure;
                    }
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
            }
        }
    }

    /// Starts every child whose turn it is; returns when the next one is due.
    fn start_due(&mut self, now: Instant) -> Option<Instant> {
        let ordered = self.plan.strategy != Strategy::OneForOne;
        let mut all_up_before = true;
        let mut next: Option<Instant> = None;
        for index in 0..self.children.len() {
            let Some(child) = self.children.get(index) else { break };
            if let Phase::Waiting { until } = child.phase
                && (all_up_before || (child.was_up && !ordered))
            {
                if until <= now {
                    self.start(index);
                } else {
                    next = Some(next.map_or(until, |next| next.min(until)));
                }
            }
            let up = self.children.get(index).is_some_and(|child| matches!(child.phase, Phase::Up | Phase::Done));
            all_up_before &= up;
        }
        next
    }

    fn start(&mut self, index: usize) {
        self.lives += 1;
        let id = self.lives;
        let Some(child) = self.children.get_mut(index) else { return };
        let control = Control::new(child.spec.options.wait_ready);
        let join = tokio::spawn({
            let (spec, control) = (Arc::clone(&child.spec), Arc::clone(&control));
            let (env, tell) = (self.env.clone(), self.tell.clone());
            async move {
                let up = || drop(tell.send(Event { child: index, life: id, news: News::Up }));
                // Boxed because a supervisor's life contains those of its children.
                let status = Box::pin(incarnation::run(&spec, control, &env, up)).await;
                telemetry::count_exit(spec.node.path(), &status);
                let _ = tell.send(Event { child: index, life: id, news: News::Exited(status.clone()) });
                status
            }
        });
        child.phase = Phase::Starting;
        child.life = Some(Life { id, since: Instant::now(), control, join });
    }

    async fn on_event(&mut self, event: Event) -> Result<(), ExitStatus> {
        let Some(child) = self.children.get_mut(event.child) else { return Ok(()) };
        // News of an instance that was stopped meanwhile is no news.
        if child.life.as_ref().is_none_or(|life| life.id != event.life) {
            return Ok(());
        }
        match event.news {
            News::Up => {
                child.phase = Phase::Up;
                child.was_up = true;
                child.spec.node.running();
                Ok(())
            }
            News::Exited(status) => self.on_exit(event.child, status).await,
        }
    }

    async fn on_exit(&mut self, index: usize, status: ExitStatus) -> Result<(), ExitStatus> {
        let Some(child) = self.children.get_mut(index) else { return Ok(()) };
        let lived = child.life.take().map_or(Duration::ZERO, |life| life.since.elapsed());
        let path = child.spec.node.path().to_owned();
        if status != ExitStatus::Success {
            child.spec.node.note_error(&status);
        }
        if !child.spec.options.restart.applies(&status) {
            tracing::info!(child = path, exit = %status, "child ended and is not restarted");
            child.finish(&status);
            return Ok(());
        }
        let now = Instant::now();
        let delay = if status == ExitStatus::Evicted { Duration::ZERO } else { child.next_delay(lived) };
        // A child that lost its thread to a sibling is not at fault and costs no budget.
        if status != ExitStatus::Evicted && !self.budget.take(now) {
            tracing::error!(child = path, exit = %status, supervisor = self.plan.node.path(), "restart budget used up");
            child.spec.node.restarting(now + delay);
            let reason = format!("restart budget used up by {path}: {status}");
            return Err(ExitStatus::failed(reason));
        }
        tracing::warn!(child = path, exit = %status, delay_ms = delay.as_millis(), "child ended, restarting");
        self.restart_from(index, &status, now + delay).await;
        Ok(())
    }

    /// Stops the siblings that share the fate of `failed`, in reverse order, and lets all of them wait for `at`.
    async fn restart_from(&mut self, failed: usize, status: &ExitStatus, at: Instant) {
        let affected = self.plan.strategy.affected(failed, self.children.len());
        if let Some(child) = self.children.get(failed) {
            child.spec.node.restarting(at);
        }
        for index in affected.clone().rev().filter(|index| *index != failed) {
            self.stop(index, DrainOrder { until: Instant::now() + FAR, returns: true }).await;
        }
        for index in affected {
            let Some(child) = self.children.get_mut(index) else { continue };
            if index != failed && child.spec.options.restart == Restart::Temporary {
                child.finish(&ExitStatus::Success);
                continue;
            }
            if child.was_up || index == failed {
                child.spec.node.count_restart();
                telemetry::count_restart(child.spec.node.path(), status);
            }
            child.spec.node.restarting(at);
            child.phase = Phase::Waiting { until: at };
        }
    }

    /// Drains one child, by its own deadline or the order's, whichever comes first.
    async fn stop(&mut self, index: usize, order: DrainOrder) -> Option<ExitStatus> {
        let child = self.children.get_mut(index)?;
        let Life { control, mut join, .. } = child.life.take()?;
        let own = child.spec.options.drain_deadline.map(|limit| Instant::now() + limit);
        let until = own.map_or(order.until, |own| own.min(order.until));
        if matches!(child.spec.body, Body::Supervisor(_)) {
            child.spec.node.draining(order.returns);
        }
        control.order_drain(DrainOrder { until, ..order });
        let ended = tokio::select! {
            ended = &mut join => ended,
            () = self.control.kill.cancelled() => {
                control.kill.cancel();
                join.await
            }
        };
        Some(ended.unwrap_or(ExitStatus::Killed))
    }

    /// Drains all children in reverse order.
    async fn drain_all(&mut self, order: DrainOrder) {
        for index in (0..self.children.len()).rev() {
            let was_up = self.children.get(index).is_some_and(|child| child.phase == Phase::Up);
            let status = self.stop(index, order).await;
            let Some(child) = self.children.get_mut(index) else { continue };
            if order.returns {
                if child.phase != Phase::Done {
                    child.spec.node.restarting(Instant::now());
                }
                continue;
            }
            if was_up && status == Some(ExitStatus::Killed) {
                self.env.killed.lock().push(child.spec.node.path().to_owned());
            }
            child.finish(&ExitStatus::Success);
        }
    }

    async fn kill_all(&mut self) {
        for child in self.children.iter_mut().rev() {
            if let Some(life) = child.life.take() {
                life.control.kill.cancel();
                let _ = life.join.await;
            }
            child.finish(&ExitStatus::Success);
        }
    }
}

impl Child {
    /// Ended for good.
    fn finish(&mut self, status: &ExitStatus) {
        self.phase = Phase::Done;
        let state = if *status == ExitStatus::Success { ChildState::Stopped } else { ChildState::Failed };
        self.spec.node.ended(state);
    }

    /// The pause before the next instance, after one that lived this long.
    fn next_delay(&mut self, lived: Duration) -> Duration {
        let backoff = self.spec.options.backoff;
        if lived >= backoff.reset_after {
            self.faults = 0;
        }
        let delay = backoff.delay(self.faults, rand::random());
        self.faults = self.faults.saturating_add(1);
        delay
    }
}
