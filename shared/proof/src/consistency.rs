//! Proofs that a later tree only appended to an earlier one (RFC 9162, sections 2.1.4.1 and 2.1.4.2).

use crate::hash::Hash;
use crate::tree::{NodeReader, range_hash, split_point};

/// A consistency proof that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyError {
    #[error("a tree of {first} leaves cannot be earlier than one of {second}")]
    Order { first: u64, second: u64 },
    #[error("the proof from {first} to {second} leaves has the wrong number of hashes")]
    WrongLength { first: u64, second: u64 },
    #[error("the proof does not lead to the root of the earlier tree of {first} leaves")]
    OtherFirstRoot { first: u64 },
    #[error("the proof does not lead to the root of the later tree of {second} leaves")]
    OtherSecondRoot { second: u64 },
}

/// The proof from `first` to `second` leaves; empty when either is trivial. `first` must not exceed `second`.
pub fn prove<R: NodeReader>(reader: &mut R, first: u64, second: u64) -> Result<Vec<Hash>, R::Error> {
    if first == 0 || first == second {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, second);
    let mut path = Vec::new();
    // `first` counts from `start` here on, as RFC 9162's SUBPROOF does.
    let mut rest = first;
    while rest != end - start {
        let left = split_point(end - start);
        let middle = start + left;
        if rest <= left {
            path.push(range_hash(reader, middle, end)?);
            end = middle;
        } else {
            path.push(range_hash(reader, start, middle)?);
            start = middle;
            rest -= left;
        }
    }
    if start != 0 {
        path.push(range_hash(reader, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that the tree of `second` leaves begins with the tree of `first` leaves.
pub fn verify(
    (first, first_root): (u64, Hash),
    (second, second_root): (u64, Hash),
    path: &[Hash],
) -> Result<(), ConsistencyError> {
    let wrong_length = ConsistencyError::WrongLength { first, second };
    if first > second {
        return Err(ConsistencyError::Order { first, second });
    }
    if first == second || first == 0 {
        let expected = if first == second { second_root } else { Hash::empty_root() };
        return match (path.is_empty(), first_root == expected) {
            (false, _) => Err(wrong_length),
            (true, false) => Err(ConsistencyError::OtherFirstRoot { first }),
            (true, true) => Ok(()),
        };
    }
    // A first tree that is a perfect subtree of the second is its own first path element.
    let implied = first.is_power_of_two().then_some(first_root);
    let mut hashes = implied.into_iter().chain(path.iter().copied());
    let (mut node, mut last) = (first - 1, second - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let seed = hashes.next().ok_or(wrong_length)?;
    let (mut first_hash, mut second_hash) = (seed, seed);
    for hash in hashes {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            first_hash = Hash::node(hash, first_hash);
            second_hash = Hash::node(hash, second_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            second_hash = Hash::node(second_hash, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if first_hash != first_root {
        return Err(ConsistencyError::OtherFirstRoot { first });
    }
    if second_hash != second_root {
        return Err(ConsistencyError::OtherSecondRoot { second });
    }
    Ok(())
}
