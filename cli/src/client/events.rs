//! The events of a task as the gateway streams them (server-sent events), resumed after a broken connection.

use std::time::Duration;

use anyhow::Result;
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::Gateway;

/// Connections that may break in a row without any event between them.
const BREAKS_MAX: u32 = 20;
const BREAK_PAUSE: Duration = Duration::from_millis(500);

/// One event of a task.
#[derive(Debug, Clone)]
pub struct Event {
    /// For example `step.completed`.
    pub kind: String,
    /// What the gateway says of it.
    pub data: Value,
    /// When it arrived here.
    pub arrived: Instant,
}

/// Whether nothing follows.
pub fn is_final(kind: &str) -> bool {
    matches!(kind, "task.completed" | "task.faulted" | "task.cancelled" | "task.terminated")
}

impl Gateway {
    /// Hands each event to `take` until the final one, or until `take` says that it has seen enough.
    pub async fn follow(&self, task: &str, mut take: impl FnMut(&Event) -> bool) -> Result<()> {
        let mut after: Option<String> = None;
        let mut breaks = 0;
        loop {
            let mut request = self.request(Method::GET, &["tasks", task, "events"], &[]);
            if let Some(id) = &after {
                request = request.header("Last-Event-ID", id);
            }
            let response = match self.send(request).await {
                Ok(response) => response,
                Err(error) if breaks >= BREAKS_MAX || after.is_none() => return Err(error),
                Err(_) => {
                    breaks += 1;
                    tokio::time::sleep(BREAK_PAUSE).await;
                    continue;
                }
            };
            let mut stream = response.bytes_stream();
            let mut reader = Reader::default();
            while let Some(Ok(bytes)) = stream.next().await {
                reader.buffer.extend_from_slice(&bytes);
                while let Some((id, event)) = reader.next() {
                    breaks = 0;
                    after = id.or(after);
                    let over = is_final(&event.kind);
                    if take(&event) || over {
                        return Ok(());
                    }
                }
            }
            breaks += 1;
            anyhow::ensure!(
                breaks <= BREAKS_MAX,
                "the events of {task} broke off too often; `orrery status` shows why"
            );
            tokio::time::sleep(BREAK_PAUSE).await;
        }
    }
}

/// Cuts the byte stream into events, by the HTML standard's section on server-sent events.
#[derive(Debug, Default)]
struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    fn next(&mut self) -> Option<(Option<String>, Event)> {
        loop {
            let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
            if let Some(event) = parse(&String::from_utf8_lossy(&block)) {
                return Some(event);
            }
        }
    }
}

fn parse(block: &str) -> Option<(Option<String>, Event)> {
    let (mut id, mut kind, mut data) = (None, None, String::new());
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => id = Some(value.to_owned()),
            "event" => kind = Some(value.to_owned()),
            "data" => data.push_str(value),
            _ => {}
        }
    }
    let data = serde_json::from_str(&data).unwrap_or_default();
    Some((id, Event { kind: kind?, data, arrived: Instant::now() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_at_blank_lines_and_heartbeats_are_skipped() {
        let mut reader = Reader::default();
        reader.buffer.extend_from_slice(b": beat\n\nid: 3\nevent: step.completed\ndata: {\"seq\":3}\n\nid: 4\nev");
        let first = reader.next().map(|(id, event)| (id, event.kind, event.data));
        let expected = (Some("3".to_owned()), "step.completed".to_owned(), serde_json::json!({"seq": 3}));
        assert_eq!(first, Some(expected));
        assert!(reader.next().is_none());
    }
}
