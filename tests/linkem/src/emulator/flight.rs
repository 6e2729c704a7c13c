//! Packets under way: their bytes, and when each is due next.
//!
//! What must stay true: events come out in the order of their time, those of one time in the order they went in; memory is
//! bounded and buffers are used again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// 400 MB of packets: ten times a gigabit link with a second of delay.
const PACKETS_MAX: usize = 1 << 18;

/// One packet.
pub(crate) struct Packet {
    pub(crate) buffer: Vec<u8>,
    pub(crate) bytes: usize,
    pub(crate) from: u16,
    pub(crate) to: u16,
    /// Place in the path; its length means that the packet is to be delivered.
    pub(crate) hop: usize,
}

/// Where a packet lies.
pub(crate) type Slot = u32;

/// All packets under way.
#[derive(Default)]
pub(crate) struct Flight {
    due: BinaryHeap<Reverse<(u64, u64, Slot)>>,
    packets: Vec<Packet>,
    free: Vec<Slot>,
    sequence: u64,
}

impl Flight {
    /// A place for a packet of up to so many bytes, or `None` when all are taken.
    pub(crate) fn take(&mut self, bytes_max: usize) -> Option<Slot> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let room = self.packets.len() < PACKETS_MAX;
        room.then(|| {
            self.packets.push(Packet { buffer: vec![0; bytes_max], bytes: 0, from: 0, to: 0, hop: 0 });
            self.packets.len() as Slot - 1
        })
    }

    pub(crate) fn give_back(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    pub(crate) fn packet(&mut self, slot: Slot) -> &mut Packet {
        &mut self.packets[slot as usize]
    }

    /// The packet is to be looked at again at this time.
    pub(crate) fn schedule(&mut self, at: u64, slot: Slot) {
        self.sequence += 1;
        self.due.push(Reverse((at, self.sequence, slot)));
    }

    /// When the next packet is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next packet and its time.
    pub(crate) fn pop(&mut self) -> Option<(u64, Slot)> {
        self.due.pop().map(|Reverse((at, _, slot))| (at, slot))
    }
}

#[test]
fn packets_come_out_by_time_then_by_turn() {
    let mut flight = Flight::default();
    for (at, slot) in [(5, 1), (3, 2), (5, 3), (4, 4)] {
        flight.schedule(at, slot);
    }
    assert_eq!(flight.next_due(), Some(3));
    let order: Vec<_> = std::iter::from_fn(|| flight.pop()).collect();
    assert_eq!(order, [(3, 2), (4, 4), (5, 1), (5, 3)]);
}
