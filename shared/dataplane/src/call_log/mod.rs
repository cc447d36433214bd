//! The call log: what this process is about to ask of providers and what came of it, on its own disk, until the router has
//! it. Written before a provider is asked and before an answer leaves, so that a process that dies, or a router that is
//! away, loses no record of money spent. Appending is a copy into the page cache, which survives the process. What a power
//! cut can take is what was not sent yet, some milliseconds: the router commits durably. So the file is synced only while
//! the router is away; each sync would hold up the appends of all calls for as long as the disk takes.
//!
//! - L-1: a record is in the log, or with the router, before the answer leaves.
//! - L-2: what begins and does not end in one life of the process is recorded as in doubt in the next, at the most that it
//!   can have cost.
//! - L-3: nothing is removed before the router has taken it. What is sent twice counts once, by its id.

mod frame;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orrery_proto::v1::CallRecord;
use parking_lot::Mutex;
use tokio::sync::Notify;

use frame::Entry;

/// A segment that is longer is closed; it goes once all in it was taken.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
const CURSOR: &str = "cursor";

/// Segment and byte within it.
type Position = (u64, u64);

/// The log of one process. One process at a time opens a folder.
#[derive(Debug)]
pub struct CallLog {
    folder: PathBuf,
    writer: Mutex<Writer>,
    reader: Mutex<Reader>,
    more: Notify,
}

#[derive(Debug)]
struct Writer {
    file: Arc<File>,
    end: Position,
    /// Calls under way, by where they began.
    open: Open,
    scratch: Vec<u8>,
}

#[derive(Debug, Default)]
struct Open {
    by_id: HashMap<String, Position>,
    by_place: BTreeMap<Position, String>,
}

impl Open {
    fn begin(&mut self, id: &str, at: Position) {
        // A call that goes on to another candidate began where it first did.
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.to_owned(), at);
            self.by_place.insert(at, id.to_owned());
        }
    }

    fn end(&mut self, id: &str) {
        if let Some(at) = self.by_id.remove(id) {
            self.by_place.remove(&at);
        }
    }

    fn oldest(&self) -> Option<Position> {
        self.by_place.keys().next().copied()
    }
}

#[derive(Debug)]
struct Reader {
    at: Position,
    /// Of calls whose end has not been read yet; the end leaves out what the beginning said.
    begun: HashMap<String, CallRecord>,
    /// Bytes read of the segment under `at`, and where they begin.
    file: Option<(u64, File)>,
    cursor: File,
}

impl CallLog {
    /// Opens the log in a folder, which is made if it is not there, and begins a new life: calls that the last one left
    /// open are in doubt, and handed out like those that ended. Blocks on the file system.
    pub fn open(folder: &Path) -> io::Result<Arc<Self>> {
        std::fs::create_dir_all(folder)?;
        let cursor = read_cursor(folder);
        let mut segments = segments(folder)?;
        segments.retain(|segment| *segment >= cursor.0);
        let mut open: BTreeMap<String, CallRecord> = BTreeMap::new();
        for segment in &segments {
            let from = if *segment == cursor.0 { cursor.1 } else { 0 };
            scan(folder, *segment, from, |entry| match entry {
                Entry::Began(record) => drop(open.insert(record.id.clone(), record)),
                Entry::Ended(record) => drop(open.remove(&record.id)),
                Entry::Settled(id) => drop(open.remove(&id)),
            })?;
        }
        let segment = segments.last().map_or(cursor.0, |last| last + 1).max(1);
        let file = Arc::new(create(folder, segment)?);
        let mut writer = Writer { file, end: (segment, 0), open: Open::default(), scratch: Vec::new() };
        for record in open.values() {
            writer.append(folder, |into| frame::ended(record, into))?;
        }
        let first = segments.first().copied().unwrap_or(segment);
        let at = if first == cursor.0 { cursor } else { (first, 0) };
        let cursor = OpenOptions::new().create(true).write(true).truncate(false).open(folder.join(CURSOR))?;
        let reader = Reader { at, begun: HashMap::new(), file: None, cursor };
        let writer = Mutex::new(writer);
        let log = Self { folder: folder.to_owned(), writer, reader: Mutex::new(reader), more: Notify::new() };
        log.more.notify_one();
        Ok(Arc::new(log))
    }

    /// Notes that a provider is about to be asked.
    pub fn began(&self, record: &CallRecord) -> io::Result<()> {
        let mut writer = self.writer.lock();
        let at = writer.append(&self.folder, |into| frame::began(record, into))?;
        writer.open.begin(&record.id, at);
        Ok(())
    }

    /// Notes that a call is over.
    pub fn ended(&self, record: &CallRecord) -> io::Result<()> {
        let mut writer = self.writer.lock();
        writer.append(&self.folder, |into| frame::ended(record, into))?;
        writer.open.end(&record.id);
        drop(writer);
        self.more.notify_one();
        Ok(())
    }

    /// Notes that a call is over and recorded elsewhere.
    pub fn settled(&self, id: &str) -> io::Result<()> {
        let mut writer = self.writer.lock();
        if !writer.open.by_id.contains_key(id) {
            return Ok(());
        }
        writer.append(&self.folder, |into| frame::settled(id, into))?;
        writer.open.end(id);
        Ok(())
    }

    /// Resolves when there may be something to hand out.
    pub async fn more(&self) {
        self.more.notified().await;
    }

    /// Calls that are over and were not handed out yet, at most `max`, oldest first. Blocks on the file system.
    pub fn next(&self, max: usize) -> io::Result<Vec<CallRecord>> {
        let end = self.writer.lock().end;
        self.reader.lock().next(&self.folder, end, max)
    }

    /// Everything that was handed out is with the router: what is no longer needed goes. Blocks on the file system.
    pub fn taken(&self) -> io::Result<()> {
        let oldest = self.writer.lock().open.oldest();
        let mut reader = self.reader.lock();
        let cursor = oldest.map_or(reader.at, |oldest| oldest.min(reader.at));
        reader.keep(cursor)?;
        for segment in segments(&self.folder)?.into_iter().filter(|segment| *segment < cursor.0) {
            std::fs::remove_file(path(&self.folder, segment))?;
        }
        Ok(())
    }

    /// Brings everything to the disk, for a time in which nothing can be sent. Blocks on it.
    pub fn sync(&self) -> io::Result<()> {
        let file = self.writer.lock().file.clone();
        file.sync_data()
    }

    /// What was handed out was not taken: it is handed out again.
    pub fn again(&self) {
        let mut reader = self.reader.lock();
        reader.at = read_cursor(&self.folder);
        reader.begun.clear();
        reader.file = None;
    }
}

impl Writer {
    /// Appends one frame; says where it begins.
    fn append(&mut self, folder: &Path, frame: impl FnOnce(&mut Vec<u8>)) -> io::Result<Position> {
        if self.end.1 >= SEGMENT_BYTES_MAX {
            self.file.sync_data()?;
            let segment = self.end.0 + 1;
            self.file = Arc::new(create(folder, segment)?);
            self.end = (segment, 0);
        }
        self.scratch.clear();
        frame(&mut self.scratch);
        let at = self.end;
        // At its place and not at the end, so that a frame that was written in part is overwritten by the next.
        self.file.write_all_at(&self.scratch, at.1)?;
        self.end.1 += u64::try_from(self.scratch.len()).unwrap_or(u64::MAX);
        Ok(at)
    }
}

impl Reader {
    fn next(&mut self, folder: &Path, end: Position, max: usize) -> io::Result<Vec<CallRecord>> {
        let mut records = Vec::new();
        while records.len() < max && self.at < end {
            let (segment, from) = self.at;
            let until = if segment == end.0 { end.1 } else { u64::MAX };
            let bytes = self.bytes(folder, segment, from, until)?;
            let mut rest = bytes.as_slice();
            let before = records.len();
            while records.len() < max
                && let Some((entry, length)) = frame::read(rest)
            {
                rest = rest.get(length..).unwrap_or_default();
                self.at.1 += u64::try_from(length).unwrap_or(u64::MAX);
                records.extend(self.take(entry));
            }
            if records.len() == before && self.at == (segment, from) {
                if segment >= end.0 {
                    break;
                }
                // The end of a closed segment, or what a crash cut short.
                self.at = (segment + 1, 0);
            }
        }
        Ok(records)
    }

    fn take(&mut self, entry: Entry) -> Option<CallRecord> {
        match entry {
            Entry::Began(record) => {
                self.begun.insert(record.id.clone(), record);
                None
            }
            Entry::Ended(mut record) => {
                let begun = self.begun.remove(&record.id).unwrap_or_default();
                if record.decision_json.is_empty() {
                    record.decision_json = begun.decision_json;
                    record.decision_digest = begun.decision_digest;
                }
                Some(record)
            }
            Entry::Settled(id) => {
                self.begun.remove(&id);
                None
            }
        }
    }

    fn bytes(&mut self, folder: &Path, segment: u64, from: u64, until: u64) -> io::Result<Vec<u8>> {
        const AT_ONCE: u64 = 4 << 20;
        let file = match &mut self.file {
            Some((open, file)) if *open == segment => file,
            other => match File::open(path(folder, segment)) {
                Ok(file) => &mut other.insert((segment, file)).1,
                // Removed in an earlier life, or never made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
        };
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(AT_ONCE.min(until.saturating_sub(from))).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn keep(&mut self, (segment, offset): Position) -> io::Result<()> {
        let mut text = format!("{segment} {offset}");
        text.push_str(&" ".repeat(48_usize.saturating_sub(text.len())));
        self.cursor.write_all_at(text.as_bytes(), 0)
    }
}

fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:016}.calls"))
}

fn create(folder: &Path, segment: u64) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(true).open(path(folder, segment))
}

fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_suffix(".calls")?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// One that does not read is none: what was taken is sent again and counts once.
fn read_cursor(folder: &Path) -> Position {
    let text = std::fs::read_to_string(folder.join(CURSOR)).unwrap_or_default();
    let mut parts = text.split_ascii_whitespace().map(|part| part.parse::<u64>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn scan(folder: &Path, segment: u64, from: u64, mut seen: impl FnMut(Entry)) -> io::Result<()> {
    let mut file = File::open(path(folder, segment))?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut rest = bytes.as_slice();
    while let Some((entry, length)) = frame::read(rest) {
        seen(entry);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(id: &str, outcome: &str) -> CallRecord {
        CallRecord { id: id.into(), outcome: outcome.into(), ..CallRecord::default() }
    }

    fn began(id: &str) -> CallRecord {
        CallRecord { decision_json: format!("why {id}"), ..record(id, "in_doubt") }
    }

    fn told(log: &CallLog) -> Vec<(String, String, String)> {
        let records = log.next(100).unwrap();
        records.into_iter().map(|it| (it.id, it.outcome, it.decision_json)).collect()
    }

    fn line(id: &str, outcome: &str) -> (String, String, String) {
        (id.to_owned(), outcome.to_owned(), format!("why {id}"))
    }

    #[test]
    fn calls_that_ended_are_handed_out_once_and_again_after_a_crash_that_came_before_they_were_taken() {
        let folder = tempfile::tempdir().unwrap();
        let log = CallLog::open(folder.path()).unwrap();
        log.began(&began("a")).unwrap();
        log.began(&began("b")).unwrap();
        log.ended(&record("b", "ok")).unwrap();
        assert_eq!(told(&log), [line("b", "ok")]);
        assert_eq!(told(&log), []);
        drop(log);
        // Nothing was taken: b comes again, and a is in doubt.
        let log = CallLog::open(folder.path()).unwrap();
        assert_eq!(told(&log), [line("b", "ok"), line("a", "in_doubt")]);
        log.taken().unwrap();
        drop(log);
        assert_eq!(told(&CallLog::open(folder.path()).unwrap()), []);
    }

    #[test]
    fn what_was_not_taken_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = CallLog::open(folder.path()).unwrap();
        for id in ["a", "b"] {
            log.began(&began(id)).unwrap();
            log.ended(&record(id, "ok")).unwrap();
        }
        assert_eq!(log.next(1).unwrap().len(), 1);
        log.taken().unwrap();
        assert_eq!(told(&log), [line("b", "ok")]);
        log.again();
        assert_eq!(told(&log), [line("b", "ok")]);
    }

    #[test]
    fn a_call_recorded_elsewhere_is_not_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let log = CallLog::open(folder.path()).unwrap();
        log.began(&began("a")).unwrap();
        log.settled("a").unwrap();
        drop(log);
        assert_eq!(told(&CallLog::open(folder.path()).unwrap()), []);
    }

    #[test]
    fn a_long_call_keeps_its_beginning_and_segments_go_when_all_in_them_was_taken() {
        let folder = tempfile::tempdir().unwrap();
        let log = CallLog::open(folder.path()).unwrap();
        log.began(&began("long")).unwrap();
        let filler = CallRecord { facts_json: "x".repeat(1 << 20), ..record("f", "ok") };
        for _ in 0..40 {
            log.ended(&filler).unwrap();
        }
        while !log.next(8).unwrap().is_empty() {
            log.taken().unwrap();
        }
        assert_eq!(segments(folder.path()).unwrap().len(), 3, "the beginning of a call under way must stay");
        log.ended(&record("long", "ok")).unwrap();
        assert_eq!(told(&log), [line("long", "ok")]);
        log.taken().unwrap();
        assert_eq!(segments(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_frame_cut_short_by_a_crash_loses_nothing_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = CallLog::open(folder.path()).unwrap();
        log.began(&began("a")).unwrap();
        log.ended(&record("a", "ok")).unwrap();
        let end = log.writer.lock().end;
        drop(log);
        let file = OpenOptions::new().write(true).open(path(folder.path(), end.0)).unwrap();
        file.write_all_at(&[7, 0, 0, 0, 1, 2], end.1).unwrap();
        let log = CallLog::open(folder.path()).unwrap();
        log.began(&began("b")).unwrap();
        log.ended(&record("b", "ok")).unwrap();
        assert_eq!(told(&log), [line("a", "ok"), line("b", "ok")]);
    }
}
