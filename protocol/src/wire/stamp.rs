//! Time stamps: a QUIC datagram of the bulk lane, sent while chunks arrive, so that the chunks' sender can tell a queue on the way back
//! from one on the way there.
//!
//! Layout, little-endian: kind (1 byte, 1), microseconds of a clock of the sender's that never goes back (8). 9 bytes.

use super::WireError;

/// Bytes of a stamp.
pub const STAMP_BYTES: usize = 9;
const KIND: u8 = 1;

/// The stamp's bytes.
pub fn to_bytes(micros: u64) -> [u8; STAMP_BYTES] {
    let mut bytes = [KIND; STAMP_BYTES];
    bytes[1..].copy_from_slice(&micros.to_le_bytes());
    bytes
}

/// Reads an untrusted datagram.
pub fn from_bytes(bytes: &[u8]) -> Result<u64, WireError> {
    match bytes {
        [KIND, micros @ ..] => micros.try_into().map(u64::from_le_bytes).ok(),
        _ => None,
    }
    .ok_or(WireError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_other_shapes() {
        let bytes = to_bytes(0x0102_0304_0506);
        assert_eq!(from_bytes(&bytes), Ok(0x0102_0304_0506));
        let longer = [&bytes[..], &[0]].concat();
        for spoilt in [&bytes[..8], &longer, &[2, 0, 0, 0, 0, 0, 0, 0, 0], &[]] {
            assert_eq!(from_bytes(spoilt), Err(WireError::Malformed));
        }
    }
}
