//! Under which names the gateway answers.
//!
//! A page on the web may let its own name point at 127.0.0.1 and then read us as its own origin; but it cannot choose
//! the `Host` that the browser sends, and an IP literal cannot be rebound. So: loopback names, the address we listen on,
//! and any IP literal where the keeper opened the gateway on all addresses.

use super::refusal::Refusal;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// Which hosts are ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostRule {
    own: IpAddr,
}

impl HostRule {
    /// The rule of a listener.
    pub(super) fn new(listener: SocketAddr) -> Self {
        Self { own: listener.ip() }
    }

    /// Checks the `Host` header, and the authority of the request line where a client sends one.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().map_or("", |value| value.to_str().unwrap_or("?"));
        let authority = uri.authority().map(Authority::as_str);
        let wrong = [Some(host), authority].into_iter().flatten().find(|host| !self.is_own(host));
        match wrong {
            None if hosts.next().is_none() => Ok(()),
            found => Err(Refusal::Host { found: found.unwrap_or(host).chars().take(100).collect() }),
        }
    }

    fn is_own(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        if host.contains('@') {
            return false;
        }
        let name = authority.host();
        let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            Ok(ip) => ip.is_loopback() || ip == self.own || self.own.is_unspecified(),
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_has_a_name_here() {
        let check = |listener: &str, host: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            HostRule::new(listener.parse().unwrap()).check(&Uri::from_static("/c/a/b/x"), &headers).is_ok()
        };
        for good in ["localhost", "LOCALHOST:4080", "127.0.0.1", "127.0.0.1:9", "[::1]:4080", "[::1]"] {
            assert!(check("127.0.0.1:4080", good), "{good}");
        }
        for bad in
            ["", "evil.example", "localhost.evil.example", "10.0.0.9:4080", "a@localhost", "127.0.0.1.nip.io", "?"]
        {
            assert!(!check("127.0.0.1:4080", bad), "{bad}");
        }
        assert!(check("10.0.0.9:4080", "10.0.0.9:4080"));
        assert!(!check("10.0.0.9:4080", "10.0.0.8:4080"));
        assert!(check("0.0.0.0:4080", "10.0.0.8:4080"));
        assert!(!check("0.0.0.0:4080", "evil.example"));
    }

    #[test]
    fn missing_doubled_and_contradicting_hosts_are_refused() {
        let rule = HostRule::new("127.0.0.1:1".parse().unwrap());
        let plain = Uri::from_static("/");
        assert!(rule.check(&plain, &HeaderMap::new()).is_err());
        let mut headers = HeaderMap::from_iter([(header::HOST, "localhost".parse().unwrap())]);
        assert!(rule.check(&plain, &headers).is_ok());
        assert!(rule.check(&Uri::from_static("http://evil.example/"), &headers).is_err());
        headers.append(header::HOST, "127.0.0.1".parse().unwrap());
        assert!(rule.check(&plain, &headers).is_err());
    }
}
