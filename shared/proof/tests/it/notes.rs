//! Signed notes and checkpoints against the published example and against tampering.

use orrery_proof::Hash;
use orrery_proof::checkpoint::{Checkpoint, CheckpointError};
use orrery_proof::note::{NoteError, NoteSigner, NoteVerifier};

/// The example key and note of Go's `golang.org/x/mod/sumdb/note`, from which C2SP took the format.
const SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNATURE: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn signs_and_opens_the_published_example() {
    let signer = NoteSigner::parse(SIGNER).unwrap();
    assert_eq!(signer.verifier().vkey(), VERIFIER);
    assert_eq!(signer.to_secret_text(), SIGNER);
    let note = signer.sign(TEXT).unwrap();
    assert_eq!(note, format!("{TEXT}\n{SIGNATURE}"));
    assert_eq!(NoteVerifier::parse(VERIFIER).unwrap().open(&note).unwrap(), TEXT);
}

#[test]
fn a_key_has_one_spelling() {
    for position in 0..VERIFIER.len() {
        let mut bytes = VERIFIER.as_bytes().to_vec();
        bytes[position] ^= 1;
        let changed = String::from_utf8(bytes).unwrap();
        assert!(NoteVerifier::parse(&changed).is_err(), "{changed} was accepted");
    }
    assert_eq!(NoteVerifier::parse(&VERIFIER.replace("c74f", "C74F")), Err(NoteError::KeyHash));
    assert!(matches!(NoteSigner::generate("two words"), Err(NoteError::KeyName(_))));
}

#[test]
fn a_signature_of_someone_else_or_over_another_text_is_refused() {
    let (ours, theirs) = (NoteSigner::generate("log.one").unwrap(), NoteSigner::generate("log.two").unwrap());
    let note = ours.sign("text\n").unwrap();
    assert_eq!(theirs.verifier().open(&note), Err(NoteError::NotSigned("log.two".to_owned())));
    let changed = note.replace("text", "test");
    assert_eq!(ours.verifier().open(&changed), Err(NoteError::WrongSignature("log.one".to_owned())));
    assert_eq!(ours.verifier().open(note.trim_end()), Err(NoteError::Malformed));
}

#[test]
fn a_checkpoint_reads_back_and_must_name_the_log_of_its_key() {
    let signer = NoteSigner::generate("log.one").unwrap();
    let checkpoint = Checkpoint { origin: "log.one".to_owned(), size: 7, root: Hash::leaf(b"x") };
    let note = checkpoint.sign(&signer).unwrap();
    assert_eq!(Checkpoint::open(&note, signer.verifier()), Ok(checkpoint.clone()));

    let stray = Checkpoint { origin: "log.two".to_owned(), ..checkpoint.clone() }.sign(&signer).unwrap();
    assert!(matches!(Checkpoint::open(&stray, signer.verifier()), Err(CheckpointError::OtherLog { .. })));
    let padded = signer.sign(&checkpoint.body().replace("\n7\n", "\n07\n")).unwrap();
    assert_eq!(Checkpoint::open(&padded, signer.verifier()), Err(CheckpointError::Malformed));
}
