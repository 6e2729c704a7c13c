//! What carries a lane: a QUIC connection, or a stream of the control connection while UDP does not get through.
//!
//! What must stay true: the chunk protocol is the same on both; only the bytes around its messages and chunks differ.

use super::{CloseReason, congestion, endpoint, piped};
use karez_protocol::plan::throttle::Traffic;
use std::net::SocketAddr;
use std::time::Duration;

/// What carries a lane.
#[derive(Debug)]
pub(super) enum Carrier {
    Quic(quinn::Connection),
    Stream(piped::Ending),
}

/// Bytes that a carrier put on the wire and took off it, IP and UDP or TCP headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wire {
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// UDP and IP headers of a datagram, in bytes.
const HEADERS_V4: u64 = 8 + 20;
const HEADERS_V6: u64 = 8 + 40;

impl Carrier {
    pub(super) fn quic(&self) -> Option<&quinn::Connection> {
        match self {
            Self::Quic(connection) => Some(connection),
            Self::Stream(_) => None,
        }
    }

    pub(super) fn close(&self, reason: CloseReason) {
        match self {
            Self::Quic(connection) => endpoint::close(connection, reason),
            Self::Stream(ending) => ending.close(reason),
        }
    }

    pub(super) async fn closed(&self) {
        match self {
            Self::Quic(connection) => drop(connection.closed().await),
            Self::Stream(ending) => ending.closed().await,
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        match self {
            Self::Quic(connection) => connection.close_reason().is_none(),
            Self::Stream(ending) => ending.is_open(),
        }
    }

    /// Why it ended, for logs.
    pub(super) fn end(&self) -> Option<String> {
        match self {
            Self::Quic(connection) => connection.close_reason().map(|cause| cause.to_string()),
            Self::Stream(ending) => ending.text(),
        }
    }

    /// Whether the other side fell silent: nobody closed it.
    pub(super) fn is_lost(&self) -> bool {
        self.quic().is_some_and(|connection| connection.close_reason() == Some(quinn::ConnectionError::TimedOut))
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Quic(connection) => plain(connection.remote_address()),
            Self::Stream(ending) => ending.address,
        }
    }

    /// What it carried so far.
    pub(super) fn wire(&self) -> Wire {
        match self {
            Self::Quic(connection) => {
                let stats = connection.stats();
                let headers = if self.address().is_ipv4() { HEADERS_V4 } else { HEADERS_V6 };
                let bytes = |udp: quinn_proto::UdpStats| udp.bytes + udp.datagrams * headers;
                Wire { sent: bytes(stats.udp_tx), received: bytes(stats.udp_rx) }
            }
            Self::Stream(ending) => ending.wire(),
        }
    }

    /// What it has delivered and lost so far.
    pub(super) fn traffic(&self) -> Traffic {
        match self {
            Self::Quic(connection) => {
                let stats = connection.stats();
                let (sent, path, (rounds, queued)) = (stats.udp_tx.bytes, stats.path, congestion::rounds(connection));
                let (lost_bytes, packets, lost) = (path.lost_bytes, path.sent_packets, path.lost_packets);
                Traffic { sent, lost_bytes, packets, lost, rounds, queued }
            }
            Self::Stream(ending) => Traffic { sent: ending.wire().sent, ..Traffic::default() },
        }
    }

    /// Smoothed round trip, where it is measured.
    pub(super) fn rtt(&self) -> Option<Duration> {
        self.quic().map(quinn::Connection::rtt)
    }
}

/// A socket of both families shows IPv4 addresses mapped into IPv6.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
