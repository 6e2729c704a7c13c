//! Members that hold everything and send something else.

use super::Lane;
use super::hoard::{Hoard, Piece};
use karez_protocol::content::chunk::{ChunkIndex, Codec};

/// Bytes that one block of a zstd frame stands for at most.
const BLOCK: u32 = 128 << 10;
/// Blocks of the bomb: 512 MiB out of 16 KiB.
const BLOCKS: usize = 4_096;

/// Serves every chunk that is asked for, altered.
async fn altered(mut lane: Lane, alter: impl Fn(&Hoard, &mut Piece)) -> Option<()> {
    let hoard = lane.hoard();
    loop {
        let asked = lane.asked().await?;
        for chunk in asked.chunks {
            let mut piece = hoard.piece(asked.release, chunk)?;
            alter(&hoard, &mut piece);
            piece.header.stored_len = piece.bytes.len() as u32;
            lane.deliver(&piece).await?;
            lane.bad.deed();
        }
    }
}

pub(super) async fn first_bit(lane: Lane) -> Option<()> {
    altered(lane, |_, piece| piece.bytes[0] ^= 1).await
}

pub(super) async fn middle_bit(lane: Lane) -> Option<()> {
    let flip = |piece: &mut Piece| {
        let middle = piece.bytes.len() / 2;
        piece.bytes[middle] ^= 0x10;
    };
    altered(lane, |_, piece| flip(piece)).await
}

pub(super) async fn last_bit(lane: Lane) -> Option<()> {
    altered(lane, |_, piece| *piece.bytes.last_mut().expect("no chunk is empty") ^= 0x80).await
}

pub(super) async fn other_chunk(lane: Lane) -> Option<()> {
    let swap = |hoard: &Hoard, piece: &mut Piece| {
        let (release, chunk) = (piece.header.release, piece.header.chunk);
        let count = hoard.get(&release).map_or(1, |held| held.layout.count());
        let other = hoard.piece(release, ChunkIndex((chunk.0 + 1) % count)).expect("a chunk of the hoard");
        (piece.header.codec, piece.bytes) = (other.header.codec, other.bytes);
    };
    altered(lane, swap).await
}

pub(super) async fn zeros(lane: Lane) -> Option<()> {
    altered(lane, |_, piece| piece.bytes.fill(0)).await
}

pub(super) async fn cut_short(lane: Lane) -> Option<()> {
    altered(lane, |_, piece| piece.bytes.truncate(piece.bytes.len() / 2)).await
}

pub(super) async fn other_codec(lane: Lane) -> Option<()> {
    let swap = |piece: &mut Piece| {
        piece.header.codec = if piece.header.codec == Codec::Raw { Codec::Zstd } else { Codec::Raw };
    };
    altered(lane, |_, piece| swap(piece)).await
}

pub(super) async fn zstd_bomb(lane: Lane) -> Option<()> {
    altered(lane, |_, piece| (piece.header.codec, piece.bytes) = (Codec::Zstd, bomb())).await
}

/// A valid zstd frame (RFC 8878) of blocks that repeat one byte.
fn bomb() -> Vec<u8> {
    // Magic number; a header without content size, dictionary and checksum; a window of 1 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
    for block in 1..=BLOCKS {
        let is_last = u32::from(block == BLOCKS);
        let header = is_last | 1 << 1 | BLOCK << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bomb_is_a_frame_that_decoders_take() {
        let plain = zstd::stream::decode_all(super::bomb().as_slice()).expect("a valid frame");
        assert_eq!(plain.len(), super::BLOCK as usize * super::BLOCKS);
    }
}
