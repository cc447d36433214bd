//! Which stored node stands where in an append-only tree, and the root of any size.
//!
//! A node is named by `(level, index)`: it covers the leaves `index << level` up to `(index + 1) << level`. Such a
//! perfect subtree never changes once it is full; every proof is made of these and of nodes computed from them.

use crate::hash::Hash;

/// Gives the hash of a full perfect subtree.
pub trait NodeReader {
    /// Why a node could not be read.
    type Error;

    /// The node at `level`, `index`. Asked only for nodes that are full at the size in question.
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The largest power of two below `size`; `size` must be at least 2.
pub(crate) fn split_point(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The hash over the leaves `start..end`, where `start..end` is a range that the splitting of RFC 6962 yields, so that
/// `start` is aligned to the power of two at or above its length.
pub(crate) fn range_hash<R: NodeReader>(reader: &mut R, start: u64, end: u64) -> Result<Hash, R::Error> {
    let size = end - start;
    if size.is_power_of_two() {
        let level = size.trailing_zeros();
        return reader.node(u8::try_from(level).unwrap_or(u8::MAX), start >> level);
    }
    let middle = start + split_point(size);
    let left = range_hash(reader, start, middle)?;
    let right = range_hash(reader, middle, end)?;
    Ok(Hash::node(left, right))
}

/// The root of the tree over the first `size` leaves. Reads at most one node per bit of `size`.
pub fn root<R: NodeReader>(reader: &mut R, size: u64) -> Result<Hash, R::Error> {
    if size == 0 { Ok(Hash::empty_root()) } else { range_hash(reader, 0, size) }
}
