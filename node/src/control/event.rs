//! What the control plane reports to the driver.

use crate::pipe::Pipe;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::control::{ControlRequest, ControlResponse};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::sync::oneshot;

/// What the control plane reports.
#[derive(Debug)]
pub enum Event {
    /// A member is connected, or is now connected in another way.
    Connected {
        /// Who.
        peer: PeerId,
        /// Through whom, when it is not direct.
        relay: Option<PeerId>,
        /// Whether it was dialled through the HTTP proxy.
        proxied: bool,
    },
    /// A member that is not connected cannot be reached at the addresses dialled.
    Unreachable {
        /// Who.
        peer: PeerId,
        /// Whether it was called through a relay.
        relayed: bool,
    },
    /// Others may reach this node through a relay.
    Reserved {
        /// Which.
        relay: PeerId,
    },
    /// They cannot, or no longer.
    NotReserved {
        /// Which relay.
        relay: PeerId,
        /// Why, for logs.
        detail: String,
    },
    /// The last connection to a member ended.
    Disconnected {
        /// Who.
        peer: PeerId,
    },
    /// A member asks.
    Request {
        /// Who.
        peer: PeerId,
        /// From which host; unknown when it is connected through a relay.
        host: Option<IpAddr>,
        /// What.
        request: ControlRequest,
        /// Where the answer goes.
        reply: oneshot::Sender<ControlResponse>,
    },
    /// A member answered.
    Response {
        /// Who.
        peer: PeerId,
        /// To what.
        request: ControlRequest,
        /// What.
        response: ControlResponse,
    },
    /// A stream that may carry a bulk lane.
    Lane {
        /// With whom.
        peer: PeerId,
        /// The stream.
        pipe: Pipe,
        /// Whether this node asked for it.
        opened: bool,
    },
    /// A stream that was asked for cannot be had.
    NoLane {
        /// With whom.
        peer: PeerId,
        /// Why, for logs.
        detail: String,
    },
    /// A round trip was measured.
    RoundTrip {
        /// To whom.
        peer: PeerId,
        /// How long it took.
        rtt: Duration,
    },
    /// A member announces itself on the LAN, or somebody in its name.
    OnLan {
        /// Who.
        peer: PeerId,
        /// Where.
        address: SocketAddr,
    },
    /// This machine has an address, or no longer.
    Own {
        /// Which.
        address: SocketAddr,
        /// Whether it is there.
        here: bool,
    },
    /// Somebody who is not a member tried to connect.
    StrangerRefused,
}
