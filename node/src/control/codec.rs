//! Control messages on a libp2p stream: one CBOR value each way, ended by closing, never longer than its cap.

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use karez_protocol::wire;
use karez_protocol::wire::control::{ControlRequest, ControlResponse, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use karez_protocol::wire::relay;
use libp2p::StreamProtocol;
use libp2p::request_response;
use std::io;

/// The codec.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ControlCodec;

async fn read<T, M>(stream: &mut T, limit: usize) -> io::Result<M>
where
    T: AsyncRead + Unpin + Send,
    M: for<'b> minicbor::Decode<'b, ()>,
{
    let mut bytes = Vec::new();
    stream.take(limit as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "control message too long"));
    }
    wire::decode(&bytes).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
}

async fn write<T, M>(stream: &mut T, message: &M) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
    M: minicbor::Encode<()> + Sync,
{
    stream.write_all(&wire::encode(message)).await?;
    stream.close().await
}

/// Reads one message behind its length, of those around a circuit.
pub(super) async fn read_short<M>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<M>
where
    M: for<'b> minicbor::Decode<'b, ()>,
{
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let length = usize::from(u16::from_le_bytes(length));
    if length > relay::MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message too long"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    wire::decode(&body).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))
}

/// Writes one message behind its length.
pub(super) async fn write_short<M>(stream: &mut (impl AsyncWrite + Unpin), message: &M) -> io::Result<()>
where
    M: minicbor::Encode<()>,
{
    let body = wire::encode(message);
    let length = (body.len() as u16).to_le_bytes();
    stream.write_all(&[length.as_slice(), &body].concat()).await?;
    stream.flush().await
}

impl request_response::Codec for ControlCodec {
    type Protocol = StreamProtocol;
    type Request = ControlRequest;
    type Response = ControlResponse;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<ControlRequest>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(stream, REQUEST_BYTES_MAX).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<ControlResponse>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(stream, RESPONSE_BYTES_MAX).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, stream: &mut T, request: ControlRequest) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(stream, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        response: ControlResponse,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(stream, &response).await
    }
}
