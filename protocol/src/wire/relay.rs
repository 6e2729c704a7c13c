//! Messages around a relayed circuit: a byte stream between two members that cannot reach each other, carried by a third.
//!
//! Goals: the relay learns who talks to whom and how much, nothing else: on the circuit the two shake hands as on any
//! connection (Noise), so the relay can neither read nor forge. Non-goal: chains of relays.
//!
//! Each message is one CBOR value behind its length (u16, little-endian).

use crate::trust::PeerId;
use minicbor::{Decode, Encode};
use std::net::SocketAddr;
use std::str::FromStr;

/// Protocol name of a stream from a member to a relay: [`RelayRequest`], then [`RelayAnswer`].
pub const RELAY_PROTOCOL: &str = "/karez/relay/1";
/// Protocol name of a stream from a relay to the member that is called: [`Caller`], then the circuit.
pub const CALLED_PROTOCOL: &str = "/karez/called/1";
/// Longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 256;

/// What a member wants of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum RelayRequest {
    /// Others may call me through you for as long as this stream is open. Either side sends a byte each minute.
    #[n(0)]
    Reserve,
    /// Connect me with a member that has reserved; when the answer is `Ready`, the rest of the stream is the circuit.
    #[n(1)]
    Call {
        /// Whom.
        #[n(0)]
        peer: PeerId,
    },
}

/// What a relay says to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RelayAnswer {
    /// It is done.
    #[n(0)]
    Ready,
    /// There are as many as there may be.
    #[n(1)]
    Full,
    /// Who is called has not reserved here, or does not answer.
    #[n(2)]
    Away,
}

/// Who calls; the handshake on the circuit shows whether that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Caller {
    /// Who.
    #[n(0)]
    pub peer: PeerId,
}

/// A place where a member can be reached, as greetings and announces tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// `ip:port`, on both planes.
    Direct(SocketAddr),
    /// `via/PEER`: through this relay.
    Via(PeerId),
}

/// It is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither ip:port nor via/PEER")]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        match text.strip_prefix("via/") {
            Some(relay) => relay.parse().map(Self::Via).map_err(|_| NotAnAddress),
            None => text.parse().map(Self::Direct).map_err(|_| NotAnAddress),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Direct(address) => address.fmt(f),
            Self::Via(relay) => write!(f, "via/{relay}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let relay = PeerId::from_bytes([7; 32]);
        for address in [Address::Direct("[2001:db8::1]:4041".parse().unwrap()), Address::Via(relay)] {
            let text = address.to_string();
            assert!(text.len() <= 64, "an announce takes no longer ones: {text}");
            assert_eq!(text.parse(), Ok(address));
        }
        for wrong in ["", "via/", "via/nobody", "10.0.0.1", "/ip4/10.0.0.1/tcp/1"] {
            assert_eq!(wrong.parse::<Address>(), Err(NotAnAddress), "{wrong}");
        }
    }

    #[test]
    fn messages_are_short() {
        let call = crate::wire::encode(&RelayRequest::Call { peer: PeerId::from_bytes([255; 32]) });
        assert!(call.len() < MESSAGE_BYTES_MAX);
        assert_eq!(crate::wire::decode(&call), Ok(RelayRequest::Call { peer: PeerId::from_bytes([255; 32]) }));
    }
}
