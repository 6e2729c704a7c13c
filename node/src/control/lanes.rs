//! Streams that the bulk lane may use while UDP does not get through. What travels on them is not looked at here.

use super::{Event, Way, to_libp2p};
use crate::pipe::Pipe;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::record::LANE_PROTOCOL;
use libp2p::StreamProtocol;
use std::time::Duration;
use tokio::sync::mpsc;

/// Time for a member to take a stream: a few round trips by satellite.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);

pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new(LANE_PROTOCOL);

/// Asks a connected member for a stream; the answer is an event.
pub(super) async fn open(mut streams: libp2p_stream::Control, peer: PeerId, way: Way, events: mpsc::Sender<Event>) {
    let opened = tokio::time::timeout(OPEN_TIMEOUT, streams.open_stream(to_libp2p(&peer), PROTOCOL)).await;
    let event = match opened {
        Ok(Ok(stream)) => Event::Lane { peer, pipe: Pipe::new(stream, way.address, way.relay), opened: true },
        Ok(Err(cause)) => Event::NoLane { peer, detail: cause.to_string() },
        Err(_) => Event::NoLane { peer, detail: "no answer".into() },
    };
    let _ = events.send(event).await;
}
