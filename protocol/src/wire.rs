//! What travels: messages between peers (bulk lane and control plane) and between node and tracker.
//!
//! Goals: every length is capped before allocation; unknown fields are skipped; a version range is negotiated first, so
//! unattended sites of different ages understand each other. Non-goal: confidentiality, which the transports give.

pub mod control;
pub mod frame;
pub mod peer;
pub mod record;
pub mod relay;
pub mod stamp;
pub mod tracker;

use minicbor::{Decode, Encode};

/// Protocol versions this program speaks.
pub const PROTOCOL: VersionRange = VersionRange { min: 1, max: 1 };

/// An inclusive range of protocol versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct VersionRange {
    /// Oldest version spoken.
    #[n(0)]
    pub min: u16,
    /// Newest version spoken.
    #[n(1)]
    pub max: u16,
}

impl VersionRange {
    /// The newest version both sides speak.
    pub fn agree(self, other: Self) -> Option<u16> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

/// Why received bytes are refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum WireError {
    /// Longer than allowed at this point.
    #[error("a message of {found} bytes exceeds the {limit} allowed here")]
    TooLong {
        /// Announced length.
        found: usize,
        /// Allowed length.
        limit: usize,
    },
    /// Not the shape of any message.
    #[error("malformed message")]
    Malformed,
}

/// Encodes a message body.
pub fn encode<T: Encode<()>>(message: &T) -> Vec<u8> {
    minicbor::to_vec(message).expect("encoding into memory cannot fail")
}

/// Decodes a message body that must be one whole value.
pub fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, WireError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().map_err(|_| WireError::Malformed)?;
    if decoder.position() == bytes.len() { Ok(message) } else { Err(WireError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ranges_agree_on_the_newest_common_one() {
        let range = |min, max| VersionRange { min, max };
        for (a, b, agreed) in [
            (range(1, 1), range(1, 1), Some(1)),
            (range(1, 3), range(2, 5), Some(3)),
            (range(1, 1), range(2, 3), None),
            (range(4, 2), range(1, 9), None),
        ] {
            assert_eq!((a.agree(b), b.agree(a)), (agreed, agreed));
        }
    }
}
