//! Questions that wait for an answer. Rosters and releases may be long, so a peer is asked for two at a time: what it may send
//! us at once is bounded, whatever it says that it has.

use karez_protocol::trust::PeerId;
use karez_protocol::wire::control::ControlRequest;
use std::collections::{BTreeMap, VecDeque};

/// Long answers that one peer may be sending at once, of at most 17 MiB each.
const LONG_MAX: usize = 2;
/// Further questions that wait for them; what is dropped is asked again after the peer's next greeting.
const WAITING_MAX: usize = 64;

/// The questions, by what the transport calls them.
#[derive(Debug)]
pub(super) struct Questions<I> {
    asked: BTreeMap<I, (PeerId, ControlRequest)>,
    waiting: BTreeMap<PeerId, VecDeque<ControlRequest>>,
}

impl<I: Ord> Default for Questions<I> {
    fn default() -> Self {
        Self { asked: BTreeMap::new(), waiting: BTreeMap::new() }
    }
}

fn is_long(request: &ControlRequest) -> bool {
    matches!(request, ControlRequest::Roster { .. } | ControlRequest::Release { .. })
}

impl<I: Ord> Questions<I> {
    /// A question to be asked now; `None` when it waits, or has been asked already.
    pub(super) fn admit(&mut self, peer: PeerId, request: ControlRequest) -> Option<ControlRequest> {
        if !is_long(&request) {
            return Some(request);
        }
        let waiting = self.waiting.get(&peer);
        let is_known = self.of(&peer).any(|asked| *asked == request) || waiting.is_some_and(|it| it.contains(&request));
        if is_known {
            return None;
        }
        if self.has_room(&peer) {
            return Some(request);
        }
        let waiting = self.waiting.entry(peer).or_default();
        if waiting.len() < WAITING_MAX {
            waiting.push_back(request);
        }
        None
    }

    fn of(&self, peer: &PeerId) -> impl Iterator<Item = &ControlRequest> {
        self.asked.values().filter(move |(asked, _)| asked == peer).map(|(_, request)| request)
    }

    fn has_room(&self, peer: &PeerId) -> bool {
        self.of(peer).filter(|request| is_long(request)).count() < LONG_MAX
    }

    /// It was asked.
    pub(super) fn begin(&mut self, id: I, peer: PeerId, request: ControlRequest) {
        self.asked.insert(id, (peer, request));
    }

    /// It was answered, or never will be.
    pub(super) fn end(&mut self, id: &I) -> Option<(PeerId, ControlRequest)> {
        self.asked.remove(id)
    }

    /// The next question that waited for this peer.
    pub(super) fn next(&mut self, peer: &PeerId) -> Option<ControlRequest> {
        if !self.has_room(peer) {
            return None;
        }
        let waiting = self.waiting.get_mut(peer)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(peer);
        }
        next
    }

    /// The peer is gone: nothing waits for it.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.waiting.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(newer_than: u64) -> ControlRequest {
        ControlRequest::Release { collection: "a/b".parse().unwrap(), newer_than }
    }

    #[test]
    fn long_answers_come_two_at_a_time_and_none_is_asked_twice() {
        let (mut questions, peer) = (Questions::default(), PeerId::from_bytes([1; 32]));
        for id in 0..2 {
            let admitted = questions.admit(peer, release(id)).unwrap();
            questions.begin(id, peer, admitted);
        }
        assert_eq!(questions.admit(peer, release(1)), None, "asked already");
        assert_eq!(questions.admit(peer, release(2)), None, "waits");
        assert_eq!(questions.admit(peer, release(2)), None, "waits already");
        assert_eq!(questions.admit(peer, ControlRequest::Peers), Some(ControlRequest::Peers));
        assert_eq!(questions.next(&peer), None);
        assert_eq!(questions.end(&0), Some((peer, release(0))));
        assert_eq!((questions.next(&peer), questions.next(&peer)), (Some(release(2)), None));
        let other = PeerId::from_bytes([2; 32]);
        assert_eq!(questions.admit(other, release(0)), Some(release(0)));
    }

    #[test]
    fn what_waits_is_bounded_and_goes_with_the_peer() {
        let (mut questions, peer) = (Questions::default(), PeerId::from_bytes([1; 32]));
        (0..2).for_each(|id| questions.begin(id, peer, release(id)));
        (2..500).for_each(|number| assert_eq!(questions.admit(peer, release(number)), None));
        assert_eq!(questions.waiting[&peer].len(), WAITING_MAX);
        questions.forget(&peer);
        questions.end(&0);
        assert_eq!(questions.next(&peer), None);
    }
}
