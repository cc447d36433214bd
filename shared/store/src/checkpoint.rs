//! Brings what SQLite's write-ahead log holds into the database file. SQLite would do so within every so manieth commit, which
//! then takes ten times as long as the others, and so does what waits behind it. Here a thread does it beside the commits.
//!
//! A log that is written without a pause would never be begun anew, since there is always something in it that is not in the
//! file yet. When it has become long, the commits wait for the little that is left, and it begins anew.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use crate::connection::Manager;
use crate::{AnyConnection, StoreError};

/// From a write to the checkpoint that takes it, and whatever has come meanwhile, into the file.
const PACE: Duration = Duration::from_millis(50);
/// Pages, of 4 KiB, after which the log begins anew.
const LONG_PAGES: i32 = 8_192;
/// How long commits may wait for the readers that keep the log from beginning anew; then it is tried again later.
const PATIENCE_MS: u32 = 50;

/// Told of writes; the thread ends when nobody can tell it of any.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoints(SyncSender<()>);

impl Checkpoints {
    /// Starts the thread, with a connection of its own.
    pub(crate) fn start(manager: &Manager) -> Result<Self, StoreError> {
        let mut connection = manager.open()?;
        connection.batch_execute(&format!("PRAGMA busy_timeout = {PATIENCE_MS}"))?;
        let (told, written) = sync_channel(1);
        let failed = |error: std::io::Error| StoreError::Connect { dialect: "SQLite", reason: error.to_string() };
        let thread = std::thread::Builder::new().name("checkpoints".to_owned());
        thread.spawn(move || keep(connection, &written)).map_err(failed)?;
        Ok(Self(told))
    }

    /// Something was written.
    pub(crate) fn wake(&self) {
        // One that is full is awake already; one whose thread is gone leaves it to SQLite.
        let _awake = self.0.try_send(());
    }
}

fn keep(mut connection: AnyConnection, written: &Receiver<()>) {
    let mut fails = false;
    while written.recv().is_ok() {
        std::thread::sleep(PACE);
        let outcome = checkpoint(&mut connection);
        match &outcome {
            // On a full disk, say. Commits go on for as long as there is room for the log.
            Err(error) if !fails => {
                tracing::warn!(%error, "the write-ahead log is not brought into the database; it is tried again with the next write")
            }
            Ok(()) if fails => tracing::info!("the write-ahead log is brought into the database again"),
            _ => {}
        }
        fails = outcome.is_err();
    }
}

#[derive(QueryableByName)]
struct Checkpointed {
    /// Pages in the log.
    #[diesel(sql_type = Integer)]
    log: i32,
}

fn checkpoint(connection: &mut AnyConnection) -> QueryResult<()> {
    let run = |connection: &mut AnyConnection, mode| -> QueryResult<Checkpointed> {
        diesel::sql_query(format!("PRAGMA wal_checkpoint({mode})")).get_result(connection)
    };
    // Waits for nobody, and nobody waits for it.
    if run(connection, "PASSIVE")?.log >= LONG_PAGES {
        run(connection, "RESTART")?;
    }
    Ok(())
}
