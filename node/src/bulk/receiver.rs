//! Receiving chunks: read whole, and handed on to be verified, stored and told. Bytes nobody asked for are thrown away.

use super::lane::Lane;
use super::{CloseReason, Event, Shared};
use karez_protocol::plan::limiter::BytesPerSecond;
use karez_protocol::wire::frame::{FRAME_HEADER_BYTES, FrameHeader};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;

/// Bytes read at a time at most.
const PIECE: usize = 64 << 10;
/// Credit of a member: 20 Mbit/s at 620 ms is 1.5 MB; 16 MiB carries a fast LAN as well.
const MEMBER_WINDOW: u32 = 16 << 20;
/// Credit under a limit: so many bytes at least, and else so much of what comes in a round trip. What a peer sends
/// on credit arrives as fast as the link is, whatever the limit.
const LIMITED_WINDOW_MIN: u32 = 16 << 10;
const LIMITED_WINDOW_TRIPS: f64 = 1.5;
/// Unasked chunks forgiven on one connection: answers that crossed a reconnect.
const UNASKED_MAX: u32 = 64;

/// Takes the peer's one-way streams; ends when the connection does or the peer breaks the rules.
pub(super) async fn run(shared: &Arc<Shared>, lane: &Arc<Lane>, connection: &quinn::Connection) {
    let mut streams = JoinSet::new();
    fit_window(lane, connection);
    loop {
        tokio::select! {
            stream = connection.accept_uni() => match stream {
                Ok(stream) => { streams.spawn(read_stream(shared.clone(), lane.clone(), stream)); }
                Err(_) => return,
            },
            Some(ended) = streams.join_next() => if !matches!(ended, Ok(true)) { return },
        }
    }
}

/// Reads frames to the stream's end; false when the peer broke the rules.
async fn read_stream(shared: Arc<Shared>, lane: Arc<Lane>, mut stream: quinn::RecvStream) -> bool {
    let mut unasked = 0;
    loop {
        let mut header = [0; FRAME_HEADER_BYTES];
        match stream.read_exact(&mut header).await {
            Ok(()) => {}
            Err(quinn::ReadExactError::FinishedEarly(0)) => return true,
            Err(_) => return false,
        }
        let Ok(header) = FrameHeader::from_bytes(&header) else { return false };
        let Some(stored) = read_stored(&shared, &lane, &mut stream, header.stored_len as usize).await else {
            return false;
        };
        if !arrived(&shared, &lane, header, stored, &mut unasked).await {
            return false;
        }
    }
}

/// Takes a whole chunk; false when the peer broke the rules or the driver is gone.
pub(super) async fn arrived(
    shared: &Arc<Shared>,
    lane: &Lane,
    header: FrameHeader,
    stored: Vec<u8>,
    unasked: &mut u32,
) -> bool {
    lane.received.fetch_add(stored.len() as u64, Ordering::Relaxed);
    if lane.take_expected(header.release, header.chunk) {
        return lane.judge.take(shared, lane.peer, header, stored).await;
    }
    *unasked += 1;
    if *unasked > UNASKED_MAX {
        lane.close(CloseReason::Violation);
    }
    *unasked <= UNASKED_MAX
}

async fn read_stored(shared: &Shared, lane: &Lane, stream: &mut quinn::RecvStream, len: usize) -> Option<Vec<u8>> {
    let (mut stored, mut filled, mut untold) = (Vec::new(), 0, 0);
    while filled < len {
        let most = PIECE.min(lane.limits.piece_down());
        // Grown as bytes arrive: a length alone reserves nothing.
        stored.resize(len.min(filled + most), 0);
        let read = stream.read(&mut stored[filled..]).await.ok()??;
        if let Some(connection) = lane.carrier.quic() {
            lane.stamps.arrived(connection);
            fit_window(lane, connection);
        }
        filled += read;
        pass(shared, lane, read, &mut untold).await;
    }
    Some(stored)
}

/// Lets bytes of a chunk in as fast as the downlink's limit has it. `untold`: bytes of this chunk of which the driver has not heard.
pub(super) async fn pass(shared: &Shared, lane: &Lane, bytes: usize, untold: &mut u64) {
    let bytes = bytes as u64;
    lane.limits.pass_down(&lane.carrier, bytes).await;
    *untold += bytes;
    if lane.progress.is_due() {
        // A hint that the peer is alive; when the driver is busy it is not missed.
        let bytes = std::mem::take(untold);
        let _ = shared.events.try_send(Event::Progress { peer: lane.peer, bytes });
    }
}

/// What the peer may send unread: a link's worth, and no more than a limit lets in soon.
fn window(rate: BytesPerSecond, rtt: Duration) -> u32 {
    let trips = (rate.0 as f64 * rtt.as_secs_f64() * LIMITED_WINDOW_TRIPS) as u32;
    trips.clamp(LIMITED_WINDOW_MIN, MEMBER_WINDOW)
}

/// Follows the limit and the round trip, in steps of a quarter.
fn fit_window(lane: &Lane, connection: &quinn::Connection) {
    let wanted = lane.limits.rate_down().map_or(MEMBER_WINDOW, |rate| window(rate, connection.rtt()));
    let held = lane.window.load(Ordering::Relaxed);
    if wanted.abs_diff(held) > held / 4 {
        lane.window.store(wanted, Ordering::Relaxed);
        connection.set_receive_window(wanted.into());
    }
}
