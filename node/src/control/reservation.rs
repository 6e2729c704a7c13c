//! A reservation: a stream to a relay that is held open, so that others may call through it.

use super::circuits::{PATIENCE, RELAY};
use super::codec::{read_short, write_short};
use super::{Event, Loop, to_libp2p};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use karez_protocol::trust::PeerId;
use karez_protocol::wire::relay::{RelayAnswer, RelayRequest};
use libp2p::Stream;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, interval_at, timeout};

/// Either side says so often that it is there: a byte, which also keeps a NAT's mapping. 200 KB a day.
const ALIVE_EVERY: Duration = Duration::from_secs(60);
/// Two of these may be late or lost.
const SILENCE_MAX: Duration = Duration::from_secs(150);

/// Holds a reservation until the other side ends it or is silent for too long.
pub(super) async fn hold(stream: Stream) -> io::Result<()> {
    let (mut reading, mut writing) = stream.split();
    let hear = async {
        let mut bytes = [0; 16];
        loop {
            match timeout(SILENCE_MAX, reading.read(&mut bytes)).await {
                Ok(Ok(0)) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(Ok(_)) => {}
                Ok(Err(cause)) => return Err(cause),
                Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
            }
        }
    };
    let say = async {
        let mut alive = interval_at(Instant::now() + ALIVE_EVERY, ALIVE_EVERY);
        loop {
            alive.tick().await;
            writing.write_all(&[0]).await?;
            writing.flush().await?;
        }
    };
    tokio::select! {
        ended = hear => ended,
        ended = say => ended,
    }
}

async fn ask(mut streams: libp2p_stream::Control, relay: &PeerId) -> Result<Stream, String> {
    let mut stream = streams.open_stream(to_libp2p(relay), RELAY).await.map_err(|cause| cause.to_string())?;
    let asked = async {
        write_short(&mut stream, &RelayRequest::Reserve).await?;
        read_short(&mut stream).await
    };
    match asked.await {
        Ok(RelayAnswer::Ready) => Ok(stream),
        Ok(refusal) => Err(format!("{refusal:?}")),
        Err(cause) => Err(cause.to_string()),
    }
}

impl Loop {
    /// Reserves at a connected relay, in the background.
    pub(super) fn reserve(&self, relay: PeerId) {
        let (streams, events) = (self.swarm.behaviour().streams.new_control(), self.events.clone());
        tokio::spawn(async move {
            let asked = timeout(PATIENCE, ask(streams, &relay)).await.unwrap_or_else(|_| Err("no answer".into()));
            let detail = match asked {
                Ok(stream) => {
                    let _ = events.send(Event::Reserved { relay }).await;
                    hold(stream).await.map_or_else(|cause| cause.to_string(), |()| "ended".into())
                }
                Err(detail) => detail,
            };
            let _ = events.send(Event::NotReserved { relay, detail }).await;
        });
    }
}
