//! Names of publishers and collections: `bj4/algebra-1`.

use std::fmt;
use std::str::FromStr;

/// Longest publisher or collection segment, in bytes.
pub const SEGMENT_BYTES_MAX: usize = 64;

/// A publisher's name: one segment of `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherName(String);

/// A collection's full name: `publisher/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName {
    publisher: PublisherName,
    name: String,
}

/// Why a text is not a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum NameError {
    /// Not two segments with one slash between.
    #[error("'{0}' is not a collection name: it has the form PUBLISHER/NAME, for example bj4/algebra-1")]
    Form(String),
    /// A segment with characters that are not allowed.
    #[error(
        "'{0}' may only hold the letters A-Z and a-z, digits, '.', '_' and '-', and must start with a letter or digit"
    )]
    Characters(String),
    /// A segment that is empty or too long.
    #[error("'{0}' must have 1 to {SEGMENT_BYTES_MAX} characters")]
    Length(String),
}

fn check_segment(segment: &str) -> Result<(), NameError> {
    if segment.is_empty() || segment.len() > SEGMENT_BYTES_MAX {
        return Err(NameError::Length(segment.chars().take(SEGMENT_BYTES_MAX).collect()));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if !segment.bytes().all(allowed) || !segment.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(NameError::Characters(segment.into()));
    }
    Ok(())
}

impl PublisherName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublisherName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        check_segment(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for PublisherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl CollectionName {
    /// Who publishes it.
    pub fn publisher(&self) -> &PublisherName {
        &self.publisher
    }

    /// Its name within the publisher's namespace.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for CollectionName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (publisher, name) = text.split_once('/').ok_or_else(|| NameError::Form(text.into()))?;
        if name.contains('/') {
            return Err(NameError::Form(text.into()));
        }
        check_segment(name)?;
        Ok(Self { publisher: publisher.parse()?, name: name.into() })
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.publisher, self.name)
    }
}

/// CBOR text string for a type with `Display` and `FromStr`.
macro_rules! cbor_as_text {
    ($name:ty) => {
        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.to_string())?.ok()
            }
        }
        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.str()?.parse().map_err(minicbor::decode::Error::message)
            }
        }
    };
}
pub(crate) use cbor_as_text;

cbor_as_text!(PublisherName);
cbor_as_text!(CollectionName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_bad_names() {
        for good in ["bj4/algebra-1", "a/b", "H.1_2-3/x.y"] {
            assert_eq!(good.parse::<CollectionName>().map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in
            ["", "a", "/a", "a/", "a/b/c", "../b", "a/..", "a/.b", "数学/一", "a b/c", &format!("a/{}", "x".repeat(65))]
        {
            assert!(bad.parse::<CollectionName>().is_err(), "{bad}");
        }
    }
}
