//! The invite: a line of text that lets one node join one network.

use super::key::PublicKey;
use crate::content::{Document, DocumentError, Header};
use minicbor::{Decode, Encode};

/// What every invite starts with.
pub const INVITE_PREFIX: &str = "karez1:";

/// What an invite says. The secret proves the invitation; it never travels, see [`Invite::proof`].
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Invite {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// Addresses of the tracker, `http://host:port`.
    #[n(1)]
    pub trackers: Vec<String>,
    /// The key that signs the roster: pinned from now on.
    #[n(2)]
    pub tracker_key: PublicKey,
    /// Number of the invite at the tracker.
    #[n(3)]
    pub token: u64,
    /// 128 random bits.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub secret: [u8; 16],
}

impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invite").field("trackers", &self.trackers).field("token", &self.token).finish_non_exhaustive()
    }
}

/// Why a text is not an invite.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum InviteError {
    /// It does not start with the prefix.
    #[error("an invite starts with '{INVITE_PREFIX}': copy the whole line that `karez-tracker invite` printed")]
    Prefix,
    /// Characters are missing or mistyped.
    #[error("the invite is damaged (a character is missing or mistyped): copy it again")]
    Damaged,
    /// It decodes, but is not one this program can use.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl Invite {
    /// The line of text: prefix, base32 of CBOR and a 4-byte BLAKE3 checksum.
    pub fn to_text(&self) -> String {
        let mut bytes = self.to_bytes();
        let sum = blake3::hash(&bytes);
        bytes.extend_from_slice(&sum.as_bytes()[..4]);
        format!("{INVITE_PREFIX}{}", data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }

    /// Reads the line of text; surrounding white space is fine.
    pub fn from_text(text: &str) -> Result<Self, InviteError> {
        let body = text.trim().strip_prefix(INVITE_PREFIX).ok_or(InviteError::Prefix)?;
        if body.len() > 4 * Self::BYTES_MAX {
            return Err(InviteError::Damaged);
        }
        let bytes = data_encoding::BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|_| InviteError::Damaged)?;
        let (bytes, sum) = bytes.split_last_chunk::<4>().ok_or(InviteError::Damaged)?;
        if blake3::hash(bytes).as_bytes()[..4] != sum[..] {
            return Err(InviteError::Damaged);
        }
        Ok(Self::from_bytes(bytes)?)
    }

    /// Proof of the secret, bound to the one who joins.
    pub fn proof(secret: &[u8; 16], joiner: &PublicKey, publisher: Option<&PublicKey>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("karez 2026-11 join proof v1");
        hasher.update(secret).update(joiner.as_bytes());
        if let Some(key) = publisher {
            hasher.update(key.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

impl Document for Invite {
    const NAME: &'static str = "invite";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 4;
    const BYTES_MAX: usize = 4 << 10;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        if self.trackers.is_empty() || !self.trackers.iter().all(|url| url.starts_with("http://")) {
            return Err(Self::invalid("it names no tracker address"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_damage_is_named() {
        let key = PublicKey::from_bytes([7; 32]);
        let trackers = vec!["http://127.0.0.1:4040".to_owned()];
        let invite = Invite { header: Invite::new_header(), trackers, tracker_key: key, token: 9, secret: [3; 16] };
        let text = invite.to_text();
        assert_eq!(Invite::from_text(&format!("  {text}\n")), Ok(invite));
        assert_eq!(Invite::from_text("hello"), Err(InviteError::Prefix));
        for at in [8, 20, text.len() - 1] {
            let mut bad = text.clone().into_bytes();
            bad[at] = if bad[at] == b'a' { b'b' } else { b'a' };
            let bad = String::from_utf8(bad).unwrap();
            assert_eq!(Invite::from_text(&bad), Err(InviteError::Damaged), "{at}");
        }
        assert_eq!(Invite::from_text(&text[..text.len() - 9]), Err(InviteError::Damaged));
    }
}
