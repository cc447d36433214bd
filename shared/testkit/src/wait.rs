//! Waiting for a condition.

use std::future::Future;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Polls until `probe` gives a value; `None` when that takes longer than twenty seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(probe: impl FnMut() -> F) -> Option<T> {
    eventually_within(DEADLINE, probe).await
}

/// Polls until `probe` gives a value; `None` once `deadline` is over.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    deadline: Duration,
    mut probe: impl FnMut() -> F,
) -> Option<T> {
    let polling = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(deadline, polling).await.ok()
}
