//! A player's request to a node's gateway, on a bare socket: one byte range by HTTP/1.1.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::{Component, Path};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A range may have to come from another site first.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The bytes that `GET base/c/COLLECTION/PATH` answers for `range`.
pub(crate) fn range(base: &str, collection: &str, path: &Path, range: &Range<u64>) -> Result<Vec<u8>> {
    let address = base.strip_prefix("http://").unwrap_or(base).trim_end_matches('/');
    let target = format!("/c/{collection}/{}", encode(path));
    let mut socket = TcpStream::connect(address).with_context(|| format!("no gateway at {address}"))?;
    socket.set_read_timeout(Some(ANSWER_WITHIN))?;
    let (first, last) = (range.start, range.end - 1);
    write!(
        socket,
        "GET {target} HTTP/1.1\r\nHost: {address}\r\nRange: bytes={first}-{last}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).with_context(|| format!("{target} broke off"))?;
    body(&answer, first, last).with_context(|| target.clone())
}

fn body(answer: &[u8], first: u64, last: u64) -> Result<Vec<u8>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no HTTP head")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.lines().next().unwrap_or_default();
    if status.split_whitespace().nth(1) != Some("206") {
        bail!("answered {status:?}, not 206");
    }
    if !head.lines().any(|line| line.starts_with(&format!("content-range: bytes {first}-{last}/"))) {
        bail!("the head names another range: {head:?}");
    }
    if !head.lines().any(|line| line == format!("content-length: {}", last - first + 1)) {
        bail!("the head names another length: {head:?}");
    }
    Ok(answer[end + 4..].to_vec())
}

/// Percent-encodes all but what RFC 3986 calls unreserved.
fn encode(path: &Path) -> String {
    let names = path.components().filter_map(|part| if let Component::Normal(name) = part { Some(name) } else { None });
    let name =
        |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().map(|byte| encode_byte(*byte)).collect::<String>();
    names.map(name).collect::<Vec<_>>().join("/")
}

fn encode_byte(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded() {
        assert_eq!(encode(Path::new("02-坎/a b.mp4")), "02-%E5%9D%8E/a%20b.mp4");
    }

    #[test]
    fn only_the_asked_range_is_taken() {
        let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/9\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(body(head.as_bytes(), 2, 4).unwrap(), b"abc");
        assert!(body(head.as_bytes(), 2, 5).is_err());
        assert!(body(b"HTTP/1.1 200 OK\r\n\r\nabc", 0, 2).is_err());
    }
}
