//! A lane on one byte stream: records of `protocol::wire::record`, for when QUIC gets no answer.
//!
//! What must stay true: messages go before chunks and urgent pieces before others; no more is held than one chunk of each
//! urgency each way; what is silent for too long has ended. Chunks pass the same limits and the same verification as on
//! QUIC. How fast it goes is TCP's decision: the scavenger's manners need QUIC.

use super::carrier::Wire;
use super::frames::Frame;
use super::lane::Lane;
use super::{CloseReason, Shared, receiver};
use crate::limits::TCP_WIRE_PERCENT;
use crate::pipe::{Pipe, Reading, Writing};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use karez_protocol::trust::PeerId;
use karez_protocol::wire;
use karez_protocol::wire::frame::{FRAME_HEADER_BYTES, FrameHeader};
use karez_protocol::wire::peer::{HELLO_BYTES_MAX, Hello, PeerMessage};
use karez_protocol::wire::record::{PIECE_BYTES_MAX, RECORD_HEADER_BYTES, RecordHeader, RecordKind};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

/// As on QUIC: how often an idle side says that it is there, and when a silent one has ended.
const ALIVE_EVERY: Duration = Duration::from_secs(8);
const SILENCE_MAX: Duration = Duration::from_secs(25);
/// Time for a goodbye on a stream that may be stuck.
const GOODBYE: Duration = Duration::from_secs(1);
/// Chunks taken in hand: one under way, and one that may be more urgent.
const IN_HAND_MAX: usize = 2;

/// How a piped lane ends, and what it carried.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) address: SocketAddr,
    pub(super) relay: Option<PeerId>,
    why: watch::Sender<Option<Why>>,
    sent: AtomicU64,
    received: AtomicU64,
}

#[derive(Debug, Clone)]
enum Why {
    Ours(CloseReason),
    Theirs(String),
}

impl Ending {
    pub(super) fn new(pipe: &Pipe) -> Self {
        let (address, relay) = (pipe.address, pipe.relay);
        Self { address, relay, why: watch::Sender::new(None), sent: AtomicU64::new(0), received: AtomicU64::new(0) }
    }

    fn set(&self, why: Why) {
        self.why.send_if_modified(|held| held.is_none() && held.replace(why).is_none());
    }

    pub(super) fn close(&self, reason: CloseReason) {
        self.set(Why::Ours(reason));
    }

    pub(super) fn is_open(&self) -> bool {
        self.why.borrow().is_none()
    }

    pub(super) async fn closed(&self) {
        // The sender is ours: it lives.
        let _ = self.why.subscribe().wait_for(Option::is_some).await;
    }

    /// What it carried so far, as near as the headers are known: the kernel sends them.
    pub(super) fn wire(&self) -> Wire {
        let wire = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed) * TCP_WIRE_PERCENT / 100;
        Wire { sent: wire(&self.sent), received: wire(&self.received) }
    }

    pub(super) fn text(&self) -> Option<String> {
        self.why.borrow().as_ref().map(|why| match why {
            Why::Ours(reason) => reason.text().to_owned(),
            Why::Theirs(text) => text.clone(),
        })
    }
}

/// The two ends of the stream.
pub(super) struct Ends {
    reading: Reading,
    writing: Writing,
    /// A record was begun and not finished: nothing can follow it.
    torn: bool,
}

impl Ends {
    pub(super) fn new((reading, writing): (Reading, Writing)) -> Self {
        Self { reading, writing, torn: false }
    }

    /// Exchanges greetings.
    pub(super) async fn greet(&mut self, mine: Hello) -> io::Result<Hello> {
        let body = wire::encode(&PeerMessage::Hello(mine));
        Sender { writing: &mut self.writing, torn: &mut self.torn }.record(RecordKind::Message, &body).await?;
        self.writing.flush().await?;
        let header = read_header(&mut self.reading).await?;
        if header.kind != RecordKind::Message || header.len as usize > HELLO_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match decode(&read_body(&mut self.reading, header.len).await?)? {
            PeerMessage::Hello(theirs) => Ok(theirs),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Tells the other side why this one goes.
    pub(super) async fn goodbye(&mut self, reason: CloseReason) {
        if self.torn {
            return;
        }
        let code = reason.code().to_le_bytes();
        let said = async {
            Sender { writing: &mut self.writing, torn: &mut self.torn }.record(RecordKind::Close, &code).await?;
            self.writing.close().await
        };
        // It is over either way.
        let _ = timeout(GOODBYE, said).await;
    }
}

/// Runs a lane on these ends until it is over.
pub(super) async fn run(
    shared: &Arc<Shared>,
    lane: &Arc<Lane>,
    ending: &Ending,
    mut ends: Ends,
    (messages, frames): (mpsc::Receiver<PeerMessage>, mpsc::Receiver<Frame>),
) {
    let sender = Sender { writing: &mut ends.writing, torn: &mut ends.torn };
    let failed = tokio::select! {
        result = write(shared, (lane, ending), sender, (messages, frames)) => result.err(),
        result = read(shared, (lane, ending), &mut ends.reading) => result.err(),
        () = ending.closed() => None,
    };
    ending.set(Why::Theirs(failed.map_or_else(|| "ended".into(), |cause| cause.to_string())));
    let why = ending.why.borrow().clone();
    if let Some(Why::Ours(reason)) = why {
        ends.goodbye(reason).await;
    }
}

/// Writes whole records.
struct Sender<'a> {
    writing: &'a mut Writing,
    torn: &'a mut bool,
}

impl Sender<'_> {
    async fn record(&mut self, kind: RecordKind, body: &[u8]) -> io::Result<()> {
        *self.torn = true;
        let len = body.len() as u32;
        self.writing.write_all(&RecordHeader { kind, len }.to_bytes()).await?;
        self.writing.write_all(body).await?;
        *self.torn = false;
        Ok(())
    }
}

/// The next piece of a frame.
fn piece(frame: &mut Frame, most: usize) -> Vec<u8> {
    frame.take(most.min(PIECE_BYTES_MAX)).concat()
}

async fn write(
    shared: &Shared,
    (lane, ending): (&Lane, &Ending),
    mut sender: Sender<'_>,
    (mut messages, mut frames): (mpsc::Receiver<PeerMessage>, mpsc::Receiver<Frame>),
) -> io::Result<()> {
    let mut in_hand: VecDeque<Frame> = VecDeque::new();
    let mut alive = tokio::time::interval_at(Instant::now() + ALIVE_EVERY, ALIVE_EVERY);
    loop {
        let idle = in_hand.is_empty();
        if idle {
            sender.writing.flush().await?;
        }
        tokio::select! {
            biased;
            message = messages.recv() => {
                let Some(message) = message else { return Ok(()) };
                sender.record(RecordKind::Message, &wire::encode(&message)).await?;
            }
            frame = frames.recv(), if in_hand.len() < IN_HAND_MAX => {
                let Some(frame) = frame else { return Ok(()) };
                in_hand.push_back(frame);
                shared.uploader.lane_free();
            }
            _ = alive.tick() => sender.record(RecordKind::Alive, &[]).await?,
            () = std::future::ready(()), if !idle => write_piece(shared, (lane, ending), &mut sender, &mut in_hand).await?,
        }
    }
}

async fn write_piece(
    shared: &Shared,
    (lane, ending): (&Lane, &Ending),
    sender: &mut Sender<'_>,
    in_hand: &mut VecDeque<Frame>,
) -> io::Result<()> {
    // The first among equals: pieces of two frames of one urgency must not mix.
    let Some((at, frame)) = in_hand.iter_mut().enumerate().min_by_key(|(_, frame)| frame.urgency) else {
        return Ok(());
    };
    let piece = piece(frame, lane.limits.piece_up());
    lane.limits.pass_up(&lane.carrier, piece.len() as u64, frame.flow()).await;
    sender.record(RecordKind::Piece(frame.urgency), &piece).await?;
    ending.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
    if frame.left() == 0 {
        let chunks = frame.bytes;
        in_hand.remove(at);
        lane.sent.fetch_add(chunks, Ordering::Relaxed);
        shared.sent.fetch_add(chunks, Ordering::Relaxed);
    }
    Ok(())
}

async fn read_header(reading: &mut Reading) -> io::Result<RecordHeader> {
    let mut header = [0; RECORD_HEADER_BYTES];
    heard(reading.read_exact(&mut header)).await?;
    RecordHeader::from_bytes(header).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
}

/// Grown as bytes arrive: a length alone reserves nothing.
async fn read_body(reading: &mut Reading, len: u32) -> io::Result<Vec<u8>> {
    let (mut body, len) = (Vec::new(), len as usize);
    while body.len() < len {
        let held = body.len();
        body.resize(len.min(held + PIECE_BYTES_MAX), 0);
        heard(reading.read_exact(&mut body[held..])).await?;
    }
    Ok(body)
}

async fn heard<T>(reading: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(SILENCE_MAX, reading).await.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "silent")))
}

fn decode(body: &[u8]) -> io::Result<PeerMessage> {
    wire::decode(body).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
}

async fn read(shared: &Arc<Shared>, (lane, ending): (&Arc<Lane>, &Ending), reading: &mut Reading) -> io::Result<()> {
    let (mut frames, mut untold, mut unasked) = ([const { Vec::new() }; 3], [0; 3], 0);
    loop {
        let header = read_header(reading).await?;
        let body = read_body(reading, header.len).await?;
        ending.received.fetch_add(body.len() as u64, Ordering::Relaxed);
        match header.kind {
            RecordKind::Alive => {}
            RecordKind::Close => return Err(io::Error::other(format!("closed by the peer: {}", closed_text(&body)))),
            RecordKind::Message => {
                if !lane.tell(shared, decode(&body)?).await {
                    return Ok(());
                }
            }
            RecordKind::Piece(urgency) => {
                let (frame, untold) = (&mut frames[urgency as usize], &mut untold[urgency as usize]);
                receiver::pass(shared, lane, body.len(), untold).await;
                frame.extend_from_slice(&body);
                if let Some((header, stored)) = whole(frame)? {
                    *untold = 0;
                    if !receiver::arrived(shared, lane, header, stored, &mut unasked).await {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn closed_text(code: &[u8]) -> String {
    code.iter().rev().fold(0_u32, |code, byte| code << 8 | u32::from(*byte)).to_string()
}

/// The frame, when its last piece has come.
fn whole(bytes: &mut Vec<u8>) -> io::Result<Option<(FrameHeader, Vec<u8>)>> {
    let Some(header) = bytes.first_chunk::<FRAME_HEADER_BYTES>() else { return Ok(None) };
    let header = FrameHeader::from_bytes(header).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))?;
    match bytes.len().cmp(&(FRAME_HEADER_BYTES + header.stored_len as usize)) {
        std::cmp::Ordering::Less => Ok(None),
        std::cmp::Ordering::Greater => Err(io::Error::new(io::ErrorKind::InvalidData, "a piece of two frames")),
        std::cmp::Ordering::Equal => {
            let stored = bytes.split_off(FRAME_HEADER_BYTES);
            bytes.clear();
            Ok(Some((header, stored)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_protocol::content::chunk::{ChunkIndex, Codec};
    use karez_protocol::content::hash::ReleaseId;
    use karez_protocol::wire::peer::Urgency;

    fn frame(len: usize) -> Frame {
        let (release, stored_len) = (ReleaseId::from_bytes([8; 32]), len as u32);
        let header = FrameHeader { release, chunk: ChunkIndex(3), stored_len, codec: Codec::Raw };
        let mut frame = Frame::new(Urgency::Background, release);
        frame.push(header.to_bytes(), vec![7; len].into());
        frame
    }

    #[test]
    fn pieces_join_to_the_frame_again() {
        for len in [0, 1, PIECE_BYTES_MAX - FRAME_HEADER_BYTES, PIECE_BYTES_MAX, 100_000] {
            let (mut frame, mut bytes) = (frame(len), Vec::new());
            let arrived = loop {
                let piece = piece(&mut frame, PIECE_BYTES_MAX);
                assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES_MAX);
                bytes.extend_from_slice(&piece);
                if let Some(arrived) = whole(&mut bytes).unwrap() {
                    break arrived;
                }
            };
            assert_eq!((arrived.0.chunk, arrived.1.len(), frame.left()), (ChunkIndex(3), len, 0));
        }
        let mut two = [piece(&mut frame(4), PIECE_BYTES_MAX), vec![1]].concat();
        assert!(whole(&mut two).is_err());
    }
}
