//! Ed25519 public keys as identities. A node's PeerId and its key are the same 32 bytes; the text form is libp2p's.

use crate::content::hash::{NetworkId, id_type};

id_type! {
    /// An Ed25519 public key (RFC 8032): a publisher's or a tracker's.
    PublicKey
}

/// A node's identity: its Ed25519 public key, shown as a libp2p peer id (`12D3KooW…`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

/// Multihash (identity) of a protobuf-encoded Ed25519 key: what stands before the key in a libp2p peer id.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The text is not the peer id of an Ed25519 key.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("not a peer id: it starts with 12D3KooW and has 52 characters")]
pub struct ParsePeerIdError;

impl PeerId {
    /// The identity of a key.
    pub const fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The key's 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key that checks this peer's signatures.
    pub const fn key(&self) -> PublicKey {
        PublicKey::from_bytes(self.0)
    }

    /// The bytes of the libp2p peer id (a multihash).
    pub fn to_multihash(&self) -> [u8; 38] {
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PEER_ID_PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        bytes
    }

    /// From the bytes of a libp2p peer id; `None` for keys of other kinds.
    pub fn from_multihash(bytes: &[u8]) -> Option<Self> {
        let key = bytes.strip_prefix(&PEER_ID_PREFIX)?;
        key.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for PeerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bs58::encode(self.to_multihash()).into_string())
    }
}

impl std::fmt::Debug for PeerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.to_string();
        write!(f, "…{}", &text[text.len() - 6..])
    }
}

impl std::str::FromStr for PeerId {
    type Err = ParsePeerIdError;
    fn from_str(text: &str) -> Result<Self, ParsePeerIdError> {
        let bytes = bs58::decode(text).into_vec().map_err(|_| ParsePeerIdError)?;
        Self::from_multihash(&bytes).ok_or(ParsePeerIdError)
    }
}

impl<C> minicbor::Encode<C> for PeerId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for PeerId {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.bytes()?.try_into().map(Self).map_err(|_| minicbor::decode::Error::message("a peer id has 32 bytes"))
    }
}

impl NetworkId {
    /// The network that a tracker key founds.
    pub fn of(tracker: &PublicKey) -> Self {
        Self::from_bytes(blake3::derive_key("karez 2026-11 network id v1", tracker.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_libp2ps() {
        // The peer id of the all-zero seed's Ed25519 key is fixed by libp2p's peer id specification.
        let key = ed25519_dalek::SigningKey::from_bytes(&[0; 32]).verifying_key().to_bytes();
        let text = PeerId::from_bytes(key).to_string();
        assert!(text.starts_with("12D3KooW") && text.len() == 52, "{text}");
        assert_eq!(text.parse::<PeerId>(), Ok(PeerId::from_bytes(key)));
        for bad in ["", "12D3KooW", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "0OIl"] {
            assert!(bad.parse::<PeerId>().is_err(), "{bad}");
        }
    }
}
