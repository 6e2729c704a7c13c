//! Identities by hash: chunks, manifests, networks. All are BLAKE3-256; which bytes are hashed is each type's promise.

/// Makes a newtype over 32 bytes: CBOR byte string on the wire, 64 hex digits as text.
macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the bytes of an identity as they are.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), &data_encoding::HEXLOWER.encode(&self.0[..6]))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::content::hash::ParseIdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::content::hash::parse_hex(text).map(Self)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| minicbor::decode::Error::message("an id has 32 bytes"))
            }
        }
    };
}

pub(crate) use id_type;

/// The text is not 64 hex digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("an id is 64 hex digits")]
pub struct ParseIdError;

/// Reads 64 hex digits.
pub(crate) fn parse_hex(text: &str) -> Result<[u8; 32], ParseIdError> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| ParseIdError)?;
    bytes.try_into().map_err(|_| ParseIdError)
}

id_type! {
    /// Identity of a chunk: BLAKE3-256 of its plaintext.
    ChunkId
}
id_type! {
    /// Identity of a manifest: BLAKE3-256 of its root page as encoded.
    ManifestId
}
id_type! {
    /// Identity of one version of a collection, see `Release::id`: what peers name it by.
    ReleaseId
}
id_type! {
    /// Identity of a network: BLAKE3-256, derive-key mode, of the tracker's public key.
    NetworkId
}

impl ChunkId {
    /// The id of a plaintext.
    pub fn of(plain: &[u8]) -> Self {
        Self(*blake3::hash(plain).as_bytes())
    }
}

impl ManifestId {
    /// The id of an encoded root page.
    pub fn of(root: &[u8]) -> Self {
        Self(*blake3::hash(root).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_refuses_nonsense() {
        let id = ChunkId::of(b"karez");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "00", "zz", &"0".repeat(63), &"0".repeat(66)] {
            assert_eq!(bad.parse::<ChunkId>(), Err(ParseIdError), "{bad}");
        }
    }

    #[test]
    fn chunk_id_is_plain_blake3() {
        // Test vector of the BLAKE3 paper for the empty input.
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(ChunkId::of(b"").to_string(), empty);
    }
}
