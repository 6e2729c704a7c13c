//! Who takes part in a test: a tracker in a folder of its own, nodes with fixed keys, and what they send.

use ed25519_dalek::SigningKey;
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::{ManifestId, NetworkId};
use karez_protocol::content::manifest::{Kind, ManifestRoot, Metadata};
use karez_protocol::content::release::Release;
use karez_protocol::trust::invite::Invite;
use karez_protocol::trust::{Claimed, PairKey, PeerId, PublicKey, Signed};
use karez_protocol::wire;
use karez_protocol::wire::control::{HeldVersion, SignedRelease};
use karez_protocol::wire::tracker::{Announce, AnnounceResponse, JoinRequest, JoinResponse};
use karez_tracker::{InviteOrder, RequestError, Tracker, UnixSeconds, home};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use tempfile::TempDir;

/// When tests happen unless they say otherwise.
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
/// Where requests come from.
pub(crate) const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

/// The time so many hours after [`NOW`].
pub(crate) fn after_hours(hours: i64) -> UnixSeconds {
    UnixSeconds(NOW.0 + hours * 3600)
}

/// A new tracker in a folder that lives as long as the first value.
pub(crate) fn tracker() -> (TempDir, Tracker) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    home::init(folder.path(), "甘肃试验网", NOW).expect("a new home");
    let tracker = Tracker::open(folder.path()).expect("the home opens");
    (folder, tracker)
}

/// An order with an address, for a site.
pub(crate) fn order(name: &str) -> InviteOrder {
    InviteOrder { urls: vec!["http://127.0.0.1:4040".to_owned()], ..InviteOrder::site(name) }
}

/// An order for a flagship that publishes as `namespace`.
pub(crate) fn flagship_order(name: &str, namespace: &str) -> InviteOrder {
    InviteOrder { publisher: Some(namespace.parse().expect("a publisher name")), ..order(name) }
}

/// A node with its keys.
#[derive(Clone)]
pub(crate) struct Node {
    key: SigningKey,
    publisher: Option<SigningKey>,
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_bytes(key.verifying_key().to_bytes())
}

impl Node {
    /// A node whose keys follow from a number.
    pub(crate) fn new(number: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[number; 32]), publisher: None }
    }

    /// A node with a publisher key too.
    pub(crate) fn publisher(number: u8, key: u8) -> Self {
        Self { publisher: Some(SigningKey::from_bytes(&[key; 32])), ..Self::new(number) }
    }

    pub(crate) fn peer(&self) -> PeerId {
        PeerId::from_bytes(self.key.verifying_key().to_bytes())
    }

    /// A join request for an invite, proved with `secret`.
    pub(crate) fn join_bytes(&self, invite: &Invite, secret: &[u8; 16]) -> Vec<u8> {
        let publisher_key = self.publisher.as_ref().map(public);
        let request = JoinRequest {
            header: JoinRequest::new_header(),
            token: invite.token,
            peer: self.peer(),
            publisher_key,
            proof: Invite::proof(secret, &self.peer().key(), publisher_key.as_ref()).into(),
        };
        Signed::sign(request, &NetworkId::of(&invite.tracker_key), &self.key).bytes().to_vec()
    }

    pub(crate) fn join(&self, tracker: &Tracker, invite: &Invite) -> Result<JoinResponse, RequestError> {
        tracker.join(&self.join_bytes(invite, &invite.secret), NOW)
    }

    /// Orders an invite and joins with it.
    pub(crate) fn enter(&self, tracker: &Tracker, order: &InviteOrder) {
        let invite = tracker.invite(order, NOW).expect("the order is good");
        self.join(tracker, &invite).expect("the invite is good");
    }

    /// An announce with one address that follows from the node's key.
    pub(crate) fn announce(&self, sequence: u64) -> Announce {
        Announce {
            header: Announce::new_header(),
            peer: self.peer(),
            sequence,
            addresses: vec!["0.0.0.0:7000".to_owned()],
            held: Vec::new(),
            wanted: Vec::new(),
            roster: 0,
            catalogue: 0,
            relay: false,
        }
    }

    /// An announce as it travels to `tracker`.
    pub(crate) fn seal(&self, announce: &Announce, tracker: &Tracker) -> Vec<u8> {
        self.seal_as(self.peer(), announce, &tracker.identity().public(), &tracker.network())
    }

    /// The same, as `peer` would send it in any network, under this node's key.
    pub(crate) fn seal_as(
        &self,
        peer: PeerId,
        announce: &Announce,
        tracker: &PublicKey,
        network: &NetworkId,
    ) -> Vec<u8> {
        Claimed::seal(announce, network, peer, &PairKey::agree(&self.key, tracker).expect("no weak key"))
    }

    /// What the tracker answered to the announce with this sequence.
    pub(crate) fn open(&self, tracker: &Tracker, sequence: u64, answer: &[u8]) -> AnnounceResponse {
        let key = PairKey::agree(&self.key, &tracker.identity().public()).expect("no weak key");
        let payload = key.open_answer(&tracker.network(), sequence, answer).expect("an answer to this announce");
        wire::decode(&payload).expect("an answer")
    }

    pub(crate) fn send(&self, tracker: &Tracker, announce: Announce) -> Result<AnnounceResponse, RequestError> {
        // As the server does it.
        let bytes = self.seal(&announce, tracker);
        let announce = tracker.hear_at_once(&bytes).unwrap_or_else(|| tracker.hear(&bytes))?;
        match tracker.answer_at_once(announce, SOURCE, NOW) {
            Ok(answer) => answer,
            Err(announce) => tracker.announce(*announce, SOURCE, NOW),
        }
    }

    /// Announces that it holds a version of a collection and wants it.
    pub(crate) fn hold(&self, tracker: &Tracker, name: &str, version: u64, complete: bool, sequence: u64) {
        let collection = collection(name);
        let held = vec![HeldVersion { collection: collection.clone(), version, complete }];
        let announce = Announce { held, wanted: vec![collection], ..self.announce(sequence) };
        self.send(tracker, announce).expect("members may announce");
    }

    /// A release of a course, signed with the publisher key.
    pub(crate) fn release(&self, tracker: &Tracker, name: &str, version: u64, title: &str) -> SignedRelease {
        self.release_with(tracker, name, version, &root(title))
    }

    pub(crate) fn release_with(&self, tracker: &Tracker, name: &str, version: u64, root: &[u8]) -> SignedRelease {
        let release = Release {
            header: Release::new_header(),
            collection: collection(name),
            version,
            manifest: ManifestId::of(root),
            root_len: root.len() as u32,
            plain_bytes: 1_000,
            stored_bytes: 900,
            new_bytes: 900,
            issued: 1_800_000_000,
            supersedes: None,
        };
        let key = self.publisher.as_ref().unwrap_or(&self.key);
        let release = Signed::sign(release, &tracker.network(), key).bytes().to_vec();
        SignedRelease { release, root: root.to_vec() }
    }

    pub(crate) fn publish(&self, tracker: &Tracker, name: &str, version: u64) -> Result<(), RequestError> {
        tracker.publish(&wire::encode(&self.release(tracker, name, version, "代数入门")))
    }
}

pub(crate) fn collection(name: &str) -> karez_protocol::content::name::CollectionName {
    name.parse().expect("a collection name")
}

/// An encoded root page.
pub(crate) fn root(title: &str) -> Vec<u8> {
    let metadata = Metadata {
        kind: Kind::Course,
        title: title.to_owned(),
        creators: vec!["北京四中".to_owned()],
        languages: vec!["zh".to_owned()],
        subject: None,
        grade: None,
        term: None,
        edition: None,
        licence: None,
        rights: None,
        sensitivity: None,
        ext: BTreeMap::new(),
        description: Some("Linear equations, step by step".to_owned()),
    };
    let header = ManifestRoot::new_header();
    let root =
        ManifestRoot { header, metadata, pages: Vec::new(), plain_bytes: 1_000, stored_bytes: 900, files: 3, items: 2 };
    root.to_bytes()
}
