//! The first step: the input is read line by line, checked, and cut into parts, which are all that is kept of it here.

use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;
use tokio::io::BufReader;

use super::parts::{PART_BYTES_MAX, PART_LINES_MAX, Parts, next_line};
use crate::domain::batch::{Checker, Endpoint, Fault, Line, Status};
use crate::http::Gateway;
use crate::store::{BatchRow, Ending, FileRow, tenant_of};

/// Checks the input of a batch and gives the number of its parts; none of one that is refused.
pub async fn validate(gateway: &Gateway, row: &BatchRow) -> Result<i64, Error> {
    if row.finished_ms > 0 || row.parts > 0 {
        return Ok(row.parts);
    }
    let Some(endpoint) = Endpoint::of(&row.endpoint) else {
        let fault = Fault::whole("invalid_endpoint", format!("{:?} takes no batches", row.endpoint));
        return refuse(gateway, row, vec![fault], 0).await;
    };
    let file = match gateway.files.get(&tenant_of(&row.tenant)?, &row.input_file_id).await {
        Ok(file) => file,
        Err(error) if error.code == ErrorCode::NotFound => {
            return refuse(gateway, row, vec![Fault::whole("input_file_not_found", error.message)], 0).await;
        }
        Err(error) => return Err(error),
    };
    let parts = gateway.batches.parts(row).await?;
    let mut cut = Cut { parts: &parts, buffer: Vec::new(), lines: 0, stored: 0, total: 0 };
    let mut checker = Checker::new(endpoint);
    read(gateway, &file, &mut checker, &mut cut).await?;
    checker.finish();
    let stored = cut.flush().await?;
    if !checker.faults.is_empty() {
        return refuse(gateway, row, checker.faults, stored).await;
    }
    gateway.batches.control.batch_checked(&row.id, stored, cut.total, UnixMillis::now()).await?;
    Ok(stored)
}

async fn read(gateway: &Gateway, file: &FileRow, checker: &mut Checker, cut: &mut Cut<'_>) -> Result<(), Error> {
    let mut reader = BufReader::new(gateway.files.open(file).await?);
    let mut n = 0;
    loop {
        n += 1;
        let line = match next_line(&mut reader, gateway.config.json_bytes_max).await {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) if error.code == ErrorCode::PayloadTooLarge => {
                checker.fault(Fault { line: Some(n), ..Fault::whole("line_too_long", error.message) });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let read = checker.read(n, &line);
        if checker.is_too_long() {
            return Ok(());
        }
        // Nothing is called of an input with faults.
        if let Some(line) = read.filter(|_| checker.faults.is_empty()) {
            cut.take(&line).await?;
        }
    }
    Ok(())
}

/// The input is not as it should be: nothing is called.
async fn refuse(gateway: &Gateway, row: &BatchRow, faults: Vec<Fault>, stored: i64) -> Result<i64, Error> {
    let ending = Ending {
        status: Status::Failed,
        errors: serde_json::to_string(&faults).map_err(|error| Error::internal(&error))?,
        completed: 0,
        failed: 0,
        output: None,
        error: None,
        now: UnixMillis::now(),
    };
    gateway.batches.parts(row).await?.remove(stored).await?;
    gateway.batches.control.end_batch(&row.id, ending).await?;
    Ok(0)
}

/// Puts lines into parts.
struct Cut<'a> {
    parts: &'a Parts<'a>,
    buffer: Vec<u8>,
    lines: usize,
    stored: i64,
    total: i64,
}

impl Cut<'_> {
    async fn take(&mut self, line: &Line) -> Result<(), Error> {
        if self.lines >= PART_LINES_MAX || self.buffer.len() >= PART_BYTES_MAX {
            self.flush().await?;
        }
        serde_json::to_writer(&mut self.buffer, line).map_err(|error| Error::internal(&error))?;
        self.buffer.push(b'\n');
        self.lines += 1;
        self.total += 1;
        Ok(())
    }

    /// Stores what has come and gives the number of parts.
    async fn flush(&mut self) -> Result<i64, Error> {
        if !self.buffer.is_empty() {
            self.parts.put(self.stored, &self.buffer).await?;
            self.buffer.clear();
            self.lines = 0;
            self.stored += 1;
        }
        Ok(self.stored)
    }
}
