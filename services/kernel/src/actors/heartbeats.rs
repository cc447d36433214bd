//! Keeps what heartbeats bring: whatever came while the last write was made goes into the next, so that many workers cost few
//! transactions. Never in the journal: a heartbeat matters only until the next one.

use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use orrery_supervise::TaskSpec;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::kernel::Kernel;
use crate::store::Beat;

/// Heartbeats that wait for their write.
const WAITING_MAX: usize = 4_096;
/// Heartbeats in one transaction.
const BATCH_MAX: usize = 256;

type Waiting = (Beat, oneshot::Sender<Result<(), Error>>);

/// Takes heartbeats in.
#[derive(Debug)]
pub struct Heartbeats {
    sender: mpsc::Sender<Waiting>,
    receiver: Mutex<mpsc::Receiver<Waiting>>,
}

impl Default for Heartbeats {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl Heartbeats {
    /// Keeps one; returns once it is durable.
    pub async fn keep(&self, beat: Beat) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let full = |_| {
            let message = format!("{WAITING_MAX} heartbeats wait already");
            Error::new(ErrorCode::Overloaded, message).retry_after(std::time::Duration::from_secs(1))
        };
        self.sender.try_send((beat, answer)).map_err(full)?;
        answered.await.unwrap_or_else(|_| Err(Error::new(ErrorCode::Unavailable, "the heartbeat was not kept")))
    }
}

/// The supervised task that writes them, for as long as the service runs.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("heartbeats", move |task| {
        let kernel = kernel.clone();
        async move {
            tokio::select! {
                () = run(&kernel) => Ok::<(), Error>(()),
                () = task.draining() => Ok(()),
            }
        }
    })
}

async fn run(kernel: &Kernel) {
    let mut waiting = kernel.heartbeats.receiver.lock().await;
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (beats, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let kept = kernel.store.keep_beats(beats).await.map_err(Error::from);
        for answer in answers {
            let _nobody_waits = answer.send(kept.clone());
        }
    }
}
