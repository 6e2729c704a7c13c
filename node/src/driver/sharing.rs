//! Transfers whose releases share chunks: one of them asks for a chunk, and all have what comes.
//!
//! What must stay true: before any other swarm decides anything, it has heard what this one has asked for, and of what came
//! it hears that it is here before it hears that nobody fetches it any more. So every input of a swarm that may make it ask
//! goes through [`Driver::drive`], or is followed by [`Driver::pump`] before another swarm's.

use super::Driver;
use super::transfer::Transfer;
use karez_protocol::content::hash::{ChunkId, ReleaseId};
use karez_protocol::swarm::Swarm;
use karez_protocol::swarm::io::{Elsewhere, Flights, Input, KnownChunk};
use std::collections::VecDeque;

impl Driver {
    /// Tells a swarm what happened and carries out what it decides.
    pub(super) fn drive(&mut self, release: &ReleaseId, input: Input) {
        let now = self.now();
        if let Some(transfer) = self.transfers.get_mut(release) {
            transfer.swarm.handle(now, input);
            self.pump(release);
        }
    }

    /// Carries out what a swarm has decided; the others go on with what it gave up.
    pub(super) fn pump(&mut self, release: &ReleaseId) {
        let ended = self.pump_alone(release);
        self.let_others_go_on(*release, ended);
    }

    /// Carries out what a swarm has decided and tells the others what it fetches from now on. Returns what it fetches no longer.
    pub(super) fn pump_alone(&mut self, release: &ReleaseId) -> Vec<ChunkId> {
        while let Some(output) = self.transfers.get_mut(release).and_then(|t| t.swarm.poll_output()) {
            self.carry_out(*release, output);
        }
        let flights = self.transfers.get_mut(release).and_then(|t| t.swarm.poll_flights());
        let Some(Flights { begun, ended }) = flights else { return Vec::new() };
        let now = self.now();
        for other in self.transfers.values_mut().filter(|other| hears_of(other, release) && !begun.is_empty()) {
            other.swarm.handle(now, Input::Elsewhere(Elsewhere::Begun(begun.clone())));
        }
        ended
    }

    pub(super) fn let_others_go_on(&mut self, release: ReleaseId, ended: Vec<ChunkId>) {
        let mut ended = VecDeque::from([(release, ended)]);
        while let Some((of, chunks)) = ended.pop_front() {
            if chunks.is_empty() {
                continue;
            }
            let now = self.now();
            let others: Vec<_> = self.transfers.values().filter(|t| hears_of(t, &of)).map(|t| t.release).collect();
            for other in others {
                if let Some(transfer) = self.transfers.get_mut(&other) {
                    transfer.swarm.handle(now, Input::Elsewhere(Elsewhere::Ended(chunks.clone())));
                }
                let more = self.pump_alone(&other);
                ended.push_back((other, more));
            }
        }
    }

    /// Tells a swarm that begins, or that was whole and is not any more, what the others fetch.
    pub(super) fn tell_all_elsewhere(&mut self, release: &ReleaseId) {
        let others = self.transfers.values().filter(|other| other.release != *release);
        let chunks = others.flat_map(|other| Swarm::in_flight(&other.swarm)).collect();
        self.drive(release, Input::Elsewhere(Elsewhere::All(chunks)));
    }

    /// A chunk that other releases may need as well is here now. A swarm that does not look at it yet asks the store later.
    pub(super) fn share(&mut self, release: &ReleaseId, chunk: &KnownChunk) {
        let others: Vec<_> = self.transfers.values().filter(|t| hears_of(t, release)).map(|t| t.release).collect();
        for other in others {
            let Some(transfer) = self.transfers.get_mut(&other) else { continue };
            match transfer.swarm.index_of(&chunk.id) {
                Some(index) if !transfer.swarm.have().contains(index) => {
                    transfer.note_stored(u64::from(chunk.stored_len));
                    self.drive(&other, Input::Held([index].into_iter().collect()));
                }
                Some(_) => {}
                None => transfer.note_meanwhile(chunk.id),
            }
        }
    }
}

/// Whether a transfer has a use for news of another. What is whole is told everything when it is not any more.
fn hears_of(transfer: &Transfer, release: &ReleaseId) -> bool {
    transfer.release != *release && !transfer.complete
}
