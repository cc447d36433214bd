//! The second step, once for each part: its lines are called, several at a time, and what became of them is stored.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::caller::LineCaller;
use super::parts::Kept;
use crate::domain::batch::Outcome;
use crate::http::{Gateway, Spool};
use crate::store::{BatchRow, integer, tenant_of};

/// Lines of one part that are under way at once.
const AT_ONCE: usize = 16;
/// How often a part looks whether it is to stop, and tells how far it is.
const LOOK: Duration = Duration::from_secs(1);
/// A status below this is an answer; the others are failures.
const FAILURES_FROM: u16 = 400;

/// Lines of a part, by what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Answered.
    pub completed: u64,
    /// Not.
    pub failed: u64,
}

/// Why a part is left before its end, and what is to become of it.
#[derive(Debug)]
pub struct Stops {
    /// The batch, or the task that runs it, is to end: what was done is kept.
    pub batch: CancellationToken,
    /// This process goes down: another goes on with the part.
    pub process: CancellationToken,
}

/// Calls the lines of a part.
pub async fn run(
    gateway: &Gateway,
    row: &BatchRow,
    part: i64,
    places: &Arc<Semaphore>,
    stops: &Stops,
) -> Result<Tally, Error> {
    if row.is_stopping(UnixMillis::now()) {
        return Ok(Tally::default());
    }
    let parts = gateway.batches.parts(row).await?;
    let lines = parts.read(part).await?;
    let caller = LineCaller::new(gateway, row, places)?;
    let mut outcomes = gateway.uploads.begin().await?;
    let stop = stops.process.child_token();
    let (mut tally, mut told) = (Tally::default(), Tally::default());
    let mut waiting = lines.iter();
    let mut called = FuturesUnordered::new();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while called.len() < AT_ONCE && !stop.is_cancelled() {
            let Some(line) = waiting.next() else { break };
            let (caller, stop) = (&caller, &stop);
            called.push(async move { (line, caller.call(line, stop).await) });
        }
        tokio::select! {
            done = called.next() => match done {
                None => break,
                Some((line, Some(outcome))) => {
                    let answered = keep(&mut outcomes, row, (line.n, &line.custom_id), &outcome).await?;
                    tally.completed += u64::from(answered);
                    tally.failed += u64::from(!answered);
                }
                Some((_, None)) => {}
            },
            () = stops.batch.cancelled(), if !stop.is_cancelled() => stop.cancel(),
            _ = look.tick() => {
                match look_around(gateway, row, part, (tally != told).then_some(tally)).await {
                    Ok(is_stopping) => {
                        told = tally;
                        if is_stopping {
                            stop.cancel();
                        }
                    }
                    // Lines under way are not given up for it.
                    Err(error) => tracing::warn!(%error, batch.id = row.id, "the batch was not looked at"),
                }
            }
        }
    }
    if stops.process.is_cancelled() && tally.completed + tally.failed < wide(lines.len()) {
        return Err(Error::new(ErrorCode::Unavailable, "the gateway goes down; another goes on with the part"));
    }
    store(gateway, &parts.tenant, &parts.outcomes(part), outcomes).await?;
    count(gateway, row, part, tally).await?;
    Ok(tally)
}

async fn keep(
    outcomes: &mut Spool,
    row: &BatchRow,
    (n, custom_id): (u64, &str),
    outcome: &Outcome,
) -> Result<bool, Error> {
    let answered = matches!(outcome, Outcome::Called { status, .. } if *status < FAILURES_FROM);
    let text = outcome.written(&row.id, n, custom_id);
    let line = Kept { n, answered, text: text.as_bytes() }.written();
    outcomes.write(&line).await?;
    Ok(answered)
}

async fn store(gateway: &Gateway, tenant: &orrery_types::TenantId, path: &str, outcomes: Spool) -> Result<(), Error> {
    let upload = outcomes.finish(String::new(), path.to_owned(), None).await?;
    gateway.uploads.store_as(&gateway.bus, tenant, path, upload).await.map(drop)
}

async fn count(gateway: &Gateway, row: &BatchRow, part: i64, tally: Tally) -> Result<(), Error> {
    let counted = gateway.batches.control.part_counted(&row.id, part, integer(tally.completed), integer(tally.failed));
    Ok(counted.await?)
}

/// Tells how far a part is, and learns whether its batch is to stop.
async fn look_around(gateway: &Gateway, row: &BatchRow, part: i64, tally: Option<Tally>) -> Result<bool, Error> {
    if let Some(tally) = tally {
        count(gateway, row, part, tally).await?;
    }
    let row = gateway.batches.control.batch(&tenant_of(&row.tenant)?, &row.id).await?;
    Ok(row.is_none_or(|row| row.is_stopping(UnixMillis::now())))
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
