//! Private keys: made once, kept owner-only, never shown.

use crate::home::{Home, HomeError};
use ed25519_dalek::SigningKey;
use karez_protocol::trust::{PeerId, PublicKey};
use std::path::Path;

/// A private key that does not show itself.
#[derive(Clone)]
pub struct Key(SigningKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.public())
    }
}

impl Key {
    /// Makes a key from the system's randomness.
    pub fn generate() -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the system has a source of randomness");
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Self, HomeError> {
        let bytes = std::fs::read(path).map_err(|source| HomeError::Io { path: path.to_owned(), source })?;
        let damaged = || HomeError::Damaged { path: path.to_owned(), detail: "a key has 64 hex digits".into() };
        let seed = data_encoding::HEXLOWER_PERMISSIVE.decode(bytes.trim_ascii()).map_err(|_| damaged())?;
        Ok(Self(SigningKey::from_bytes(&seed.try_into().map_err(|_| damaged())?)))
    }

    /// Reads a key file, or makes it.
    pub fn load_or_make(home: &Home, path: &Path) -> Result<Self, HomeError> {
        if path.exists() {
            return Self::load(path);
        }
        let key = Self::generate();
        home.write(path, data_encoding::HEXLOWER.encode(&key.0.to_bytes()).as_bytes())?;
        Ok(key)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// The identity of a node with this key.
    pub fn peer(&self) -> PeerId {
        PeerId::from_bytes(self.0.verifying_key().to_bytes())
    }

    /// For signing documents.
    pub fn signing(&self) -> &SigningKey {
        &self.0
    }

    /// The secret, for the transports.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
}
