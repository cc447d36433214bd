//! Checkpoints of C2SP (`c2sp.org/tlog-checkpoint`): the size and root of the log at one moment, as a signed note.

use crate::hash::Hash;
use crate::note::{NoteError, NoteSigner, NoteVerifier};

/// What the log commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the log; the same as the name of its key.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
}

/// A checkpoint that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("the checkpoint's signature does not hold: {0}")]
    Note(#[from] NoteError),
    #[error("the checkpoint's text is not three lines of origin, size and root")]
    Malformed,
    #[error("the checkpoint is of the log {found:?}, the key belongs to {expected:?}")]
    OtherLog { found: String, expected: String },
}

impl Checkpoint {
    /// The text that is signed.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// The signed note.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, CheckpointError> {
        Ok(signer.sign(&self.body())?)
    }

    /// Checks the signature and reads the one canonical form of the text.
    pub fn open(note: &str, verifier: &NoteVerifier) -> Result<Self, CheckpointError> {
        let text = verifier.open(note)?;
        let checkpoint = Self::parse(text).ok_or(CheckpointError::Malformed)?;
        if checkpoint.origin != verifier.name() {
            let expected = verifier.name().to_owned();
            return Err(CheckpointError::OtherLog { found: checkpoint.origin, expected });
        }
        Ok(checkpoint)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let origin = lines.next()?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = Hash::from_base64(lines.next()?)?;
        let checkpoint = Self { origin, size, root };
        (checkpoint.body() == text).then_some(checkpoint)
    }
}
