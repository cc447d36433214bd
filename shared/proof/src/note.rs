//! Signed notes of C2SP (`c2sp.org/signed-note`) with Ed25519, and the text form of their keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

const ALGORITHM_ED25519: u8 = 1;
const SIGNER_PREFIX: &str = "PRIVATE+KEY+";
const KEY_ID_BYTES: usize = 4;
/// Most signature lines that a note may carry.
const SIGNATURES_MAX: usize = 16;

/// A key or a note that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("the key name {0:?} is empty or holds a space or a plus sign")]
    KeyName(String),
    #[error("not an Ed25519 verifier key: expected name+hash+base64")]
    VerifierKey,
    #[error("not an Ed25519 signer key: expected PRIVATE+KEY+name+hash+base64")]
    SignerKey,
    #[error("the hash in the key does not belong to its name and public key")]
    KeyHash,
    #[error("not a signed note: expected text, a blank line and signature lines")]
    Malformed,
    #[error("the note is not signed by {0}")]
    NotSigned(String),
    #[error("the signature of {0} does not belong to the text")]
    WrongSignature(String),
}

type KeyId = [u8; KEY_ID_BYTES];

fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
    if bad { Err(NoteError::KeyName(name.to_owned())) } else { Ok(()) }
}

fn key_id(name: &str, key: &VerifyingKey) -> KeyId {
    let mut hasher = Sha256::new();
    hasher.update(name.as_bytes());
    hasher.update([b'\n', ALGORITHM_ED25519]);
    hasher.update(key.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

/// Splits `name+hash+base64` into the name, the hash and the 32 key bytes.
fn split_key(text: &str) -> Option<(&str, &str, [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let (hash, key) = rest.split_once('+')?;
    let bytes = STANDARD.decode(key).ok()?;
    let (algorithm, key) = bytes.split_first()?;
    (*algorithm == ALGORITHM_ED25519).then_some((name, hash, key.try_into().ok()?))
}

fn join_key(name: &str, id: KeyId, key: &[u8; 32]) -> String {
    let mut bytes = vec![ALGORITHM_ED25519];
    bytes.extend_from_slice(key);
    format!("{name}+{}+{}", hex::encode(id), STANDARD.encode(bytes))
}

/// Checks signatures of one named key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    id: KeyId,
    key: VerifyingKey,
}

impl NoteVerifier {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), id: key_id(name, &key), key })
    }

    /// Reads a `name+hash+base64` key; only its one canonical spelling is accepted.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let (name, _, bytes) = split_key(vkey).ok_or(NoteError::VerifierKey)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| NoteError::VerifierKey)?;
        let verifier = Self::new(name, key)?;
        if verifier.vkey() == vkey { Ok(verifier) } else { Err(NoteError::KeyHash) }
    }

    /// The key as `name+hash+base64`.
    pub fn vkey(&self) -> String {
        join_key(&self.name, self.id, self.key.as_bytes())
    }

    /// The name that stands on the signature line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the signed text, with its last newline, if this key signed it.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        if note.chars().any(|c| c.is_ascii_control() && c != '\n') {
            return Err(NoteError::Malformed);
        }
        let split = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
        let (text, signatures) = note.split_at_checked(split + 1).ok_or(NoteError::Malformed)?;
        let lines = signatures.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n'));
        let mut found = false;
        for (count, line) in lines.ok_or(NoteError::Malformed)?.split('\n').enumerate() {
            let (name, signed) =
                parse_signature(line).filter(|_| count < SIGNATURES_MAX).ok_or(NoteError::Malformed)?;
            let (id, signature) = signed.split_at_checked(KEY_ID_BYTES).ok_or(NoteError::Malformed)?;
            if name == self.name && id == self.id {
                self.check(text, signature)?;
                found = true;
            }
        }
        if found { Ok(text) } else { Err(NoteError::NotSigned(self.name.clone())) }
    }

    fn check(&self, text: &str, signature: &[u8]) -> Result<(), NoteError> {
        let wrong = || NoteError::WrongSignature(self.name.clone());
        let signature = Signature::from_slice(signature).map_err(|_| wrong())?;
        // `verify_strict` also refuses the malleable and small-order cases that plain verification lets pass.
        self.key.verify_strict(text.as_bytes(), &signature).map_err(|_| wrong())
    }
}

fn parse_signature(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    check_name(name).ok()?;
    Some((name, STANDARD.decode(signature).ok()?))
}

/// Signs notes with one named key. Its debug form shows no secret.
pub struct NoteSigner {
    verifier: NoteVerifier,
    key: SigningKey,
}

impl std::fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoteSigner").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl NoteSigner {
    /// A fresh key from the operating system's randomness.
    pub fn generate(name: &str) -> Result<Self, NoteError> {
        Self::from_seed(name, rand::random())
    }

    /// The key that grows from `seed`.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, NoteError> {
        let key = SigningKey::from_bytes(&seed);
        Ok(Self { verifier: NoteVerifier::new(name, key.verifying_key())?, key })
    }

    /// Reads a `PRIVATE+KEY+name+hash+base64` key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, hash, seed) = text.strip_prefix(SIGNER_PREFIX).and_then(split_key).ok_or(NoteError::SignerKey)?;
        let signer = Self::from_seed(name, seed)?;
        if hex::encode(signer.verifier.id) == hash { Ok(signer) } else { Err(NoteError::KeyHash) }
    }

    /// The secret key as text; whoever holds it can sign for the log.
    pub fn to_secret_text(&self) -> String {
        format!("{SIGNER_PREFIX}{}", join_key(&self.verifier.name, self.verifier.id, self.key.as_bytes()))
    }

    /// The public half.
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    /// Signs `text`, which must end in a newline, and returns the whole note.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        if !text.ends_with('\n') || text.chars().any(|c| c.is_ascii_control() && c != '\n') {
            return Err(NoteError::Malformed);
        }
        let mut signed = self.verifier.id.to_vec();
        signed.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        Ok(format!("{text}\n— {} {}\n", self.verifier.name, STANDARD.encode(signed)))
    }
}
