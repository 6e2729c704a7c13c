//! The envelope of every signed document: the payload's bytes as they were signed, who signed, the signature.
//!
//! What is signed is `"karez/" type "/v1" NUL network-id payload`, so a signature over one type or network never
//! verifies for another.

use super::key::PublicKey;
use crate::content::hash::NetworkId;
use crate::content::release::Release;
use crate::content::{Document, DocumentError};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};
use std::marker::PhantomData;

/// A document type that is signed, or carries a MAC, under a context of its own.
pub trait SignedDocument: Document {
    /// The context, `karez/<type>/v1`.
    const CONTEXT: &'static str;
}

impl SignedDocument for Release {
    const CONTEXT: &'static str = "karez/release/v1";
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Envelope {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    payload: Vec<u8>,
    #[n(1)]
    signer: PublicKey,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    signature: [u8; 64],
}

/// A signed document whose signature has been checked, with the bytes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    bytes: Vec<u8>,
    signer: PublicKey,
    value: T,
    document: PhantomData<T>,
}

/// Why a signed document is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum SignatureError {
    /// The envelope is not one.
    #[error("malformed signature envelope")]
    Envelope,
    /// Signed by another key than the one expected.
    #[error("signed by {found}, not by {expected}")]
    WrongSigner {
        /// Who signed.
        found: PublicKey,
        /// Who should have.
        expected: PublicKey,
    },
    /// The signature does not fit the bytes, the type or the network.
    #[error("the signature is false, or made for another network")]
    False,
    /// The signature is good but the document is not.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

pub(super) fn message<T: SignedDocument>(network: &NetworkId, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(T::CONTEXT.len() + 33 + payload.len());
    message.extend_from_slice(T::CONTEXT.as_bytes());
    message.push(0);
    message.extend_from_slice(network.as_bytes());
    message.extend_from_slice(payload);
    message
}

impl<T: SignedDocument> Signed<T> {
    /// Signs a document.
    pub fn sign(value: T, network: &NetworkId, key: &SigningKey) -> Self {
        let payload = value.to_bytes();
        let signature = key.sign(&message::<T>(network, &payload)).to_bytes();
        let signer = PublicKey::from_bytes(key.verifying_key().to_bytes());
        let bytes =
            minicbor::to_vec(Envelope { payload, signer, signature }).expect("encoding into memory cannot fail");
        Self { bytes, signer, value, document: PhantomData }
    }

    /// Checks untrusted bytes: signed by `expected`, for this network, and a valid document.
    pub fn verify(bytes: &[u8], network: &NetworkId, expected: &PublicKey) -> Result<Self, SignatureError> {
        Self::verify_by(bytes, network, |_| Some(*expected))
    }

    /// As [`Self::verify`], with the expected signer chosen by the (still unchecked) document.
    pub fn verify_by(
        bytes: &[u8],
        network: &NetworkId,
        expected: impl FnOnce(&T) -> Option<PublicKey>,
    ) -> Result<Self, SignatureError> {
        if bytes.len() > T::BYTES_MAX + 256 {
            return Err(SignatureError::Envelope);
        }
        let envelope: Envelope = minicbor::decode(bytes).map_err(|_| SignatureError::Envelope)?;
        let value = T::from_bytes(&envelope.payload)?;
        let expected = expected(&value).ok_or(SignatureError::False)?;
        if envelope.signer != expected {
            return Err(SignatureError::WrongSigner { found: envelope.signer, expected });
        }
        let key = VerifyingKey::from_bytes(expected.as_bytes()).map_err(|_| SignatureError::False)?;
        key.verify_strict(&message::<T>(network, &envelope.payload), &Signature::from_bytes(&envelope.signature))
            .map_err(|_| SignatureError::False)?;
        Ok(Self { bytes: bytes.to_vec(), signer: envelope.signer, value, document: PhantomData })
    }

    /// The bytes to store and pass on.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Who signed.
    pub fn signer(&self) -> PublicKey {
        self.signer
    }

    /// The document.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The document alone.
    pub fn into_value(self) -> T {
        self.value
    }
}
