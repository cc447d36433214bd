//! Tells open event streams that something happened to their task. One subscription serves them all; what happened is
//! read from the kernel's history, so a signal that is lost costs a moment and never an event (G-4).

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use orrery_bus::{Bus, subjects};
use orrery_errors::{Error, ErrorCode};
use orrery_supervise::TaskSpec;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

/// The streams that are open, by task.
#[derive(Debug, Clone)]
pub struct TaskSignals {
    watched: Arc<Mutex<Watched>>,
    streams_max: usize,
}

#[derive(Debug, Default)]
struct Watched {
    streams: usize,
    tasks: HashMap<String, (usize, watch::Sender<()>)>,
}

impl TaskSignals {
    /// At most `streams_max` at once.
    pub fn new(streams_max: usize) -> Self {
        Self { watched: Arc::default(), streams_max }
    }

    /// Begins to watch a task, until the watch is dropped.
    pub fn watch(&self, task: &str) -> Result<Watch, Error> {
        let mut watched = self.watched.lock();
        if watched.streams >= self.streams_max {
            let message = format!("{} event streams are open, the most there may be", watched.streams);
            return Err(Error::new(ErrorCode::Overloaded, message).retry_after(std::time::Duration::from_secs(5)));
        }
        watched.streams += 1;
        gauge(watched.streams);
        let (count, sender) = watched.tasks.entry(task.to_owned()).or_insert_with(|| (0, watch::channel(()).0));
        *count += 1;
        Ok(Watch { receiver: sender.subscribe(), task: task.to_owned(), signals: self.clone() })
    }

    fn signal(&self, task: &str) {
        if let Some((_, sender)) = self.watched.lock().tasks.get(task) {
            sender.send_replace(());
        }
    }
}

fn gauge(streams: usize) {
    metrics::gauge!("orrery_gateway_event_streams").set(u32::try_from(streams).unwrap_or(u32::MAX));
}

/// One open stream's ear. Dropping it forgets the stream.
#[derive(Debug)]
pub struct Watch {
    receiver: watch::Receiver<()>,
    task: String,
    signals: TaskSignals,
}

impl Watch {
    /// Everything up to now is known.
    pub fn reset(&mut self) {
        self.receiver.mark_unchanged();
    }

    /// Resolves at the next signal since [`Watch::reset`].
    pub async fn changed(&mut self) {
        // The sender lives as long as this watch; were it gone, the caller's own timer would serve.
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.signals.watched.lock();
        watched.streams = watched.streams.saturating_sub(1);
        gauge(watched.streams);
        if let Some((count, _)) = watched.tasks.get_mut(&self.task) {
            *count -= 1;
            if *count == 0 {
                watched.tasks.remove(&self.task);
            }
        }
    }
}

/// What matters of an event: the task that it is about.
#[derive(Debug, Deserialize)]
struct About {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    data: Value,
}

/// Follows the events of all tenants.
pub fn follow_events(bus: &Bus, signals: &TaskSignals) -> TaskSpec {
    let (bus, signals) = (bus.clone(), signals.clone());
    TaskSpec::new("events", move |task| {
        let (bus, signals) = (bus.clone(), signals.clone());
        async move {
            let mut events = bus.subscribe(subjects::events_of("*")).await?;
            task.ready();
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = task.draining() => return Ok::<(), Error>(()),
                };
                let Some(event) = event else {
                    return Err(Error::new(ErrorCode::Unavailable, "the subscription to events has ended"));
                };
                if let Ok(about) = serde_json::from_slice::<About>(&event.payload) {
                    signals.signal(&about.subject);
                    // Of an event about something else, such as a review.
                    if let Some(task_id) = about.data.get("task_id").and_then(Value::as_str) {
                        signals.signal(task_id);
                    }
                }
            }
        }
    })
    .wait_ready()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stream_that_closes_is_forgotten_and_makes_room() {
        let signals = TaskSignals::new(2);
        let first = signals.watch("task_1").unwrap();
        let second = signals.watch("task_1").unwrap();
        assert_eq!(signals.watch("task_2").unwrap_err().code, ErrorCode::Overloaded);
        drop(first);
        drop(second);
        assert_eq!(signals.watched.lock().streams, 0);
        assert!(signals.watched.lock().tasks.is_empty());
    }
}
