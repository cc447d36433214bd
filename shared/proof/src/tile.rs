//! Tiles of C2SP tlog-tiles: 256 hashes wide, so that a proof touches a handful of rows whatever the size of the log.
//!
//! Tile `L`, `N` holds the nodes of tree level `8 L` from index `256 N` on; levels between are computed from it.

use std::collections::BTreeMap;

use crate::hash::{HASH_BYTES, Hash};
use crate::tree::NodeReader;

/// Levels of the tree that one tile spans.
pub const TILE_HEIGHT: u8 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// Names a tile, whatever its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Tile level; tree level divided by eight.
    pub level: u8,
    /// Position among the tiles of the level.
    pub index: u64,
}

impl TileId {
    /// The path below the log's prefix, `tile/<L>/<N>[.p/<W>]`, for a tile of `width` hashes.
    pub fn path(self, width: u64) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let partial = if width < TILE_WIDTH { format!(".p/{width}") } else { String::new() };
        format!("tile/{}/{}{partial}", self.level, groups.join("/"))
    }

    /// The tile that holds what is needed for the node at a tree level, and the node's range of hashes in that tile.
    pub fn of_node(level: u8, index: u64) -> (TileId, std::ops::Range<usize>) {
        let within = level % TILE_HEIGHT;
        let first = index << within;
        let offset = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let tile = TileId { level: level / TILE_HEIGHT, index: first / TILE_WIDTH };
        (tile, offset..offset + (1 << within))
    }
}

/// The hashes of a tile, at most 256.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tile(Vec<Hash>);

impl Tile {
    /// Reads a stored tile; `None` unless it is 1 to 256 whole hashes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let chunks = bytes.chunks_exact(HASH_BYTES);
        let whole = chunks.remainder().is_empty() && (1..=256).contains(&(bytes.len() / HASH_BYTES));
        whole.then(|| Self(chunks.filter_map(Hash::from_slice).collect()))
    }

    /// The hashes one after the other, as tlog-tiles serves them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// Number of hashes.
    pub fn width(&self) -> u64 {
        self.0.len() as u64
    }

    /// The perfect subtree over the hashes in `range`, whose length is a power of two.
    pub fn subtree(&self, range: std::ops::Range<usize>) -> Option<Hash> {
        let mut level = self.0.get(range)?.to_vec();
        while level.len() > 1 {
            level = level.chunks(2).filter_map(|pair| Some(Hash::node(*pair.first()?, *pair.get(1)?))).collect();
        }
        level.first().copied()
    }
}

/// A tile that a proof needs and nobody gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tile {}/{} is missing or too narrow", .0.level, .0.index)]
pub struct MissingTile(pub TileId);

/// The right edge of the log: the tile of each level that still grows. All that appending needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    tiles: BTreeMap<u8, (u64, Tile)>,
}

impl Edge {
    /// Restores the edge of a log of `size` leaves from its stored tiles.
    pub fn load<E: From<MissingTile>>(
        size: u64,
        mut fetch: impl FnMut(TileId) -> Result<Option<Tile>, E>,
    ) -> Result<Self, E> {
        let mut tiles = BTreeMap::new();
        let (mut level, mut nodes) = (0, size);
        while nodes > 0 {
            let id = TileId { level, index: nodes / TILE_WIDTH };
            let width = nodes % TILE_WIDTH;
            let tile = match width {
                0 => Tile::default(),
                _ => fetch(id)?.filter(|tile| tile.width() == width).ok_or(MissingTile(id))?,
            };
            tiles.insert(level, (id.index, tile));
            level += 1;
            nodes /= TILE_WIDTH;
        }
        Ok(Self { size, tiles })
    }

    /// Leaves in the log.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends leaves and returns every tile that changed, at its new width.
    pub fn append(&mut self, leaves: &[Hash]) -> BTreeMap<TileId, Tile> {
        let mut changed = BTreeMap::new();
        for leaf in leaves {
            self.size += 1;
            self.push(0, *leaf, &mut changed);
        }
        changed
    }

    fn push(&mut self, level: u8, hash: Hash, changed: &mut BTreeMap<TileId, Tile>) {
        let (index, tile) = self.tiles.entry(level).or_default();
        tile.0.push(hash);
        changed.insert(TileId { level, index: *index }, tile.clone());
        if tile.width() == TILE_WIDTH {
            let parent = tile.subtree(0..tile.0.len());
            *index += 1;
            *tile = Tile::default();
            if let Some(parent) = parent {
                self.push(level + 1, parent, changed);
            }
        }
    }

    /// The root over all leaves.
    pub fn root(&mut self) -> Result<Hash, MissingTile> {
        let size = self.size;
        crate::tree::root(self, size)
    }
}

impl NodeReader for Edge {
    type Error = MissingTile;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, MissingTile> {
        let (id, range) = TileId::of_node(level, index);
        let tile = self.tiles.get(&id.level).filter(|(index, _)| *index == id.index);
        tile.and_then(|(_, tile)| tile.subtree(range)).ok_or(MissingTile(id))
    }
}

/// Reads nodes from tiles that `fetch` brings, each tile once.
#[derive(Debug)]
pub struct TileReader<F> {
    fetch: F,
    cache: BTreeMap<TileId, Tile>,
}

impl<F> TileReader<F> {
    /// Reads through `fetch`.
    pub fn new(fetch: F) -> Self {
        Self { fetch, cache: BTreeMap::new() }
    }
}

impl<F, E> NodeReader for TileReader<F>
where
    F: FnMut(TileId) -> Result<Option<Tile>, E>,
    E: From<MissingTile>,
{
    type Error = E;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, E> {
        let (id, range) = TileId::of_node(level, index);
        if !self.cache.contains_key(&id) {
            let tile = (self.fetch)(id)?.ok_or(MissingTile(id))?;
            self.cache.insert(id, tile);
        }
        let hash = self.cache.get(&id).and_then(|tile| tile.subtree(range));
        hash.ok_or_else(|| MissingTile(id).into())
    }
}
