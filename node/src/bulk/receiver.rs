//! Receiving chunks: read, verify, store, and only then tell. Bytes nobody asked for are thrown away.

use super::lane::Lane;
use super::{CloseReason, Event, Outcome, Shared};
use karez_content_tools::export::LoadError;
use karez_content_tools::store::Store;
use karez_content_tools::verify::verify;
use karez_protocol::content::chunk::{ChunkEntry, Codec};
use karez_protocol::wire::frame::{FRAME_HEADER_BYTES, FrameHeader};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinSet;

/// Bytes read at a time: what the downlink limiter meters.
const PIECE: usize = 16 << 10;
/// Unasked chunks forgiven on one connection: answers that crossed a reconnect.
const UNASKED_MAX: u32 = 64;

/// Takes the peer's one-way streams; ends when the connection does or the peer breaks the rules.
pub(super) async fn run(shared: &Arc<Shared>, lane: &Arc<Lane>, connection: &quinn::Connection) {
    let mut streams = JoinSet::new();
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
        return judge(shared, lane, header, stored).await;
    }
    *unasked += 1;
    if *unasked > UNASKED_MAX {
        lane.close(CloseReason::Violation);
    }
    *unasked <= UNASKED_MAX
}

async fn read_stored(shared: &Shared, lane: &Lane, stream: &mut quinn::RecvStream, len: usize) -> Option<Vec<u8>> {
    let mut stored = Vec::new();
    while stored.len() < len {
        let piece = stream.read_chunk(PIECE.min(len - stored.len()), true).await.ok()??;
        if let Some(connection) = lane.carrier.quic() {
            lane.stamps.arrived(connection);
        }
        stored.extend_from_slice(&piece.bytes);
        pass(shared, lane, piece.bytes.len()).await;
    }
    Some(stored)
}

/// Lets bytes of chunks in as fast as the downlink's limit has it.
pub(super) async fn pass(shared: &Shared, lane: &Lane, bytes: usize) {
    let bytes = bytes as u64;
    shared.config.down.pass(bytes).await;
    // A hint that the peer is alive; when the driver is busy it is not missed.
    let _ = shared.events.try_send(Event::Progress { peer: lane.peer, bytes });
}

/// Verifies and stores off the async threads; false when the driver is gone.
async fn judge(shared: &Arc<Shared>, lane: &Lane, header: FrameHeader, stored: Vec<u8>) -> bool {
    // Asked for, but the release was dropped since: nothing to tell anybody.
    let Some(pages) = shared.config.shelf.get(&header.release) else { return true };
    let bytes = stored.len() as u64;
    let (chunk, codec) = (header.chunk, header.codec);
    let judged = tokio::task::spawn_blocking(move || match pages.entry(chunk) {
        Ok(Some(entry)) => verify_and_store(pages.store(), &entry, codec, stored),
        Ok(None) => Outcome::Bad,
        Err(LoadError::MissingPage { .. }) => Outcome::NoPage,
        Err(cause) => Outcome::NotStored { detail: cause.to_string() },
    });
    let judged = judged.await;
    let outcome = judged.unwrap_or_else(|e| Outcome::NotStored { detail: e.to_string() });
    let (release, chunk) = (header.release, header.chunk);
    shared.events.send(Event::Chunk { peer: lane.peer, release, chunk, bytes, outcome }).await.is_ok()
}

fn verify_and_store(store: &Store, entry: &ChunkEntry, codec: Codec, stored: Vec<u8>) -> Outcome {
    match verify(entry, codec, stored) {
        Err(_) => Outcome::Bad,
        Ok(chunk) => match store.put(&chunk) {
            Ok(fresh) => Outcome::Stored { fresh },
            Err(cause) => Outcome::NotStored { detail: cause.to_string() },
        },
    }
}
