//! Several addresses of one peer, tried beside each other (RFC 8305): a family that is broken costs a quarter of a second.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

/// Head start of each address over the next one (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// Why an address led nowhere.
#[derive(Debug)]
pub(super) struct NoConnection {
    pub(super) detail: String,
    /// Nobody answered: UDP may be blocked.
    pub(super) is_silence: bool,
}

/// The first connection; when there is none, the last failure, which counts as silence if any was.
pub(super) async fn first<T, F>(
    addresses: Vec<SocketAddr>,
    mut connect: impl FnMut(SocketAddr) -> F,
) -> Result<T, NoConnection>
where
    T: Send + 'static,
    F: Future<Output = Result<T, NoConnection>> + Send + 'static,
{
    let (mut waiting, mut tries) = (alternating(addresses).into_iter(), JoinSet::new());
    let mut failure = NoConnection { detail: "no address known".into(), is_silence: false };
    loop {
        match waiting.next() {
            Some(address) => drop(tries.spawn(connect(address))),
            None if tries.is_empty() => return Err(failure),
            None => {}
        }
        // The next address has its turn at once when one fails.
        tokio::select! {
            Some(ended) = tries.join_next() => match ended {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(cause)) => failure = NoConnection { is_silence: cause.is_silence || failure.is_silence, ..cause },
                Err(cause) => tracing::error!(%cause, "a dial ended badly"),
            },
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => {}
        }
    }
}

/// The families in turn, IPv6 first; within a family as told.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let turns = v6.len().max(v4.len());
    (0..turns).flat_map(|turn| [v6.get(turn), v4.get(turn)]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let told = addresses(&["10.0.0.1:1", "10.0.0.2:1", "[fd00::1]:1"]);
        assert_eq!(alternating(told), addresses(&["[fd00::1]:1", "10.0.0.1:1", "10.0.0.2:1"]));
    }

    #[tokio::test]
    async fn a_silent_address_costs_its_head_start_only() {
        let start = tokio::time::Instant::now();
        let connect = |address: SocketAddr| async move {
            if address.is_ipv6() {
                std::future::pending::<()>().await;
            }
            Ok(address)
        };
        let reached = first(addresses(&["10.0.0.1:1", "[fd00::1]:1"]), connect).await.unwrap();
        assert!(reached.is_ipv4() && start.elapsed() >= HEAD_START);
    }

    #[tokio::test]
    async fn all_that_fail_say_whether_any_was_silent() {
        let connect = |address: SocketAddr| async move {
            Err::<(), _>(NoConnection { detail: address.to_string(), is_silence: address.is_ipv6() })
        };
        let failure = first(addresses(&["10.0.0.1:1", "[fd00::1]:1"]), connect).await.unwrap_err();
        assert_eq!((failure.detail.as_str(), failure.is_silence), ("10.0.0.1:1", true));
    }
}
