//! Members that offer releases which are not what they seem, to the node and to the tracker.

use super::{Act, Bad, control};
use karez_node::keys::Key;
use karez_protocol::content::hash::{ManifestId, NetworkId};
use karez_protocol::content::release::Release;
use karez_protocol::trust::Signed;
use karez_protocol::wire;
use karez_protocol::wire::control::{ControlResponse, SignedRelease};
use std::sync::Arc;

/// An answer that no node needs.
const HUGE: usize = 100 << 20;

/// A version after the newest, with its content.
fn next(bad: &Bad) -> Release {
    let newest = bad.hoard.newest(&bad.collection).signed.value().clone();
    Release { version: newest.version + 1, supersedes: Some(newest.manifest), ..newest }
}

fn offered(bad: &Bad, release: Release, network: &NetworkId, key: &Key) -> SignedRelease {
    let release = Signed::sign(release, network, key.signing()).bytes().to_vec();
    SignedRelease { release, root: bad.hoard.newest(&bad.collection).root.clone() }
}

/// Offers it to the tracker once, and to the node over and over.
fn offer(bad: Arc<Bad>, release: SignedRelease) -> Act {
    Box::pin(async move {
        let taken = bad.tracker.publish(&release).await;
        bad.note(taken.map_or_else(|refusal| refusal.to_string(), |()| "the tracker took it".into()));
        let answer = wire::encode(&ControlResponse::Release(release));
        control::offers(bad, answer).await
    })
}

/// The next version, signed by a key that publishes nothing, or in another namespace.
pub(super) fn own_key(bad: Arc<Bad>) -> Act {
    let release = offered(&bad, next(&bad), &bad.network, &bad.signing);
    offer(bad, release)
}

/// The next version, signed by the publisher's key for another network.
pub(super) fn other_network(bad: Arc<Bad>) -> Act {
    let other = NetworkId::from_bytes([9; 32]);
    let release = offered(&bad, next(&bad), &other, &bad.signing);
    offer(bad, release)
}

/// The oldest version, as it was signed.
pub(super) fn old_version(bad: Arc<Bad>) -> Act {
    let oldest = bad.hoard.oldest(&bad.collection);
    let release = SignedRelease { release: oldest.signed.bytes().to_vec(), root: oldest.root.clone() };
    offer(bad, release)
}

/// The newest version once more with other content, signed by the publisher's key.
pub(super) fn same_version(bad: Arc<Bad>) -> Act {
    let (newest, oldest) = (bad.hoard.newest(&bad.collection), bad.hoard.oldest(&bad.collection));
    let other = Release { version: newest.version, ..oldest.signed.value().clone() };
    let release = Signed::sign(other, &bad.network, bad.signing.signing()).bytes().to_vec();
    let release = SignedRelease { release, root: oldest.root.clone() };
    offer(bad, release)
}

/// The newest version with the oldest one's root page.
pub(super) fn other_root(bad: Arc<Bad>) -> Act {
    let other = Release { manifest: ManifestId::of(b"another"), ..next(&bad) };
    let release = offered(&bad, other, &bad.network, &bad.signing);
    offer(bad, release)
}

/// A version beyond the last that there may be.
pub(super) fn endless_version(bad: Arc<Bad>) -> Act {
    let release = offered(&bad, Release { version: u64::MAX, ..next(&bad) }, &bad.network, &bad.signing);
    offer(bad, release)
}

/// An answer of 100 MiB.
pub(super) fn huge(bad: Arc<Bad>) -> Act {
    Box::pin(control::offers(bad, vec![0; HUGE]))
}
