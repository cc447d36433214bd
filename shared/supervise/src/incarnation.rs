//! One instance of a child, from launch to burial. Sees that it starts, shows progress, drains or dies.
//!
//! S-2: when this ends, the instance's mailbox is closed and every sender has been told.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use crate::child::{Door, Launch, Launched};
use crate::control::Control;
use crate::exit::ExitStatus;
use crate::heartbeat::{Heartbeat, Monitor};
use crate::host::Place;
use crate::spec::{Body, ChildSpec};
use crate::supervisor::{Env, Supervisor};

/// How long a killed instance may take to let go of its thread before the thread counts as blocked.
const KILL_GRACE: Duration = Duration::from_millis(500);

/// How watching an instance ended.
enum Verdict {
    /// It ended by itself.
    Ended(ExitStatus),
    /// It must be killed, for this reason.
    Condemned(ExitStatus),
}

/// Runs one instance to its end; `on_up` is called once it is up.
pub(crate) async fn run(child: &ChildSpec, control: Arc<Control>, env: &Env, on_up: impl FnOnce()) -> ExitStatus {
    child.node.starting(Arc::clone(&control.vitals));
    match &child.body {
        Body::OnThread(launch) => run_on_thread(child, launch.as_ref(), control, env, on_up).await,
        Body::Supervisor(plan) => {
            let supervisor = Supervisor::new(Arc::clone(plan), env.clone(), Arc::clone(&control));
            let mut life = Box::pin(supervisor.run());
            tokio::select! {
                biased;
                status = &mut life => return status,
                () = control.up.cancelled() => on_up(),
            }
            life.await
        }
    }
}

async fn run_on_thread(
    child: &ChildSpec,
    launch: &dyn Launch,
    control: Arc<Control>,
    env: &Env,
    on_up: impl FnOnce(),
) -> ExitStatus {
    let place = if child.options.own_thread { Place::own() } else { Ok(env.shared.place()) };
    let place = match place {
        Ok(place) => place,
        Err(error) => return ExitStatus::failed(format_args!("no thread for the child: {error}")),
    };
    let Launched { exit, door } = launch.launch(&control, &place);
    let mut watch = Watch { child, control: &control, place: &place, door: door.as_deref(), exit };
    let status = watch.attend(on_up).await;
    let status = match status {
        Verdict::Ended(status) => status,
        Verdict::Condemned(status) => {
            watch.bury(env).await;
            status
        }
    };
    if let Some(door) = door {
        door.close();
    }
    control.vitals.dead().cancel();
    place.leave();
    status
}

/// The watch over one instance that runs on a thread.
struct Watch<'a> {
    child: &'a ChildSpec,
    control: &'a Control,
    place: &'a Place,
    door: Option<&'a dyn Door>,
    exit: oneshot::Receiver<ExitStatus>,
}

impl Watch<'_> {
    async fn attend(&mut self, on_up: impl FnOnce()) -> Verdict {
        let patience = self.child.options.start_timeout.unwrap_or(Duration::MAX);
        let control = self.control;
        tokio::select! {
            biased;
            ended = &mut self.exit => return self.ended(ended),
            () = control.kill.cancelled() => return Verdict::Condemned(ExitStatus::Killed),
            // Nothing was accepted yet, so there is nothing to finish.
            () = control.drain.cancelled() => return Verdict::Condemned(ExitStatus::Killed),
            () = self.place.given_up().cancelled() => return Verdict::Condemned(ExitStatus::Evicted),
            () = sleep(patience) => return Verdict::Condemned(ExitStatus::StartTimedOut),
            () = control.up.cancelled() => {}
        }
        if let Some(door) = self.door {
            door.open();
        }
        on_up();
        tokio::select! {
            biased;
            ended = &mut self.exit => self.ended(ended),
            () = control.kill.cancelled() => Verdict::Condemned(ExitStatus::Killed),
            () = self.place.given_up().cancelled() => Verdict::Condemned(ExitStatus::Evicted),
            () = drained_late(self.child, control, self.door) => Verdict::Condemned(ExitStatus::Killed),
            () = hung(self.child.options.heartbeat, control) => Verdict::Condemned(ExitStatus::Hung),
        }
    }

    /// The exit as the instance's thread told it; a thread that went away took the instance with it.
    fn ended(&self, exit: Result<ExitStatus, oneshot::error::RecvError>) -> Verdict {
        Verdict::Ended(exit.unwrap_or_else(|_| {
            if self.place.given_up().is_cancelled() {
                ExitStatus::Evicted
            } else {
                ExitStatus::failed("its thread ended under it")
            }
        }))
    }

    /// Kills the instance. If its thread does not even notice, the thread is blocked and given up.
    async fn bury(&mut self, env: &Env) {
        self.control.kill.cancel();
        let blocked = tokio::time::timeout(KILL_GRACE, &mut self.exit).await.is_err();
        if blocked && !self.place.given_up().is_cancelled() {
            tracing::error!(child = self.child.node.path(), "child blocks its thread and cannot be killed");
            env.shared.replace(self.place);
        }
    }
}

/// Resolves when a drain was ordered and its deadline has passed.
async fn drained_late(child: &ChildSpec, control: &Control, door: Option<&dyn Door>) {
    control.drain.cancelled().await;
    let order = control.drain_order();
    child.node.draining(order.returns);
    if let Some(door) = door {
        door.drain();
    }
    sleep_until(order.until.into()).await;
}

/// Resolves when the instance has shown no progress for longer than its heartbeat allows.
async fn hung(heartbeat: Option<Heartbeat>, control: &Control) {
    let Some(heartbeat) = heartbeat else {
        return pending().await;
    };
    let vitals = &control.vitals;
    let mut monitor = Monitor::new(heartbeat, vitals.progress());
    vitals.probe();
    let mut ticks = interval_at(Instant::now() + heartbeat.interval, heartbeat.interval);
    // A machine that slept must not make up for the ticks that it missed: they would all count as misses at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if monitor.hung(vitals.progress()) {
            return;
        }
        vitals.probe();
    }
}
