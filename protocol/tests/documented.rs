//! What docs/formats gives as an example is what the code makes.

use ed25519_dalek::SigningKey;
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::NetworkId;
use karez_protocol::trust::{Claimed, PairKey, PeerId, PublicKey};
use karez_protocol::wire::tracker::Announce;

#[test]
fn an_announce_with_its_mac() {
    let [node, tracker] = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let tracker = PublicKey::from_bytes(tracker.verifying_key().to_bytes());
    let peer = PeerId::from_bytes(node.verifying_key().to_bytes());
    let announce = Announce {
        header: Announce::new_header(),
        peer,
        sequence: 7,
        addresses: vec!["192.0.2.1:7400".into()],
        held: Vec::new(),
        wanted: Vec::new(),
        roster: 1,
        catalogue: 0,
        relay: false,
    };
    let key = PairKey::agree(&node, &tracker).unwrap();
    let body = data_encoding::HEXLOWER.encode(&Claimed::seal(&announce, &NetworkId::of(&tracker), peer, &key));
    assert!(include_str!("../../docs/formats/tracker-http.md").contains(&body), "{body}");
}
