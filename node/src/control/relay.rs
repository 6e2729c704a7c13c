//! A relay: carries bytes between two members that cannot reach each other, within quotas that its operator sets.
//!
//! What must stay true: only members reserve and call (nobody else is connected), and only who has reserved is called.
//! Every byte passes the relay's own limit and the node's, and is counted, where it is moved. A circuit costs two buffers
//! and what Yamux may hold of its two streams; nothing else waits here.

use super::circuits::{CALLED, PATIENCE};
use super::codec::{read_short, write_short};
use super::{Loop, from_libp2p, reservation, to_libp2p};
use crate::limits::{Flow, Limits, TCP_WIRE_PERCENT};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use karez_protocol::plan::limiter::Rates;
use karez_protocol::plan::relay::Quotas;
use karez_protocol::trust::PeerId;
use karez_protocol::wire::relay::{Caller, RelayAnswer, RelayRequest};
use libp2p::Stream;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Members that may be reached through this node at once: half of all connections there may be.
const RESERVATIONS_MAX: usize = 256;
/// Requests that may be under way at once.
const REQUESTS_MAX: usize = 64;
/// A circuit on which nothing comes from one side for so long has ended: lanes say each 8 s that they are there,
/// connections each 60 s.
const SILENCE_MAX: Duration = Duration::from_secs(180);

/// What a relay does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayFigures {
    /// What it gives.
    pub quotas: Quotas,
    /// Members that may be called through it now.
    pub reservations: usize,
    /// Circuits now.
    pub circuits: usize,
    /// Bytes carried since the start, each counted once.
    pub bytes: u64,
    /// Reservations and calls refused since the start because a quota was used up, and circuits that were ended by one.
    pub refused: u64,
}

/// The relay of a node.
#[derive(Debug, Clone)]
pub struct Relay(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    quotas: Quotas,
    own: Limits,
    node: Limits,
    books: Mutex<Books>,
    bytes: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Books {
    requests: usize,
    /// By member; the number tells a new reservation from the one it replaced.
    reserved: BTreeMap<PeerId, u64>,
    reservations_made: u64,
    circuits: usize,
    of_peer: BTreeMap<PeerId, usize>,
}

impl Books {
    /// Adds a circuit between these two, if the quotas leave room.
    fn open(&mut self, quotas: &Quotas, ends: [PeerId; 2]) -> bool {
        let is_free = |peer: &PeerId| self.of_peer.get(peer).is_none_or(|count| *count < quotas.peer_circuits);
        let has_room = self.circuits < quotas.circuits && ends.iter().all(is_free);
        if has_room {
            self.circuits += 1;
            ends.iter().for_each(|peer| *self.of_peer.entry(*peer).or_default() += 1);
        }
        has_room
    }

    fn close(&mut self, ends: [PeerId; 2]) {
        self.circuits -= 1;
        for peer in ends {
            let count = self.of_peer.entry(peer).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_peer.remove(&peer);
            }
        }
    }

    /// The number of a new reservation, if there is room.
    fn reserve(&mut self, peer: PeerId) -> Option<u64> {
        if self.reserved.len() >= RESERVATIONS_MAX && !self.reserved.contains_key(&peer) {
            return None;
        }
        self.reservations_made += 1;
        self.reserved.insert(peer, self.reservations_made);
        Some(self.reservations_made)
    }

    fn release(&mut self, peer: &PeerId, number: u64) {
        if self.reserved.get(peer) == Some(&number) {
            self.reserved.remove(peer);
        }
    }
}

/// Undoes what was entered in the books when it is dropped.
struct Entry<F: FnMut(&mut Books)>(Relay, F);

impl<F: FnMut(&mut Books)> Drop for Entry<F> {
    fn drop(&mut self) {
        let undo = &mut self.1;
        undo(&mut self.0.0.books.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Relay {
    /// A relay within these quotas and the node's limits.
    pub fn new(quotas: Quotas, node: Limits) -> Self {
        let own = Limits::new(Rates { up: quotas.rate, ..Rates::default() });
        let (books, bytes, refused) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inside { quotas, own, node, books, bytes, refused }))
    }

    /// What it does now.
    pub fn figures(&self) -> RelayFigures {
        let (reservations, circuits) = self.with(|books| (books.reserved.len(), books.circuits));
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (bytes, refused) = (count(&self.0.bytes), count(&self.0.refused));
        RelayFigures { quotas: self.0.quotas, reservations, circuits, bytes, refused }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Books) -> T) -> T {
        act(&mut self.0.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn refuse(&self) -> RelayAnswer {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        RelayAnswer::Full
    }

    /// Does what a member asks for on this stream, until it is over.
    async fn serve(self, from: PeerId, mut stream: Stream, streams: libp2p_stream::Control) {
        let has_room = self.with(|books| {
            let has_room = books.requests < REQUESTS_MAX;
            books.requests += usize::from(has_room);
            has_room
        });
        if !has_room {
            return;
        }
        let request = Entry(self.clone(), |books| books.requests -= 1);
        match timeout(PATIENCE, read_short(&mut stream)).await {
            Ok(Ok(RelayRequest::Reserve)) => {
                drop(request);
                self.keep(from, stream).await;
            }
            Ok(Ok(RelayRequest::Call { peer })) => {
                let called = self.connect([from, peer], &mut stream, streams).await;
                drop(request);
                if let Some((other, _circuit)) = called {
                    self.carry(stream, other).await;
                }
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }

    /// Keeps a reservation for as long as its stream is open.
    async fn keep(self, peer: PeerId, mut stream: Stream) {
        let Some(number) = self.with(|books| books.reserve(peer)) else {
            answer(&mut stream, self.refuse()).await;
            return;
        };
        let _reserved = Entry(self, move |books| books.release(&peer, number));
        if answer(&mut stream, RelayAnswer::Ready).await {
            let _ = reservation::hold(stream).await;
        }
    }

    /// The other end of a circuit, entered in the books; without it the caller has been told why.
    async fn connect(
        &self,
        ends: [PeerId; 2],
        caller: &mut Stream,
        mut streams: libp2p_stream::Control,
    ) -> Option<(Stream, Entry<impl FnMut(&mut Books) + use<>>)> {
        let [from, to] = ends;
        if from == to || !self.with(|books| books.reserved.contains_key(&to)) {
            answer(caller, RelayAnswer::Away).await;
            return None;
        }
        if !self.with(|books| books.open(&self.0.quotas, ends)) {
            answer(caller, self.refuse()).await;
            return None;
        }
        let circuit = Entry(self.clone(), move |books: &mut Books| books.close(ends));
        let opened = timeout(PATIENCE, async {
            let mut stream = streams.open_stream(to_libp2p(&to), CALLED).await.ok()?;
            write_short(&mut stream, &Caller { peer: from }).await.ok()?;
            Some(stream)
        });
        match opened.await {
            Ok(Some(stream)) => answer(caller, RelayAnswer::Ready).await.then_some((stream, circuit)),
            Ok(None) | Err(_) => {
                answer(caller, RelayAnswer::Away).await;
                None
            }
        }
    }

    /// Carries bytes both ways until one side ends or a quota is used up.
    async fn carry(&self, one: Stream, other: Stream) {
        let ((from_one, to_one), (from_other, to_other)) = (one.split(), other.split());
        let carried = AtomicU64::new(0);
        let ended = tokio::select! {
            ended = self.pump(&carried, from_one, to_other) => ended,
            ended = self.pump(&carried, from_other, to_one) => ended,
            () = tokio::time::sleep(self.0.quotas.circuit_time) => Err(io::ErrorKind::QuotaExceeded.into()),
        };
        if ended.is_err_and(|cause| cause.kind() == io::ErrorKind::QuotaExceeded) {
            self.refuse();
        }
    }

    async fn pump(
        &self,
        carried: &AtomicU64,
        mut from: impl futures::AsyncRead + Unpin,
        mut to: impl futures::AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut piece = vec![0; self.0.quotas.rate.piece() as usize];
        loop {
            let read = timeout(SILENCE_MAX, from.read(&mut piece)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            if read == 0 {
                return to.close().await;
            }
            let bytes = read as u64;
            if carried.fetch_add(bytes, Ordering::Relaxed) + bytes > self.0.quotas.circuit_bytes {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            self.0.own.up().pass(bytes, Flow::default()).await;
            self.0.own.up().carried(bytes * TCP_WIRE_PERCENT / 100);
            self.0.node.pass_through(bytes).await;
            to.write_all(&piece[..read]).await?;
            to.flush().await?;
            self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

/// False when the other side does not take it.
async fn answer(stream: &mut Stream, answer: RelayAnswer) -> bool {
    matches!(timeout(PATIENCE, write_short(stream, &answer)).await, Ok(Ok(())))
}

impl Loop {
    /// A member wants something of this relay.
    pub(super) fn on_relay_stream(&self, peer: &libp2p::PeerId, stream: Stream) {
        let (Some(relay), Some(peer)) = (self.relay.clone(), from_libp2p(peer)) else { return };
        tokio::spawn(relay.serve(peer, stream, self.swarm.behaviour().streams.new_control()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_protocol::plan::limiter::BytesPerSecond;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 32])
    }

    #[test]
    fn circuits_are_counted_all_together_and_by_member() {
        let (bytes, time) = (u64::MAX, Duration::MAX);
        let rate = BytesPerSecond(0);
        let quotas = Quotas { circuits: 3, peer_circuits: 2, circuit_bytes: bytes, circuit_time: time, rate };
        let mut books = Books::default();
        let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(peer);
        assert!(books.open(&quotas, [a, b]) && books.open(&quotas, [c, a]));
        assert!(!books.open(&quotas, [d, a]), "a has two");
        assert!(books.open(&quotas, [d, b]));
        assert!(!books.open(&quotas, [d, e]), "three in all");
        books.close([a, b]);
        assert!(books.open(&quotas, [d, e]));
        for ends in [[c, a], [d, b], [d, e]] {
            books.close(ends);
        }
        assert!(books.circuits == 0 && books.of_peer.is_empty());
    }

    #[test]
    fn a_new_reservation_takes_the_place_of_the_old_one() {
        let mut books = Books::default();
        let first = books.reserve(peer(1)).unwrap();
        let second = books.reserve(peer(1)).unwrap();
        books.release(&peer(1), first);
        assert!(books.reserved.contains_key(&peer(1)));
        books.release(&peer(1), second);
        assert!(books.reserved.is_empty());
        let made =
            (0..RESERVATIONS_MAX).filter_map(|number| books.reserve(PeerId::from_bytes([number as u8; 32]))).count();
        assert_eq!(made, RESERVATIONS_MAX);
        assert_eq!(books.reserve(PeerId::from_bytes([[0; 16], [1; 16]].concat().try_into().unwrap())), None);
    }
}
