//! Signatures under people's decisions: a C2SP signed note over what was decided, by whom and when, in digests. Added to the
//! facts of a move before it is written, so that journal, row and record carry the same one. Ed25519 is deterministic:
//! signing a decision again gives the same note.

use std::path::Path;

use orrery_proof::key_file::{self, KeyError};
use orrery_proof::{NoteSigner, canonical};
use serde_json::json;

use crate::domain::event::Fact;
use crate::domain::review::Decision;
use crate::domain::transition::Transition;

/// The first line of what is signed.
pub const HEADER: &str = "orrery review decision v1";
/// Name of the key.
const KEY_NAME: &str = "orrery-kernel";

/// Signs decisions with the key of this kernel.
#[derive(Debug)]
pub struct DecisionSigner(NoteSigner);

impl DecisionSigner {
    /// Reads the key in the data folder, or makes it.
    pub fn open(data: &Path) -> Result<Self, KeyError> {
        key_file::load_or_create(&data.join("kernel").join("decisions.key"), KEY_NAME).map(Self)
    }

    /// The public half, as `name+hash+base64`.
    pub fn verifier_key(&self) -> String {
        self.0.verifier().vkey()
    }

    /// Signs every decision of a move. Its state holds no signature, so a replay is not changed by it (K-3).
    pub fn sign(&self, moved: &mut Transition) {
        let (tenant, task) = (moved.state.run.tenant.clone(), moved.state.run.id.clone());
        for event in &mut moved.events {
            if let Fact::ReviewDecided { review, decision } = &mut event.fact {
                decision.signature = self.note(tenant.as_str(), task.as_str(), review.as_str(), decision);
            }
        }
    }

    fn note(&self, tenant: &str, task: &str, review: &str, decision: &Decision) -> Option<String> {
        let signed = json!({
            "tenant": tenant, "task": task, "review": review, "decision": decision.decision, "by": decision.by,
            "voters": decision.voters, "at_ms": decision.at.0, "subject_digest": decision.subject_digest,
            "edits_digest": decision.edits_digest,
        });
        let line = canonical::to_string(&signed).map_err(|error| error.to_string());
        let note = line.and_then(|line| self.0.sign(&format!("{HEADER}\n{line}\n")).map_err(|error| error.to_string()));
        note.inspect_err(|reason| tracing::error!(review.id = %review, %reason, "a decision could not be signed")).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use orrery_types::UnixMillis;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_note_says_what_was_decided_in_digests_and_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let signer = DecisionSigner::open(folder.path()).unwrap();
        let decision = Decision {
            decision: "appröve\n".to_owned(),
            reason: "because".to_owned(),
            edits: Value::Null,
            by: "bob".to_owned(),
            at: UnixMillis(5),
            result: Value::Null,
            voters: vec!["bob".to_owned()],
            subject_digest: "sha256:aa".to_owned(),
            edits_digest: String::new(),
            signature: None,
        };
        let note = signer.note("acme", "task_1", "rev_1", &decision).unwrap();
        let verifier = orrery_proof::NoteVerifier::parse(&signer.verifier_key()).unwrap();
        let text = verifier.open(&note).unwrap();
        assert!(text.starts_with("orrery review decision v1\n{\"at_ms\":5,"), "{text}");
        assert!(!text.contains("because"));
        let again = DecisionSigner::open(folder.path()).unwrap();
        assert_eq!(again.note("acme", "task_1", "rev_1", &decision).unwrap(), note, "the key is kept");
        let other = Decision { by: "eve".to_owned(), ..decision };
        assert_ne!(signer.note("acme", "task_1", "rev_1", &other).unwrap(), note);
    }
}
