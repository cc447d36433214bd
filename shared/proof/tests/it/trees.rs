//! Roots and proofs against the published vectors and against the recursive definition of RFC 6962.

use orrery_proof::hash::Hash;
use orrery_proof::tile::{Edge, Tile, TileId, TileReader};
use orrery_proof::{consistency, inclusion, tree};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The leaves that Certificate Transparency's reference implementations are tested with.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// A log held in memory: its edge and every tile it ever wrote.
pub struct Log {
    pub edge: Edge,
    pub tiles: BTreeMap<TileId, Tile>,
}

impl Log {
    pub fn of(leaves: &[Hash]) -> Self {
        let mut log = Self { edge: Edge::default(), tiles: BTreeMap::new() };
        log.append(leaves);
        log
    }

    pub fn append(&mut self, leaves: &[Hash]) {
        let changed = self.edge.append(leaves);
        self.tiles.extend(changed);
    }

    pub fn reader(&self) -> TileReader<impl FnMut(TileId) -> Result<Option<Tile>, orrery_proof::tile::MissingTile>> {
        TileReader::new(|id| Ok(self.tiles.get(&id).cloned()))
    }
}

/// MTH of RFC 6962, section 2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            Hash::node(naive_root(&leaves[..k]), naive_root(&leaves[k..]))
        }
    }
}

/// PATH of RFC 6962, section 2.1.1.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut path, sibling) = if index < k {
        (naive_path(index, &leaves[..k]), naive_root(&leaves[k..]))
    } else {
        (naive_path(index - k, &leaves[k..]), naive_root(&leaves[..k]))
    };
    path.push(sibling);
    path
}

/// SUBPROOF of RFC 6962, section 2.1.2.
fn naive_consistency(first: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if first == leaves.len() {
        return if whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut path, other) = if first <= k {
        (naive_consistency(first, &leaves[..k], whole), naive_root(&leaves[k..]))
    } else {
        (naive_consistency(first - k, &leaves[k..], false), naive_root(&leaves[..k]))
    };
    path.push(other);
    path
}

fn vector_leaves() -> Vec<Hash> {
    LEAVES.iter().map(|leaf| Hash::leaf(&hex::decode(leaf).unwrap())).collect()
}

pub fn numbered_leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| Hash::leaf(&number.to_be_bytes())).collect()
}

fn hex_path(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| hash.to_hex()).collect()
}

#[test]
fn roots_are_those_of_the_reference_vectors() {
    assert_eq!(Edge::default().root().unwrap(), Hash::empty_root());
    let leaves = vector_leaves();
    for (size, expected) in (1..).zip(ROOTS) {
        assert_eq!(Log::of(&leaves[..size]).edge.root().unwrap().to_hex(), expected, "size {size}");
    }
}

#[test]
fn inclusion_paths_are_those_of_the_reference_vectors() {
    let log = Log::of(&vector_leaves());
    let path = inclusion::prove(&mut log.reader(), 5, 8).unwrap();
    assert_eq!(
        hex_path(&path),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    let path = inclusion::prove(&mut log.reader(), 2, 3).unwrap();
    assert_eq!(hex_path(&path), [ROOTS[1]]);
}

#[test]
fn consistency_paths_are_those_of_the_reference_vectors() {
    let log = Log::of(&vector_leaves());
    let path = consistency::prove(&mut log.reader(), 6, 8).unwrap();
    assert_eq!(
        hex_path(&path),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

#[test]
fn the_edge_grows_alike_one_by_one_and_in_bulk_and_reloads() {
    let leaves = numbered_leaves(70_000);
    let mut bulk = Log::of(&leaves);
    let mut steps = Log::of(&[]);
    for batch in leaves.chunks(999) {
        steps.append(batch);
    }
    assert_eq!(bulk.edge, steps.edge);
    assert_eq!(bulk.tiles, steps.tiles);
    let expected = naive_root(&leaves);
    assert_eq!(bulk.edge.root().unwrap(), expected);
    let mut loaded =
        Edge::load::<orrery_proof::tile::MissingTile>(70_000, |id| Ok(bulk.tiles.get(&id).cloned())).unwrap();
    assert_eq!(loaded.root().unwrap(), expected);
    let path = inclusion::prove(&mut bulk.reader(), 65_537, 70_000).unwrap();
    inclusion::verify(leaves[65_537], 65_537, 70_000, &path, expected).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_proof_equals_the_definition_and_holds(size in 1_usize..700, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let leaves = numbered_leaves(size);
        let log = Log::of(&leaves);
        let root = tree::root(&mut log.reader(), size as u64).unwrap();
        prop_assert_eq!(root, naive_root(&leaves));

        let index = a.index(size);
        let path = inclusion::prove(&mut log.reader(), index as u64, size as u64).unwrap();
        prop_assert_eq!(&path, &naive_path(index, &leaves));
        prop_assert_eq!(inclusion::verify(leaves[index], index as u64, size as u64, &path, root), Ok(()));

        let first = 1 + b.index(size);
        let first_root = naive_root(&leaves[..first]);
        let path = consistency::prove(&mut log.reader(), first as u64, size as u64).unwrap();
        prop_assert_eq!(&path, &naive_consistency(first, &leaves, true));
        prop_assert_eq!(consistency::verify((first as u64, first_root), (size as u64, root), &path), Ok(()));
    }

    #[test]
    fn a_wrong_index_leaf_length_or_root_is_noticed(size in 2_usize..300, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let leaves = numbered_leaves(size);
        let log = Log::of(&leaves);
        let root = naive_root(&leaves);
        let (index, other) = (a.index(size), b.index(size));
        let path = inclusion::prove(&mut log.reader(), index as u64, size as u64).unwrap();
        if other != index {
            prop_assert!(inclusion::verify(leaves[index], other as u64, size as u64, &path, root).is_err());
            prop_assert!(inclusion::verify(leaves[other], index as u64, size as u64, &path, root).is_err());
        }
        prop_assert!(inclusion::verify(leaves[index], index as u64, size as u64, &path[1..], root).is_err());
        let longer: Vec<_> = path.iter().copied().chain([root]).collect();
        prop_assert!(inclusion::verify(leaves[index], index as u64, size as u64, &longer, root).is_err());

        let first = 1 + other.min(size - 2);
        let first_root = naive_root(&leaves[..first]);
        let path = consistency::prove(&mut log.reader(), first as u64, size as u64).unwrap();
        prop_assert!(consistency::verify((first as u64, root), (size as u64, root), &path).is_err());
        prop_assert!(consistency::verify((first as u64, first_root), (size as u64, first_root), &path).is_err());
        prop_assert!(consistency::verify((first as u64, first_root), (size as u64, root), &path[1..]).is_err());
    }
}
