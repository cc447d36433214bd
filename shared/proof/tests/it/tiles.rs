//! Names and shapes of tiles as C2SP tlog-tiles lays them down.

use orrery_proof::tile::{Tile, TileId};

use crate::trees::{Log, numbered_leaves};

#[test]
fn paths_are_those_of_the_specification() {
    let path = |level, index, width| TileId { level, index }.path(width);
    assert_eq!(path(0, 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(0, 0, 256), "tile/0/000");
    assert_eq!(path(1, 273, 5), "tile/1/273.p/5");
    assert_eq!(path(2, 1000, 255), "tile/2/x001/000.p/255");
}

#[test]
fn a_log_of_70000_leaves_has_the_tiles_of_the_specification() {
    // The example of tlog-tiles: 273 full tiles and one of 112 hashes at level 0; one full and one of 17 at level 1.
    let log = Log::of(&numbered_leaves(70_000));
    let width = |level, index| log.tiles.get(&TileId { level, index }).map(Tile::width);
    assert_eq!((width(0, 0), width(0, 272), width(0, 273), width(0, 274)), (Some(256), Some(256), Some(112), None));
    assert_eq!((width(1, 0), width(1, 1), width(1, 2)), (Some(256), Some(17), None));
    assert_eq!((width(2, 0), width(3, 0)), (Some(1), None));
}

#[test]
fn a_tile_reads_back_and_a_torn_one_is_refused() {
    let log = Log::of(&numbered_leaves(10));
    let tile = &log.tiles[&TileId { level: 0, index: 0 }];
    let bytes = tile.to_bytes();
    assert_eq!(Tile::from_bytes(&bytes).as_ref(), Some(tile));
    assert_eq!(Tile::from_bytes(&bytes[..bytes.len() - 1]), None);
    assert_eq!(Tile::from_bytes(&[]), None);
    assert_eq!(Tile::from_bytes(&[0; 257 * 32]), None);
}
