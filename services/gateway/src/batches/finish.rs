//! The last step: what became of the lines goes into the output and the error file, the batch ends, and its parts go.

use std::collections::HashSet;

use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::parts::{Kept, Parts};
use crate::domain::batch::{ABANDONED, CANCELLED, EXPIRED, Fault, Outcome, Status};
use crate::files::{About, derived_id};
use crate::http::{Gateway, Spool};
use crate::store::{BatchRow, Ending, FileRow, integer, tenant_of};

/// What the files of batches are for.
pub const PURPOSE: &str = "batch_output";
const TYPE: &str = "application/jsonl";

/// Why a batch ends.
#[derive(Debug)]
pub enum Why {
    /// Its steps are done.
    Done,
    /// Its task was cancelled.
    Cancelled,
    /// Nothing runs it any more.
    Abandoned(Fault),
}

/// Ends a batch, unless it is over, and gives how.
pub async fn finish(gateway: &Gateway, row: &BatchRow, why: Why) -> Result<Status, Error> {
    let control = &gateway.batches.control;
    let parts = gateway.batches.parts(row).await?;
    if row.finished_ms > 0 {
        parts.remove(row.parts).await?;
        return Ok(row.status());
    }
    let now = UnixMillis::now();
    control.batch_finalizing(&row.id, now).await?;
    let cancelled = row.cancelling_ms > 0 || matches!(why, Why::Cancelled);
    let (left, errors) = match why {
        Why::Done if !row.is_stopping(now) => (None, String::new()),
        Why::Done | Why::Cancelled => (Some(if cancelled { CANCELLED } else { EXPIRED }), String::new()),
        Why::Abandoned(fault) => {
            let errors = serde_json::to_string(&[fault]).map_err(|error| Error::internal(&error))?;
            (Some(if cancelled { CANCELLED } else { ABANDONED }), errors)
        }
    };
    let mut files = Put::begin(gateway).await?;
    for part in 0..row.parts {
        files.part(row, &parts, part, left.as_ref()).await?;
    }
    if left.is_none() && integer(files.completed + files.failed) != row.total {
        let gone = row.total - integer(files.completed + files.failed);
        return Err(Error::new(ErrorCode::DataCorrupted, format!("what became of {gone} lines is not stored")));
    }
    let status = match (cancelled, errors.is_empty(), files.missing) {
        (true, _, _) => Status::Cancelled,
        (false, false, _) => Status::Failed,
        (false, true, 0) => Status::Completed,
        (false, true, _) => Status::Expired,
    };
    let (completed, failed) = (integer(files.completed), integer(files.failed));
    let output = file(gateway, row, "output", files.output, now).await?;
    let error = file(gateway, row, "error", files.error, now).await?;
    control.end_batch(&row.id, Ending { status, errors, completed, failed, output, error, now }).await?;
    parts.remove(row.parts).await?;
    Ok(status)
}

/// The two files while they are put together.
struct Put {
    output: Spool,
    error: Spool,
    completed: u64,
    failed: u64,
    /// Lines that were never called.
    missing: u64,
}

impl Put {
    async fn begin(gateway: &Gateway) -> Result<Self, Error> {
        let (output, error) = tokio::try_join!(gateway.uploads.begin(), gateway.uploads.begin())?;
        Ok(Self { output, error, completed: 0, failed: 0, missing: 0 })
    }

    async fn part(
        &mut self,
        row: &BatchRow,
        parts: &Parts<'_>,
        part: i64,
        left: Option<&Outcome>,
    ) -> Result<(), Error> {
        let mut called = HashSet::new();
        if let Some(reader) = parts.read_outcomes(part).await? {
            let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
            loop {
                line.clear();
                let read = reader.read_until(b'\n', &mut line).await;
                if read.map_err(|error| Error::internal(&error))? == 0 {
                    break;
                }
                let kept = Kept::read(line.strip_suffix(b"\n").unwrap_or(&line))?;
                called.insert(kept.n);
                self.write(kept.answered, kept.text).await?;
            }
        }
        if let Some(outcome) = left {
            for line in parts.read(part).await?.iter().filter(|line| !called.contains(&line.n)) {
                self.missing += 1;
                self.write(false, outcome.written(&row.id, line.n, &line.custom_id).as_bytes()).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, answered: bool, text: &[u8]) -> Result<(), Error> {
        let (spool, count) = match answered {
            true => (&mut self.output, &mut self.completed),
            false => (&mut self.error, &mut self.failed),
        };
        *count += 1;
        spool.write(text).await?;
        Ok(spool.write(b"\n").await?)
    }
}

/// Stores a file; one with nothing in it is none. The name is made from batch and content: should two processes end a batch at
/// once, neither writes over what the other's row names.
async fn file(
    gateway: &Gateway,
    row: &BatchRow,
    kind: &str,
    spool: Spool,
    now: UnixMillis,
) -> Result<Option<FileRow>, Error> {
    if spool.is_empty() {
        return Ok(None);
    }
    let name = format!("{}_{kind}.jsonl", row.id);
    let upload = spool.finish(String::new(), name.clone(), Some(TYPE.to_owned())).await?;
    let id = derived_id(&format!("{name} {}", upload.digest()));
    let about = About {
        tenant: tenant_of(&row.tenant)?,
        created_by: row.created_by.clone(),
        purpose: PURPOSE.to_owned(),
        kept_s: u64::try_from(row.outputs_kept_s).ok().filter(|seconds| *seconds > 0),
        now,
    };
    gateway.files.store(id, about, upload).await.map(Some)
}
