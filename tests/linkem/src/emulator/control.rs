//! What is said on standard input and output: a line of JSON when the links are up, and one for each request.

use super::namespace::{Host, dotted};
use serde_json::json;
use std::collections::VecDeque;
use std::io::Write as _;

/// A longer request is none.
const LINE_BYTES_MAX: usize = 256;

/// A line on standard input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Print the counters.
    Stats,
    /// Set them to zero.
    Reset,
    /// End.
    Stop,
    /// Not understood.
    Unknown,
}

/// Collects bytes until they are requests.
#[derive(Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    whole: VecDeque<Request>,
}

impl Lines {
    pub(crate) fn take_in(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.whole.push_back(parse(&std::mem::take(&mut self.begun))),
                _ if self.begun.len() < LINE_BYTES_MAX => self.begun.push(*byte),
                _ => {}
            }
        }
    }

    pub(crate) fn next(&mut self) -> Option<Request> {
        self.whole.pop_front()
    }
}

fn parse(line: &[u8]) -> Request {
    match line.trim_ascii() {
        b"stats" => Request::Stats,
        b"reset" => Request::Reset,
        b"stop" => Request::Stop,
        _ => Request::Unknown,
    }
}

/// The links are up: where each host is.
pub(crate) fn say_ready(hosts: &[Host]) {
    let host = |host: &Host| json!({"name": host.name, "namespace": host.namespace, "address": dotted(host.address)});
    let hosts: Vec<_> = hosts.iter().map(host).collect();
    say(&json!({"event": "ready", "hosts": hosts}).to_string());
}

/// One line; whoever does not listen any more will close standard input too, which ends the emulator.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[test]
fn requests_are_whole_lines() {
    let mut lines = Lines::default();
    lines.take_in(b"sta");
    assert_eq!(lines.next(), None);
    lines.take_in(b"ts\nreset\r\nstopp\n");
    let requests: Vec<_> = std::iter::from_fn(|| lines.next()).collect();
    assert_eq!(requests, [Request::Stats, Request::Reset, Request::Unknown]);
}
