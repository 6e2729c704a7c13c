//! What docs/formats gives as an example is what the code makes.

use ed25519_dalek::SigningKey;
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::NetworkId;
use karez_protocol::trust::{Claimed, PairKey, PeerId, PublicKey};
use karez_protocol::wire;
use karez_protocol::wire::tracker::{Announce, AnnounceResponse};

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
    let network = NetworkId::of(&tracker);
    let body = data_encoding::HEXLOWER.encode(&Claimed::seal(&announce, &network, peer, &key));
    let page = include_str!("../../docs/formats/tracker-http.md");
    assert!(page.contains(&body), "{body}");

    let (releases, peers, relays) = (Vec::new(), Vec::new(), Vec::new());
    let response = AnnounceResponse { roster: None, catalogue: 3, releases, peers, interval: 60, relays };
    let answer = data_encoding::HEXLOWER.encode(&key.seal_answer(&network, 7, wire::encode(&response)));
    assert!(page.contains(&answer), "{answer}");
}
