//! The TCP transport, whose dials go through an HTTP proxy where there is one.

use super::socket_address;
use crate::proxy::Proxy;
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
