//! `mdnsflood COUNT PEER`: answers that nobody asked for on multicast DNS, COUNT messages of 20 addresses each, by turns of PEER and of
//! peers that do not exist. For tests of what a LAN can do to a node.

use anyhow::Context as _;
use std::net::UdpSocket;

/// Addresses in a message.
const ADDRESSES: u32 = 20;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let count: u32 = args.next().context("usage: mdnsflood COUNT PEER")?.parse()?;
    let known = args.next().context("usage: mdnsflood COUNT PEER")?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    println!("{{}}");
    for number in 0..count {
        let stranger = stranger(number);
        let peer = if number % 2 == 0 { &known } else { &stranger };
        // A full queue of the interface drops it: there are more.
        let _ = socket.send_to(&message(number, peer), "224.0.0.251:5353");
    }
    Ok(())
}

fn stranger(number: u32) -> String {
    let mut key = [7; 32];
    key[..4].copy_from_slice(&number.to_le_bytes());
    karez_protocol::trust::PeerId::from_bytes(*blake3::hash(&key).as_bytes()).to_string()
}

/// RFC 1035, 4.1: one PTR record of `_p2p._udp.local`, and TXT records of the name that it points to.
fn message(number: u32, peer: &str) -> Vec<u8> {
    let name = named(&format!("flood{number}"));
    let mut bytes = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, ADDRESSES as u8].to_vec();
    bytes.extend(record(&named("_p2p._udp.local"), 12, &name));
    for address in 0..ADDRESSES {
        let port = 1 + (number * ADDRESSES + address) % 60_000;
        let text = format!("dnsaddr=/ip4/10.92.0.3/tcp/{port}/p2p/{peer}");
        bytes.extend(record(&name, 16, &[&[text.len() as u8], text.as_bytes()].concat()));
    }
    bytes
}

fn named(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

/// A record of class IN that lives for an hour.
fn record(name: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    [name, &[0, kind, 0, 1, 0, 0, 0x0e, 0x10], &(data.len() as u16).to_be_bytes(), data].concat()
}
