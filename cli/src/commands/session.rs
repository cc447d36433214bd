//! A system that lives as long as one command: started with progress, watched while the command works, stopped in order
//! when it is done, interrupted or failed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::{Output, Progress};
use crate::system::{Notice, Options, Report, System};

/// Signals this close to the last one are the same wish.
const ECHO: Duration = Duration::from_secs(1);

/// Ctrl-C and SIGTERM.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// From now on these signals no longer end the process by themselves.
    pub fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// One that is meant: what comes along with the last one is often that same Ctrl-C, sent to the process and its group.
    pub async fn next_deliberate(&mut self) {
        tokio::time::sleep(ECHO).await;
        while self.next().now_or_never().is_some() {}
        self.next().await;
    }

    /// The next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _signal = self.interrupt.recv() => {}
            _signal = self.terminate.recv() => {}
        }
    }
}

/// Starts a system with a line for each child as it becomes ready.
pub async fn start(options: &Options, interrupts: &mut Interrupts) -> Result<System> {
    let progress = Progress::spinner("starting");
    let started = tokio::select! {
        started = System::start(options, reporter(&progress)) => started,
        () = interrupts.next() => Err(anyhow::anyhow!("interrupted while starting")),
    };
    progress.finish();
    started
}

/// Ends it in order; a second signal kills what is left.
pub async fn stop(system: System, interrupts: &mut Interrupts, output: Output) -> Result<()> {
    tokio::select! {
        report = system.stop() => {
            if !report.killed.is_empty() {
                output.note(&format!("killed, since they did not end in time: {}", report.killed.join(", ")));
            }
            Ok(())
        }
        () = interrupts.next_deliberate() => bail!("interrupted while stopping: everything was killed; what was accepted is kept"),
    }
}

/// Works while the system runs, then stops it, however the work ended.
pub async fn during<T>(
    system: System,
    mut interrupts: Interrupts,
    output: Output,
    work: impl AsyncFnOnce(&System) -> Result<T>,
) -> Result<T> {
    let outcome = tokio::select! {
        // First, because work that itself waits for Ctrl-C has then ended well.
        biased;
        outcome = work(&system) => outcome,
        failure = system.failed() => Err(anyhow::anyhow!("the system gave up: {failure}")),
        () = interrupts.next() => Err(anyhow::anyhow!("interrupted")),
    };
    stop(system, &mut interrupts, output).await?;
    outcome
}

fn reporter(progress: &Progress) -> Report {
    let progress = progress.clone();
    Arc::new(move |notice| match notice {
        Notice::Starting(name) => progress.message(format!("starting {name}")),
        Notice::Ready { name, again: true } => progress.line(&format!("{name} works again")),
        Notice::Ready { .. } => {}
        Notice::Ended { fault } => progress.line(fault),
        Notice::Stopping(name) => progress.message(format!("stopping {name}")),
    })
}
