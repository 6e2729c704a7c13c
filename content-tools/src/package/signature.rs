//! What a file is by its first bytes, as far as the gate for medical pictures must know.
//!
//! What must stay true: names say nothing here; what is neither a picture nor a container is plain.

use super::dicom::{self, Start};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A medical picture or a directory of such.
    Dicom(Start),
    Zip,
    Gzip,
    Zstd,
    Tar,
    /// A container that is not read here.
    Closed,
    /// Anything else.
    Plain,
}

/// First bytes of containers that are not read here: 7z, RAR, xz, bzip2, CAB, LZ4.
const CLOSED: [&[u8]; 6] =
    [b"7z\xBC\xAF\x27\x1C", b"Rar!\x1A\x07", b"\xFD7zXZ\0", b"BZh", b"MSCF\0\0\0\0", b"\x04\x22\x4D\x18"];
/// Where an ISO 9660 image has its mark: pictures are handed out on such discs.
const ISO_MARK_AT: usize = 32_769;

/// Looks at the first bytes of a file of this size.
pub(super) fn of(head: &[u8], size: u64) -> Kind {
    if dicom::has_preamble(head) {
        return dicom::find(head, size).map_or(Kind::Plain, Kind::Dicom);
    }
    if [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|mark| head.starts_with(*mark)) {
        return Kind::Zip;
    }
    match head {
        [0x1F, 0x8B, 8, ..] => return Kind::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => return Kind::Zstd,
        _ if is_tar_header(head) => return Kind::Tar,
        _ => {}
    }
    if let Some(start) = dicom::find(head, size) {
        return Kind::Dicom(start);
    }
    let is_iso = head.get(ISO_MARK_AT..ISO_MARK_AT + 5) == Some(b"CD001");
    let closed = is_iso || CLOSED.iter().any(|mark| head.starts_with(mark));
    if closed { Kind::Closed } else { Kind::Plain }
}

/// Whether a tar header stands here: its checksum is right, so that also those without the mark `ustar` are known.
pub(super) fn is_tar_header(head: &[u8]) -> bool {
    let Some(block) = head.get(..512).filter(|block| block[0] != 0) else { return false };
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    header.cksum().is_ok_and(|written| written == sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_known_by_their_bytes() {
        let mut old = tar::Header::new_old();
        old.set_path("a").unwrap();
        old.set_size(0);
        old.set_cksum();
        let iso = [vec![0; ISO_MARK_AT], b"CD001".to_vec()].concat();
        for (bytes, kind) in [
            (&b"PK\x03\x04..."[..], Kind::Zip),
            (b"\x1f\x8b\x08\0", Kind::Gzip),
            (b"\x28\xb5\x2f\xfd", Kind::Zstd),
            (old.as_bytes(), Kind::Tar),
            (b"Rar!\x1a\x07\x01\0", Kind::Closed),
            (&iso, Kind::Closed),
            (&[0; 512], Kind::Plain),
            (b"text", Kind::Plain),
            (b"", Kind::Plain),
        ] {
            assert_eq!(of(bytes, bytes.len() as u64), kind);
        }
    }
}
