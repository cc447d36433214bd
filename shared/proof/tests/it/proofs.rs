//! Proofs of one outcome: they hold as made, and nothing about them can be changed, left out or added.

use orrery_proof::note::NoteSigner;
use orrery_proof::outcome::{OutcomeError, Trace, statement};
use orrery_proof::proof_file::{Entry, ProofFile};
use orrery_proof::{Checkpoint, Hash, KeyTrust, ProofError, Record, inclusion, verify};
use serde_json::json;

use crate::task::{claim, digest};
use crate::trees::{Log, numbered_leaves};

const OTHER_LEAVES: usize = 300;

fn signer() -> NoteSigner {
    NoteSigner::from_seed("audit.test", [7; 32]).unwrap()
}

/// A proof over whatever is given, true or not: the log here signs anything.
fn prove(records: &[Record], stated: &[Record], signer: &NoteSigner) -> ProofFile {
    let mut leaves = numbered_leaves(OTHER_LEAVES);
    leaves.extend(records.iter().map(|record| Record::leaf_hash(&record.to_canonical().unwrap())));
    let mut log = Log::of(&leaves);
    let size = leaves.len() as u64;
    let path = |index: usize| inclusion::prove(&mut log.reader(), (OTHER_LEAVES + index) as u64, size).unwrap();
    let entry = |(index, record): (usize, &Record)| Entry {
        index: (OTHER_LEAVES + index) as u64,
        path: path(index).iter().map(|hash| hash.to_base64()).collect(),
        record: json!(record),
    };
    let (closing, others) = records.split_last().unwrap();
    let (index, closing_path) = ((size - 1), path(records.len() - 1));
    let entries = others.iter().enumerate().map(entry).collect();
    let root = log.edge.root().unwrap();
    let checkpoint = Checkpoint { origin: "audit.test".to_owned(), size, root }.sign(signer).unwrap();
    ProofFile {
        verifier_key: signer.verifier().vkey(),
        statement: statement(&Trace::read(stated).unwrap()).unwrap(),
        closing: json!(closing),
        index,
        path: closing_path,
        entries,
        checkpoint,
    }
}

fn encoded(proof: &ProofFile) -> Vec<u8> {
    proof.encode().unwrap().into_bytes()
}

#[test]
fn a_true_proof_holds_and_says_whose_key_it_used() {
    let (signer, records) = (signer(), claim());
    let bytes = encoded(&prove(&records, &records, &signer));
    let verified = verify(&bytes, Some(signer.verifier())).unwrap();
    assert_eq!(verified.key_trust, KeyTrust::Trusted);
    assert_eq!(verified.outcome.cost_nanos, 1_250_000);
    assert_eq!(verified.statement["subject"][0]["digest"]["sha256"], digest("output")["sha256:".len()..]);
    assert_eq!(verify(&bytes, None).unwrap().key_trust, KeyTrust::Embedded);

    let stranger = NoteSigner::generate("audit.test").unwrap();
    assert!(matches!(verify(&bytes, Some(stranger.verifier())), Err(ProofError::OtherKey { .. })));
}

#[test]
fn the_file_is_a_c2sp_proof_of_the_closing_record() {
    let (signer, records) = (signer(), claim());
    let text = prove(&records, &records, &signer).encode().unwrap();
    let (head, note) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
    assert!(lines.next().unwrap().starts_with("extra "));
    let index = lines.next().unwrap().strip_prefix("index ").unwrap().parse().unwrap();
    let path: Vec<_> = lines.map(|line| Hash::from_base64(line).unwrap()).collect();
    let checkpoint = Checkpoint::open(note, signer.verifier()).unwrap();
    let leaf = Hash::leaf(records.last().unwrap().to_canonical().unwrap().as_bytes());
    inclusion::verify(leaf, index, checkpoint.size, &path, checkpoint.root).unwrap();
}

#[test]
fn one_changed_byte_anywhere_breaks_it() {
    let (signer, records) = (signer(), claim());
    let bytes = encoded(&prove(&records, &records, &signer));
    for position in 0..bytes.len() {
        // One bit, case, a neighbouring digit, white space, and something that is not text.
        for changed in [bytes[position] ^ 1, bytes[position] ^ 0x20, bytes[position].wrapping_add(1), b' ', b'\n', 0xff]
        {
            if changed == bytes[position] {
                continue;
            }
            let mut tampered = bytes.clone();
            tampered[position] = changed;
            let error = verify(&tampered, None).expect_err(&format!("byte {position} as {changed:#x} was accepted"));
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn a_byte_more_or_less_breaks_it() {
    let (signer, records) = (signer(), claim());
    let bytes = encoded(&prove(&records, &records, &signer));
    for position in (0..=bytes.len()).step_by(7).chain([bytes.len() - 1, bytes.len()]) {
        for added in [b' ', b'\n', b'=', b'0'] {
            let mut longer = bytes.clone();
            longer.insert(position, added);
            assert!(verify(&longer, None).is_err(), "{added:#x} at {position} was accepted");
        }
        assert!(verify(&bytes[..position.min(bytes.len() - 1)], None).is_err());
    }
}

#[test]
fn a_statement_that_claims_something_else_is_named_by_place() {
    let (signer, records) = (signer(), claim());
    let mut proof = prove(&records, &records, &signer);
    proof.statement["predicate"]["reviews"][0]["decided"]["by"] = json!("someone-else");
    let error = verify(&encoded(&proof), None).unwrap_err();
    assert_eq!(error, ProofError::Statement { place: "/predicate/reviews/0/decided/by".to_owned() });
}

#[test]
fn a_record_left_out_is_noticed() {
    let (signer, records) = (signer(), claim());
    let whole = prove(&records, &records, &signer);
    let (_closing, others) = records.split_last().unwrap();
    for (left_out, record) in others.iter().enumerate() {
        let id = &record.id;
        let mut proof = whole.clone();
        proof.entries.remove(left_out);
        let error = verify(&encoded(&proof), None).unwrap_err();
        let expected = match id.as_str() {
            "r1" => matches!(error, ProofError::Outcome(OutcomeError::DecisionMissing { .. })),
            "k1" => matches!(error, ProofError::Outcome(OutcomeError::NotSubmitted)),
            "t1" => matches!(error, ProofError::Statement { .. }),
            "k3" => matches!(error, ProofError::Outcome(OutcomeError::UnknownReview { .. })),
            _ => matches!(error, ProofError::Outcome(OutcomeError::KernelRecords { expected: 6, found: 5 })),
        };
        assert!(expected, "without {id}: {error}");
    }
}

#[test]
fn a_record_that_the_log_never_had_is_named() {
    let (signer, mut records) = (signer(), claim());
    let mut proof = prove(&records, &records, &signer);
    records[6].facts["decision"] = json!("decline");
    proof.entries[6].record = json!(records[6]);
    proof.statement = statement(&Trace::read(&records).unwrap()).unwrap();
    let error = verify(&encoded(&proof), None).unwrap_err();
    assert!(matches!(&error, ProofError::NotIncluded { id, .. } if id == "k5"), "{error}");
}

#[test]
fn records_out_of_order_twice_or_of_another_task_are_refused() {
    let (signer, records) = (signer(), claim());
    let whole = prove(&records, &records, &signer);
    let mut swapped = whole.clone();
    swapped.entries.swap(1, 2);
    assert_eq!(verify(&encoded(&swapped), None), Err(ProofError::Order));
    let mut twice = whole;
    twice.entries.insert(1, twice.entries[1].clone());
    assert_eq!(verify(&encoded(&twice), None), Err(ProofError::Order));

    let mut strange = records.clone();
    strange[3].task_id = "task_other".to_owned();
    let error = verify(&encoded(&prove(&strange, &records, &signer)), None).unwrap_err();
    assert!(matches!(&error, ProofError::Outcome(OutcomeError::OtherTask { id }) if id == "t1"), "{error}");
}

#[test]
fn only_the_kernel_may_close_a_task() {
    let mut records = claim();
    records[7].service = "router".to_owned();
    assert!(matches!(Trace::read(&records), Err(OutcomeError::NotKernel { .. })));
}

#[test]
fn a_second_signature_that_nothing_checks_is_refused() {
    let (signer, records) = (signer(), claim());
    let mut proof = prove(&records, &records, &signer);
    let witness = NoteSigner::generate("witness.test").unwrap();
    let (body, _) = proof.checkpoint.rsplit_once("\n— ").unwrap();
    let cosigned = witness.sign(body).unwrap();
    proof.checkpoint.push_str(cosigned.rsplit_once("\n\n").unwrap().1);
    assert_eq!(verify(&encoded(&proof), None), Err(ProofError::ExtraSignatures));
}

#[test]
fn the_plain_words_name_models_passages_people_and_cost() {
    let outcome = Trace::read(&claim()).unwrap().outcome().unwrap();
    let plain = outcome.plain();
    for expected in [
        "ran the workflow claims-intake:1.0.0",
        "submitted by intake-bot on 2023-11-14T22:13:20.000Z",
        &format!("pp-ocr 1 (local, {})", digest("pp-ocr")),
        &format!("minilm 1 (local, {})", digest("minilm")),
        "pp-ocr did ocr for /do/0/read in 812 ms; chosen because it is the cheapest",
        "cloud-ocr was not used by policy personal-data-stays: personal data may not leave the house",
        "home-policy.md, clause H-2.1",
        "dana took it on 2023-11-14T22:14:20.000Z. dana decided \"approve\" on 2023-11-14T22:14:50.000Z",
        "after 90.5 s. The decision is \"approve\", resting on clause H-2.1.",
        "cost 0.00125 in",
        "8 audit records",
    ] {
        assert!(plain.contains(expected), "{expected:?} is missing from:\n{plain}");
    }
}

#[test]
fn a_running_task_is_explained_but_not_proven() {
    let mut records = claim();
    records.truncate(5);
    let trace = Trace::read(&records).unwrap();
    assert_eq!(trace.outcome().unwrap().status, "running");
    assert_eq!(statement(&trace), Err(OutcomeError::NotClosed));
}
