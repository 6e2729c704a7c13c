//! A two-way stream of bytes between two members, whoever made it: what the control plane can lend to the bulk lane.

use futures::{AsyncRead, AsyncWrite};
use karez_protocol::trust::PeerId;
use std::fmt;
use std::net::SocketAddr;

/// Anything that reads and writes.
trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// The stream, and where its other end is.
pub struct Pipe {
    stream: Box<dyn ByteStream>,
    /// Where the other end is; behind a relay, where the relay is.
    pub address: SocketAddr,
    /// Through whom it goes, when it is not direct.
    pub relay: Option<PeerId>,
}

/// The end one reads from.
pub type Reading = Box<dyn AsyncRead + Send + Unpin>;
/// The end one writes to.
pub type Writing = Box<dyn AsyncWrite + Send + Unpin>;

impl Pipe {
    /// A pipe over a stream.
    pub fn new(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        address: SocketAddr,
        relay: Option<PeerId>,
    ) -> Self {
        Self { stream: Box::new(stream), address, relay }
    }

    /// Its two ends.
    pub fn split(self) -> (Reading, Writing) {
        use futures::AsyncReadExt as _;
        let (reading, writing) = self.stream.split();
        (Box::new(reading), Box::new(writing))
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("address", &self.address).finish_non_exhaustive()
    }
}
