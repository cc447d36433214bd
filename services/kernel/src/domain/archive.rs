//! A run as one object that needs nothing else: lines of JSON. The first says what follows and its digest; then come the run,
//! its history, its reviews, its attachments' digests and its attributes. The same run gives the same bytes, so that writing
//! it again after a crash changes nothing.
//!
//! ```text
//! {"orrery_archive":1,"task_id":…,"tenant":…,"workflow":…,"version":…,"definition_hash":…,"status":…,"lines":…,"sha256":…}
//! {"run":{…}}                          the run's row, with input, output and error
//! {"event":{"seq":1,"at":…,"fact":{…}}}  one for each event, in order
//! {"review":{…}}                       with people, votes and comments
//! {"attachment":{"name":…,"sha256":…,"size_bytes":…,"media_type":…}}
//! {"attribute":{"name":…,"value":…}}
//! ```
//!
//! `lines` counts the lines after the first and `sha256` is the digest of their bytes, line ends included.

use orrery_types::Sha256Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::Event;
use super::state::State;

/// The version of the format.
const VERSION: u32 = 1;
/// Longest archive that is written or read.
pub const ARCHIVE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub orrery_archive: u32,
    /// Who it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// Lines after this one.
    pub lines: u64,
    /// Of their bytes: `sha256:<hex>`.
    pub sha256: String,
}

/// Who an archive is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The run.
    pub task_id: String,
    /// Whose it is.
    pub tenant: String,
    /// Name of its workflow.
    pub workflow: String,
    /// Its version.
    pub version: String,
    /// Hash of the definition with which it ended.
    pub definition_hash: String,
    /// How it ended.
    pub status: String,
}

/// All that is kept of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// Its row.
    pub run: Value,
    /// Its history.
    pub events: Vec<Event>,
    /// Its reviews.
    pub reviews: Vec<Value>,
    /// Its attachments.
    pub attachments: Vec<Value>,
    /// By what it was found.
    pub attributes: Vec<(String, String)>,
}

/// An archive that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveFault {
    /// Not this format.
    #[error("this is no archive of a task: {0}")]
    Shape(String),
    /// Written by a newer version.
    #[error("the archive has version {0}; this version reads {VERSION}: use a newer one")]
    Version(u32),
    /// Something is missing or changed.
    #[error("the archive was changed or cut off: its {0} does not match its header; take it from its source again")]
    Damaged(&'static str),
    /// Above the limit.
    #[error("the archive has {0} bytes; at most {ARCHIVE_BYTES_MAX} are written")]
    TooLarge(usize),
    /// The events give another state.
    #[error("the history of the archive does not lead to the end that it names")]
    Replay,
}

/// One line after the first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Run(Value),
    Event(Numbered),
    Review(Value),
    Attachment(Value),
    Attribute { name: String, value: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct Numbered {
    seq: u64,
    #[serde(flatten)]
    event: Event,
}

/// Writes an archive.
pub fn encode(subject: Subject, contents: Contents) -> Result<String, ArchiveFault> {
    let Contents { run, events, reviews, attachments, attributes } = contents;
    let events = (1..).zip(events).map(|(seq, event)| Line::Event(Numbered { seq, event }));
    let attributes = attributes.into_iter().map(|(name, value)| Line::Attribute { name, value });
    let lines = [Line::Run(run)]
        .into_iter()
        .chain(events)
        .chain(reviews.into_iter().map(Line::Review))
        .chain(attachments.into_iter().map(Line::Attachment))
        .chain(attributes);
    let (mut body, mut count) = (String::new(), 0);
    for line in lines {
        body.push_str(&json!(line).to_string());
        body.push('\n');
        count += 1;
        if body.len() > ARCHIVE_BYTES_MAX {
            return Err(ArchiveFault::TooLarge(body.len()));
        }
    }
    let sha256 = Sha256Digest::of(body.as_bytes()).to_string();
    let header = Header { orrery_archive: VERSION, subject, lines: count, sha256 };
    Ok(format!("{}\n{body}", json!(header)))
}

/// Reads an archive and holds it against its header.
pub fn decode(text: &str) -> Result<(Header, Contents), ArchiveFault> {
    let shape = |error: serde_json::Error| ArchiveFault::Shape(error.to_string());
    let (first, body) = text.split_once('\n').ok_or_else(|| ArchiveFault::Shape("it has one line".to_owned()))?;
    let header: Header = serde_json::from_str(first).map_err(shape)?;
    if header.orrery_archive != VERSION {
        return Err(ArchiveFault::Version(header.orrery_archive));
    }
    if Sha256Digest::of(body.as_bytes()).to_string() != header.sha256 {
        return Err(ArchiveFault::Damaged("digest"));
    }
    let (mut contents, mut count) = (Contents::default(), 0);
    for line in body.lines() {
        count += 1;
        match serde_json::from_str(line).map_err(shape)? {
            Line::Run(run) => contents.run = run,
            Line::Event(Numbered { seq, event }) => {
                if seq != contents.events.len() as u64 + 1 {
                    return Err(ArchiveFault::Damaged("numbering"));
                }
                contents.events.push(event);
            }
            Line::Review(review) => contents.reviews.push(review),
            Line::Attachment(attachment) => contents.attachments.push(attachment),
            Line::Attribute { name, value } => contents.attributes.push((name, value)),
        }
    }
    if count != header.lines {
        return Err(ArchiveFault::Damaged("number of lines"));
    }
    Ok((header, contents))
}

/// The state in which the history ends (K-3); it must be over.
pub fn replay(contents: &Contents) -> Result<State, ArchiveFault> {
    let state = State::replay(contents.events.iter().cloned()).filter(State::is_over);
    state.ok_or(ArchiveFault::Replay)
}

#[cfg(test)]
mod tests {

    use orrery_types::{TaskId, TenantId, UnixMillis};

    use super::*;
    use crate::domain::command::{Command, Run};
    use crate::domain::definition;
    use crate::domain::transition::transition;

    fn done() -> (State, Vec<Event>) {
        let text = "document: {dsl: 1.0.0, namespace: t, name: n, version: 1.0.0}\ndo: [{s: {set: {a: \"x\\ny\"}}}]\n";
        let definition = definition::parse(text).unwrap();
        let run =
            Run::of(&definition, TaskId::new("task_1").unwrap(), TenantId::new("acme").unwrap(), "alice", json!({}));
        let moved = transition(&State::new(run), &definition, Command::Start, UnixMillis(1_000)).unwrap();
        (moved.state, moved.events)
    }

    fn archive() -> String {
        let subject = Subject {
            task_id: "task_1".into(),
            tenant: "acme".into(),
            workflow: "n".into(),
            version: "1.0.0".into(),
            definition_hash: "sha256:00".into(),
            status: "completed".into(),
        };
        let contents = Contents {
            run: json!({"id": "task_1", "output": {"a": "x\ny"}}),
            events: done().1,
            reviews: vec![json!({"id": "rev_1", "votes": []})],
            attachments: vec![json!({"name": "form", "sha256": "ab"})],
            attributes: vec![("plate".into(), "A\n1".into())],
        };
        encode(subject, contents).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_and_replays_to_the_end_of_the_run() {
        let text = archive();
        assert_eq!(text, archive(), "the same run gives the same bytes");
        let (header, contents) = decode(&text).unwrap();
        assert_eq!((header.subject.task_id.as_str(), header.lines), ("task_1", contents.events.len() as u64 + 4));
        assert_eq!(contents.attributes, [("plate".to_owned(), "A\n1".to_owned())]);
        assert!(replay(&contents).unwrap() == done().0);
    }

    #[test]
    fn an_archive_that_was_changed_is_refused() {
        let text = archive();
        let newer = text.replacen("\"orrery_archive\":1", "\"orrery_archive\":2", 1);
        let cases = [
            (text.replace("rev_1", "rev_2"), ArchiveFault::Damaged("digest")),
            (text.trim_end().to_owned(), ArchiveFault::Damaged("digest")),
            (text.replacen("\"lines\":", "\"lines\":1", 1), ArchiveFault::Damaged("number of lines")),
            (newer, ArchiveFault::Version(2)),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(&text).unwrap_err(), expected);
        }
        assert!(matches!(decode("{}\n"), Err(ArchiveFault::Shape(_))));
        let (_, mut contents) = decode(&archive()).unwrap();
        contents.events.pop();
        assert_eq!(replay(&contents), Err(ArchiveFault::Replay));
    }
}
