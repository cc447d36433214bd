//! The file that proves one outcome: a `c2sp.org/tlog-proof@v1` of the task's closing record, whose `extra` data holds
//! the statement and every other record of the task with its own inclusion proof.
//!
//! Any reader of the C2SP format can check the closing record; [`crate::verify`] checks all of it. The file has one
//! spelling only: decoding writes it again and compares, so that not even white space can change unnoticed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{self, CanonicalError};
use crate::hash::Hash;
use crate::record::RecordError;

/// Most bytes of a proof file.
pub const PROOF_BYTES_MAX: usize = 64 * 1024 * 1024;

const HEADER: &str = "c2sp.org/tlog-proof@v1";
const BUNDLE_FORMAT: &str = "urn:orrery:outcome-bundle:v1";

/// A file that is not a proof, or not in its one spelling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("the file has {size} bytes; a proof has at most {PROOF_BYTES_MAX}")]
    TooLarge { size: usize },
    #[error("the file is not UTF-8 text")]
    NotText,
    #[error("the first line is not {HEADER:?}")]
    Header,
    #[error("the {0} line is missing or malformed")]
    Line(&'static str),
    #[error("the inclusion proof holds a line that is not a base64 hash")]
    PathLine,
    #[error(
        "the file is spelled in another way than a proof is written: white space, base64 or line ends were changed"
    )]
    Spelling,
    #[error("the extra data does not hold an outcome: {0}")]
    Bundle(String),
    #[error("the extra data is not canonical: {0}")]
    Canonical(#[from] CanonicalError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// A record of the task other than the closing one, with its place and path in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Index of the leaf.
    pub index: u64,
    /// Base64 hashes from the leaf's sibling up.
    pub path: Vec<String>,
    /// The record.
    pub record: Value,
}

/// What travels as the extra data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bundle {
    format: String,
    verifier_key: String,
    statement: Value,
    closing: Value,
    entries: Vec<Entry>,
}

/// The parts of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    /// The log's key as `name+hash+base64`; says who signed, not whether to trust them.
    pub verifier_key: String,
    /// The in-toto Statement.
    pub statement: Value,
    /// The record that closed the task.
    pub closing: Value,
    /// Its index.
    pub index: u64,
    /// Its inclusion proof.
    pub path: Vec<Hash>,
    /// The other records of the task, by ascending index.
    pub entries: Vec<Entry>,
    /// The signed note that commits to the tree.
    pub checkpoint: String,
}

impl ProofFile {
    /// Writes the file.
    pub fn encode(&self) -> Result<String, CanonicalError> {
        let bundle = Bundle {
            format: BUNDLE_FORMAT.to_owned(),
            verifier_key: self.verifier_key.clone(),
            statement: self.statement.clone(),
            closing: self.closing.clone(),
            entries: self.entries.clone(),
        };
        let value = serde_json::to_value(bundle).map_err(|error| CanonicalError::NotJson(error.to_string()))?;
        let extra = STANDARD.encode(canonical::to_string(&value)?);
        let path: String = self.path.iter().map(|hash| format!("{}\n", hash.to_base64())).collect();
        Ok(format!("{HEADER}\nextra {extra}\nindex {}\n{path}\n{}", self.index, self.checkpoint))
    }

    /// Reads a file in its one spelling.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(FormatError::TooLarge { size: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::NotText)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(FormatError::Line("blank"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(FormatError::Header);
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or(FormatError::Line("extra"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        let index = index.ok_or(FormatError::Line("index"))?;
        let path = lines.map(Hash::from_base64).collect::<Option<_>>().ok_or(FormatError::PathLine)?;
        let bundle = decode_bundle(extra)?;
        let proof = Self {
            verifier_key: bundle.verifier_key,
            statement: bundle.statement,
            closing: bundle.closing,
            index,
            path,
            entries: bundle.entries,
            checkpoint: checkpoint.to_owned(),
        };
        if proof.encode()? == text { Ok(proof) } else { Err(FormatError::Spelling) }
    }
}

fn decode_bundle(extra: &str) -> Result<Bundle, FormatError> {
    let bytes = STANDARD.decode(extra).map_err(|_| FormatError::Line("extra"))?;
    let text = String::from_utf8(bytes).map_err(|_| FormatError::NotText)?;
    let value = canonical::parse(&text)?;
    let bundle: Bundle = serde_json::from_value(value).map_err(|error| FormatError::Bundle(error.to_string()))?;
    if bundle.format == BUNDLE_FORMAT {
        Ok(bundle)
    } else {
        Err(FormatError::Bundle(format!("its format is {:?}, not {BUNDLE_FORMAT:?}", bundle.format)))
    }
}
