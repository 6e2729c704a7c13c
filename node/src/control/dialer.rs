//! The TCP transport, whose dials go through an HTTP proxy where there is one.

use super::socket_address;
use crate::proxy::{self, Proxy};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::tcp::tokio::{TcpStream, Transport as Tcp};
use libp2p::{Multiaddr, Transport, tcp};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The transport.
pub(super) struct Dialer {
    tcp: Tcp,
    proxy: Option<Proxy>,
}

impl Dialer {
    pub(super) fn new(proxy: Option<Proxy>) -> Self {
        Self { tcp: Tcp::new(tcp::Config::default().nodelay(true)), proxy }
    }

    fn note_own(&self, address: &Multiaddr, here: bool) {
        if let (Some(proxy), Some(address)) = (&self.proxy, socket_address(address)) {
            proxy.note_own(address.ip(), here);
        }
    }
}

impl Transport for Dialer {
    type Output = TcpStream;
    type Error = io::Error;
    type ListenerUpgrade = <Tcp as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<TcpStream>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.tcp.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.tcp.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let target = socket_address(&address).zip(self.proxy.clone());
        let Some((target, proxy)) = target.filter(|(target, proxy)| proxy.takes(target.ip())) else {
            return self.tcp.dial(address, options);
        };
        if !proxy::is_somewhere(target) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        let dial = async move { proxy.connect(target).await.map(TcpStream).map_err(io::Error::other) };
        Ok(dial.boxed())
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let event = Pin::new(&mut self.tcp).poll(cx);
        match &event {
            Poll::Ready(TransportEvent::NewAddress { listen_addr, .. }) => self.note_own(listen_addr, true),
            Poll::Ready(TransportEvent::AddressExpired { listen_addr, .. }) => self.note_own(listen_addr, false),
            _ => {}
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::core::Endpoint;
    use libp2p::core::transport::PortUse;

    #[test]
    fn a_proxy_is_not_asked_for_what_is_nobodys_address() {
        let mut dialer = Dialer::new(Some("http://192.0.2.1:3128".parse().unwrap()));
        for (address, is_dialled) in [
            ("/ip4/0.0.0.0/tcp/4041", false),
            ("/ip6/::/tcp/4041", false),
            ("/ip4/224.0.0.1/tcp/4041", false),
            ("/ip4/255.255.255.255/tcp/4041", false),
            ("/ip6/ff02::1/tcp/4041", false),
            ("/ip6/::ffff:224.0.0.1/tcp/4041", false),
            ("/ip4/203.0.113.9/tcp/0", false),
            ("/ip4/203.0.113.9/tcp/4041", true),
        ] {
            let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
            assert_eq!(dialer.dial(address.parse().unwrap(), options).is_ok(), is_dialled, "{address}");
        }
    }
}
