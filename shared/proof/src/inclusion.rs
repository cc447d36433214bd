//! Proofs that a leaf is in a tree (RFC 9162, sections 2.1.3.1 and 2.1.3.2; the hashes are those of RFC 6962).

use crate::hash::Hash;
use crate::tree::{NodeReader, range_hash, split_point};

/// An inclusion proof that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InclusionError {
    #[error("leaf {index} lies outside the tree of {size} leaves")]
    OutsideTree { index: u64, size: u64 },
    #[error("the path of leaf {index} in a tree of {size} has the wrong number of hashes")]
    WrongLength { index: u64, size: u64 },
    #[error("the path from leaf {index} does not lead to the root")]
    OtherRoot { index: u64 },
}

/// The path from the leaf's sibling up to the root's child. `index` must be below `size`.
pub fn prove<R: NodeReader>(reader: &mut R, index: u64, size: u64) -> Result<Vec<Hash>, R::Error> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split_point(end - start);
        if index < middle {
            path.push(range_hash(reader, middle, end)?);
            end = middle;
        } else {
            path.push(range_hash(reader, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` stands at `index` in the tree of `size` leaves with the given root.
pub fn verify(leaf: Hash, index: u64, size: u64, path: &[Hash], root: Hash) -> Result<(), InclusionError> {
    if index >= size {
        return Err(InclusionError::OutsideTree { index, size });
    }
    let wrong_length = InclusionError::WrongLength { index, size };
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = Hash::node(*sibling, hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::node(hash, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if hash == root { Ok(()) } else { Err(InclusionError::OtherRoot { index }) }
}
