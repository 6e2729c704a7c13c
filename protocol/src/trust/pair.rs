//! Documents for one receiver: authenticated by a MAC under a key that sender and receiver compute from their identities, so that
//! nothing is exchanged before and nothing is remembered over a restart.
//!
//! The key is X25519 (RFC 7748) between the two Ed25519 identities (birational map of RFC 7748, 4.1), hashed with both public keys.
//! Using one key pair for both is safe as long as the hashes are apart: Thormarker, "On using the same key pair for Ed25519 and an
//! X25519 based KEM" (IACR ePrint 2021/509). What is authenticated is what would be signed, so a MAC over one type or network never
//! fits another. The receiver could make such a MAC itself: these documents prove nothing to third parties.

use super::key::{PeerId, PublicKey};
use super::signed::{SignatureError, SignedDocument, message};
use crate::content::hash::NetworkId;
use ed25519_dalek::{SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};
use std::marker::PhantomData;

/// What the envelope adds to a document's bytes, at most.
const ENVELOPE_BYTES_MAX: usize = 256;

/// What an answer's MAC is over, before NUL, network, sequence and payload.
const ANSWER_CONTEXT: &str = "karez/announce-answer/v1";

/// A secret of two identities.
#[derive(Clone)]
pub struct PairKey([u8; 32]);

impl PairKey {
    /// The key between `own` and `other`, the same at both ends. `None` when `other` is no key, or a weak one (of small order), whose
    /// secrets anybody knows.
    pub fn agree(own: &SigningKey, other: &PublicKey) -> Option<Self> {
        let point = VerifyingKey::from_bytes(other.as_bytes()).ok()?.to_montgomery();
        let shared = point.mul_clamped(own.to_scalar_bytes()).to_bytes();
        if shared == [0; 32] {
            return None;
        }
        let mut ends = [own.verifying_key().to_bytes(), *other.as_bytes()];
        ends.sort_unstable();
        let mut hasher = blake3::Hasher::new_derive_key("karez 2026-12 pair key v1");
        hasher.update(&shared).update(&ends[0]).update(&ends[1]);
        Some(Self(*hasher.finalize().as_bytes()))
    }

    /// The answer to the announce with this sequence, as it travels: the payload with a MAC. It fits no other announce, so an older
    /// answer cannot be played again.
    pub fn seal_answer(&self, network: &NetworkId, sequence: u64, payload: Vec<u8>) -> Vec<u8> {
        let mac = *self.answer_mac(network, sequence, &payload).as_bytes();
        minicbor::to_vec(AnswerEnvelope { payload, mac }).expect("encoding into memory cannot fail")
    }

    /// The payload of an answer to the announce with this sequence. Comparing takes constant time.
    pub fn open_answer(&self, network: &NetworkId, sequence: u64, bytes: &[u8]) -> Result<Vec<u8>, SignatureError> {
        let AnswerEnvelope { payload, mac } = minicbor::decode(bytes).map_err(|_| SignatureError::Envelope)?;
        if self.answer_mac(network, sequence, &payload) != blake3::Hash::from_bytes(mac) {
            return Err(SignatureError::False);
        }
        Ok(payload)
    }

    fn answer_mac(&self, network: &NetworkId, sequence: u64, payload: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(ANSWER_CONTEXT.as_bytes()).update(&[0]).update(network.as_bytes());
        hasher.update(&sequence.to_be_bytes()).update(payload).finalize()
    }

    fn mac<T: SignedDocument>(&self, network: &NetworkId, payload: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, &message::<T>(network, payload))
    }
}

impl std::fmt::Debug for PairKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PairKey(…)")
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Envelope {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    payload: Vec<u8>,
    #[n(1)]
    sender: PeerId,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    mac: [u8; 32],
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct AnswerEnvelope {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    payload: Vec<u8>,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    mac: [u8; 32],
}

/// A document that says who sent it, not yet checked.
pub struct Claimed<T> {
    envelope: Envelope,
    document: PhantomData<T>,
}

impl<T: SignedDocument> Claimed<T> {
    /// The bytes of a document from `own` for who has `key` in common with it.
    pub fn seal(value: &T, network: &NetworkId, own: PeerId, key: &PairKey) -> Vec<u8> {
        let payload = value.to_bytes();
        let mac = *key.mac::<T>(network, &payload).as_bytes();
        minicbor::to_vec(Envelope { payload, sender: own, mac }).expect("encoding into memory cannot fail")
    }

    /// Reads the envelope of untrusted bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SignatureError> {
        if bytes.len() > T::BYTES_MAX + ENVELOPE_BYTES_MAX {
            return Err(SignatureError::Envelope);
        }
        let envelope = minicbor::decode(bytes).map_err(|_| SignatureError::Envelope)?;
        Ok(Self { envelope, document: PhantomData })
    }

    /// Who is said to have sent it: whose key to check with.
    pub fn sender(&self) -> PeerId {
        self.envelope.sender
    }

    /// The document, when the MAC fits the key, the type and the network. Comparing takes constant time.
    pub fn verify(&self, network: &NetworkId, key: &PairKey) -> Result<T, SignatureError> {
        if key.mac::<T>(network, &self.envelope.payload) != blake3::Hash::from_bytes(self.envelope.mac) {
            return Err(SignatureError::False);
        }
        Ok(T::from_bytes(&self.envelope.payload)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Document as _;
    use crate::content::hash::ManifestId;
    use crate::content::release::Release;
    use crate::trust::roster::Roster;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn public(key: &SigningKey) -> PublicKey {
        PublicKey::from_bytes(key.verifying_key().to_bytes())
    }

    fn release() -> Release {
        Release {
            header: Release::new_header(),
            collection: "bj4/shui".parse().unwrap(),
            version: 1,
            manifest: ManifestId::from_bytes([3; 32]),
            root_len: 100,
            plain_bytes: 1_000,
            stored_bytes: 900,
            new_bytes: 900,
            issued: 1_800_000_000,
            supersedes: None,
        }
    }

    /// The vectors of docs/formats/tracker-http.md; the body is in `tests/documented.rs`.
    #[test]
    fn documented_vectors() {
        let (node, tracker) = (key(1), key(2));
        let pair = PairKey::agree(&node, &public(&tracker)).unwrap();
        let shared = VerifyingKey::from(&tracker).to_montgomery().mul_clamped(node.to_scalar_bytes()).to_bytes();
        let page = include_str!("../../../docs/formats/tracker-http.md");
        let vectors = [shared, pair.0].map(|bytes| data_encoding::HEXLOWER.encode(&bytes));
        assert!(vectors.iter().all(|vector| page.contains(vector)), "{vectors:#?}");
    }

    #[test]
    fn both_ends_have_one_key_and_others_another() {
        let (node, tracker, other) = (key(1), key(2), key(3));
        let at_node = PairKey::agree(&node, &public(&tracker)).unwrap();
        let at_tracker = PairKey::agree(&tracker, &public(&node)).unwrap();
        assert_eq!(at_node.0, at_tracker.0);
        assert_ne!(at_node.0, PairKey::agree(&other, &public(&tracker)).unwrap().0);
        assert_ne!(at_node.0, PairKey::agree(&node, &public(&other)).unwrap().0);
    }

    #[test]
    fn weak_keys_and_what_is_no_key_agree_on_nothing() {
        let identity = [[1].as_slice(), &[0; 31]].concat();
        let order_four = [0; 32];
        let no_point = [[2].as_slice(), &[0; 31]].concat();
        for bytes in [identity, order_four.to_vec(), no_point] {
            let bytes: [u8; 32] = bytes.try_into().unwrap();
            assert!(PairKey::agree(&key(1), &PublicKey::from_bytes(bytes)).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn an_answer_fits_its_announce_only() {
        let (node, tracker, other) = (key(1), key(2), key(3));
        let pair = PairKey::agree(&tracker, &public(&node)).unwrap();
        let (here, elsewhere) = (NetworkId::of(&public(&tracker)), NetworkId::of(&public(&node)));
        let bytes = pair.seal_answer(&here, 7, b"news".to_vec());
        assert_eq!(pair.open_answer(&here, 7, &bytes), Ok(b"news".to_vec()));
        let others = PairKey::agree(&tracker, &public(&other)).unwrap();
        for refused in [
            pair.open_answer(&here, 6, &bytes),
            pair.open_answer(&elsewhere, 7, &bytes),
            others.open_answer(&here, 7, &bytes),
        ] {
            assert_eq!(refused, Err(SignatureError::False));
        }
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(pair.open_answer(&here, 7, &flipped).is_err(), "bit {at}");
        }
    }

    #[test]
    fn any_flipped_bit_other_network_or_other_type_is_refused() {
        let (node, tracker) = (key(1), key(2));
        let pair = PairKey::agree(&node, &public(&tracker)).unwrap();
        let peer = PeerId::from_bytes(node.verifying_key().to_bytes());
        let (here, elsewhere) = (NetworkId::of(&public(&tracker)), NetworkId::of(&public(&node)));
        let bytes = Claimed::seal(&release(), &here, peer, &pair);
        let claimed = Claimed::<Release>::decode(&bytes).unwrap();
        assert_eq!((claimed.sender(), claimed.verify(&here, &pair)), (peer, Ok(release())));
        assert_eq!(claimed.verify(&elsewhere, &pair), Err(SignatureError::False));
        let as_roster = Claimed::<Roster>::decode(&bytes).unwrap();
        assert_eq!(as_roster.verify(&here, &pair), Err(SignatureError::False));
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            if let Ok(claimed) = Claimed::<Release>::decode(&flipped)
                && claimed.sender() == peer
            {
                assert!(claimed.verify(&here, &pair).is_err(), "bit {at}");
            }
        }
    }
}
