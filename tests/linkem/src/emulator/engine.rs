//! The loop: one thread, all devices, one heap of events.
//!
//! A packet is read from its sender's device and offered to the first link of its path; when it comes out it is offered to
//! the next one, and at last written to the receiver's device. Every hop is decided when its time comes, so flows that
//! share a link meet in its queue in their true order; and for the time it was due, so that a late wake-up does not add up.

use super::alarm::{Alarm, now_ns};
use super::control::{self, Lines, Request};
use super::error::Error;
use super::flight::{Flight, Slot};
use super::link::{Fate, Link};
use super::namespace::Host;
use super::stats::{Counters, LinkStats, Punctuality, Stats};
use super::topology::Topology;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Events due within this time are handled now: fewer wake-ups, an error below 0.02 ms.
const SLACK_NS: u64 = 20_000;
/// Packets taken from one device before the others and the clock get their turn.
const READS_MAX: usize = 32;
/// Events handled before the devices get their turn.
const EVENTS_MAX: usize = 256;
/// How often the clock is read while events are handled.
const EVENTS_BETWEEN_CLOCKS: usize = 16;
/// How late a stop by signal may be noticed.
const WAIT_MAX_NS: i64 = 200_000_000;
/// Room for a header before or behind a packet, should a device add one.
const BUFFER_SPARE: usize = 64;
/// Keys of what is no host's device.
const STDIN: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// Everything that runs.
pub(crate) struct Engine {
    topology: Topology,
    hosts: Vec<Host>,
    links: Vec<Link>,
    /// By sender and receiver.
    paths: Vec<Vec<Vec<usize>>>,
    flight: Flight,
    /// Counters begin here.
    started: u64,
    /// The schedule begins with the first `reset`: before it, whoever uses the links gets ready.
    schedule_from: Option<u64>,
    changes_done: usize,
    epoll: OwnedFd,
    alarm: Alarm,
    lines: Lines,
    punctuality: Punctuality,
    stop: Arc<AtomicBool>,
}

/// When there is more to do.
enum Next {
    Now,
    At(u64),
    Never,
}

/// Above ordinary programs: the emulator must not wait behind those it measures. It sleeps when idle, so nobody starves.
pub(crate) fn raise_priority() {
    let pid = std::process::id().to_string();
    let mut real_time = Command::new("chrt");
    real_time.args(["--reset-on-fork", "--rr", "--pid", "10", &pid]).stdout(Stdio::null()).stderr(Stdio::null());
    let raised = real_time.status().is_ok_and(|status| status.success());
    if !raised {
        // Second best; late packets are counted, so nobody is deceived.
        let _ = rustix::process::setpriority_process(None, -20);
    }
}

fn watch(epoll: &OwnedFd, source: BorrowedFd<'_>, key: u64) -> Result<(), Error> {
    let added = epoll::add(epoll, source, EventData::new_u64(key), EventFlags::IN);
    added.map_err(|errno| Error::Epoll(errno.into()))
}

impl Engine {
    pub(crate) fn new(topology: Topology, hosts: Vec<Host>, stop: Arc<AtomicBool>) -> Result<Self, Error> {
        let directions = topology.nodes.iter().flat_map(|node| [(node, "up", &node.up), (node, "down", &node.down)]);
        let links = directions.zip(0..).map(|((node, direction, shape), stream)| {
            Link::new(format!("{}.{direction}", node.name), shape.clone(), topology.seed, stream)
        });
        let path = |from: &Host| hosts.iter().map(|to| topology.path(from.node, to.node)).collect();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|errno| Error::Epoll(errno.into()))?;
        watch(&epoll, io::stdin().as_fd(), STDIN)?;
        let alarm = Alarm::new().map_err(|errno| Error::Epoll(errno.into()))?;
        watch(&epoll, alarm.as_fd(), TIMER)?;
        for (host, key) in hosts.iter().zip(0..) {
            watch(&epoll, host.device.as_fd(), key)?;
        }
        Ok(Self {
            links: links.collect(),
            paths: hosts.iter().map(path).collect(),
            flight: Flight::default(),
            started: now_ns(),
            schedule_from: None,
            changes_done: 0,
            epoll,
            alarm,
            lines: Lines::default(),
            punctuality: Punctuality::default(),
            stop,
            topology,
            hosts,
        })
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Until it is told to stop.
    pub(crate) fn run(&mut self) -> Result<(), Error> {
        let mut room = [MaybeUninit::<Event>::uninit(); 64];
        while !self.stop.load(Ordering::Relaxed) {
            self.apply_changes();
            let wait = match self.run_due() {
                Next::Now => 0,
                Next::At(due) => self.alarm.set(due).map_or(0, |()| WAIT_MAX_NS),
                Next::Never => WAIT_MAX_NS,
            };
            let timeout = Timespec { tv_sec: 0, tv_nsec: wait };
            let ready = match epoll::wait(&self.epoll, &mut room, Some(&timeout)) {
                Ok((ready, _)) => ready,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(Error::Epoll(errno.into())),
            };
            for event in ready {
                match event.data.u64() {
                    STDIN => self.take_requests(),
                    TIMER => self.alarm.clear(),
                    host => self.read_device(host as usize),
                }
            }
        }
        Ok(())
    }

    /// Handles what is due; returns when there is more to do.
    fn run_due(&mut self) -> Next {
        let mut now = now_ns();
        for done in 1..=EVENTS_MAX {
            let Some(due) = self.flight.next_due() else { return Next::Never };
            if due > now + SLACK_NS {
                return Next::At(due - SLACK_NS / 2);
            }
            if let Some((at, slot)) = self.flight.pop() {
                self.advance(slot, at, now);
            }
            if done.is_multiple_of(EVENTS_BETWEEN_CLOCKS) {
                now = now_ns();
            }
        }
        Next::Now
    }

    /// Moves a packet one hop on, as of the time `at` it was due.
    fn advance(&mut self, slot: Slot, at: u64, now: u64) {
        let packet = self.flight.packet(slot);
        let path = &self.paths[usize::from(packet.from)][usize::from(packet.to)];
        let Some(link) = path.get(packet.hop) else { return self.deliver(slot, at, now) };
        match self.links[*link].offer(at, packet.bytes) {
            Fate::Delivered { at: out } => {
                packet.hop += 1;
                self.flight.schedule(out, slot);
            }
            Fate::Dropped => self.flight.give_back(slot),
        }
    }

    fn deliver(&mut self, slot: Slot, at: u64, now: u64) {
        let packet = self.flight.packet(slot);
        let device = &self.hosts[usize::from(packet.to)].device;
        let written = rustix::io::write(device, &packet.buffer[..packet.bytes]);
        self.punctuality.write_errors += u64::from(written != Ok(packet.bytes));
        self.punctuality.delivered(at, now);
        self.flight.give_back(slot);
    }

    fn read_device(&mut self, host: usize) {
        for _ in 0..READS_MAX {
            let Some(slot) = self.flight.take(self.topology.mtu + BUFFER_SPARE) else {
                self.punctuality.overflow_packets += 1;
                return;
            };
            let packet = self.flight.packet(slot);
            let Ok(bytes @ 1..) = rustix::io::read(&self.hosts[host].device, &mut packet.buffer[..]) else {
                self.flight.give_back(slot);
                return;
            };
            (packet.bytes, packet.hop, packet.from) = (bytes, 0, host as u16);
            let to = destination(&packet.buffer[..bytes]).and_then(|address| self.topology.host_at(address));
            match to.filter(|to| usize::from(*to) < self.hosts.len()) {
                Some(to) => {
                    packet.to = to;
                    let now = now_ns();
                    self.advance(slot, now, now);
                }
                None => {
                    self.punctuality.unroutable_packets += 1;
                    self.flight.give_back(slot);
                }
            }
        }
    }

    fn apply_changes(&mut self) {
        let Some(from) = self.schedule_from else { return };
        let now = now_ns();
        while let Some(change) = self.topology.schedule.get(self.changes_done) {
            if from + (change.at_s * 1e9) as u64 > now {
                return;
            }
            if let Some(link) = self.topology.link_index(&change.link) {
                self.links[link].reshape(now, change.shape.clone());
            }
            self.changes_done += 1;
        }
    }

    fn take_requests(&mut self) {
        let mut bytes = [0; 256];
        match rustix::io::read(io::stdin().as_fd(), &mut bytes) {
            Ok(0) => self.stop.store(true, Ordering::Relaxed),
            Ok(count) => self.lines.take_in(&bytes[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.stop.store(true, Ordering::Relaxed),
        }
        while let Some(request) = self.lines.next() {
            self.answer(&request);
        }
    }

    fn answer(&mut self, request: &Request) {
        match request {
            Request::Stats => control::say(&self.stats()),
            Request::Reset => {
                self.links.iter_mut().for_each(|link| link.counters = Counters::default());
                (self.punctuality, self.started) = (Punctuality::default(), now_ns());
                self.schedule_from.get_or_insert(self.started);
                control::say("{\"event\":\"reset\"}");
            }
            Request::Stop => self.stop.store(true, Ordering::Relaxed),
            Request::Unknown => control::say("{\"event\":\"error\",\"text\":\"requests are stats, reset, stop\"}"),
        }
    }

    fn stats(&self) -> String {
        let links = self.links.iter().map(|link| LinkStats::new(&link.name, &link.counters)).collect();
        let elapsed_s = (now_ns() - self.started) as f64 / 1e9;
        let stats = Stats { elapsed_s, punctuality: &self.punctuality, links };
        serde_json::to_string(&stats).expect("numbers and names are JSON")
    }
}

/// Where an IPv4 packet goes.
fn destination(packet: &[u8]) -> Option<[u8; 4]> {
    let is_ipv4 = packet.first().is_some_and(|byte| byte >> 4 == 4);
    packet.get(16..20).filter(|_| is_ipv4)?.try_into().ok()
}
