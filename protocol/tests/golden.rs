//! Golden vectors of the formats in `docs/formats/`: a change here is a change of the protocol.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use karez_protocol::content::chunk::{ChunkEntry, ChunkIndex, Codec, StoredCheck};
use karez_protocol::content::chunk_set::ChunkSet;
use karez_protocol::content::cut_profile::gear_table;
use karez_protocol::content::hash::{ChunkId, ManifestId, NetworkId, ReleaseId};
use karez_protocol::content::layout::Layout;
use karez_protocol::content::manifest::{FilePart, Item, Kind, ManifestRoot, Metadata, Page, PageRef, Role, Run};
use karez_protocol::content::recipe::{Extent, Recipe, RowSlice, Stream, encode_extents};
use karez_protocol::content::release::Release;
use karez_protocol::content::{Document, DocumentError};
use karez_protocol::trust::invite::Invite;
use karez_protocol::trust::roster::{Member, MemberRole, Publisher, Roster};
use karez_protocol::trust::{PeerId, PublicKey, SignatureError, Signed};
use karez_protocol::wire::frame::FrameHeader;
use karez_protocol::wire::peer::{Hello, PeerMessage, Urgency};
use karez_protocol::wire::stamp;
use karez_protocol::wire::{PROTOCOL, encode};
use std::collections::BTreeMap;

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn check(name: &str, bytes: &[u8]) {
    let golden = include_str!("golden.txt");
    let expected = golden.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    assert_eq!(expected, Some(hex(bytes).as_str()), "golden vector of {name}");
}

fn entry(plain: &[u8]) -> ChunkEntry {
    let len = plain.len() as u32;
    let check = StoredCheck::of(plain);
    ChunkEntry { id: ChunkId::of(plain), codec: Codec::Raw, plain_len: len, stored_len: len, check }
}

fn metadata() -> Metadata {
    Metadata {
        kind: Kind::Course,
        title: "水".into(),
        creators: vec!["第四中学".into()],
        languages: vec!["zh".into(), "en".into()],
        subject: None,
        grade: Some("7".into()),
        term: None,
        edition: None,
        licence: Some("CC-BY-4.0".into()),
        rights: None,
        sensitivity: None,
        ext: BTreeMap::new(),
        description: None,
    }
}

fn page() -> Page {
    let file = FilePart {
        path: "第一课/a.txt".parse().unwrap(),
        role: Role::Main,
        media_type: "text/plain".into(),
        size: 10,
        offset: 0,
        executable: false,
        cut_profile: 2,
        runs: vec![Run { first: 0, count: 2 }],
        language: None,
        recipe: None,
    };
    let item = Item { key: "第一课".into(), title: "第一课".into(), files: vec![file], ext: BTreeMap::new() };
    let chunks = vec![entry(b"hello"), entry(b"karez")];
    Page::new(vec![item], chunks, vec!["空".parse().unwrap()], Vec::new())
}

/// The same ten bytes as two streams that take turns: `kar`, `hel`, `ez`, `lo`.
fn page_with_recipe() -> Page {
    let mut page = page();
    page.items[0].files[0].runs = vec![];
    page.items[0].files[0].recipe = Some(0);
    let stream = |row| Stream { skip: 0, runs: vec![Run { first: row, count: 1 }] };
    let extents = [(1, 3), (0, 3), (1, 2), (0, 2)].map(|(stream, len)| Extent { stream, len });
    let recipe = Recipe { streams: vec![stream(0), stream(1)], extents: encode_extents(extents) };
    Page::new(page.items, page.chunks, page.empty_folders, vec![recipe])
}

fn root() -> ManifestRoot {
    let bytes = page().to_bytes();
    let page = PageRef { entry: entry(&bytes), chunks: 2, items: 1, plain_bytes: 10 };
    ManifestRoot {
        header: ManifestRoot::new_header(),
        metadata: metadata(),
        plain_bytes: 10,
        stored_bytes: 10 + bytes.len() as u64,
        files: 1,
        items: 1,
        pages: vec![page],
    }
}

fn release() -> Release {
    let root = root().to_bytes();
    Release {
        header: Release::new_header(),
        collection: "bj4/algebra-1".parse().unwrap(),
        version: 3,
        manifest: ManifestId::of(&root),
        root_len: root.len() as u32,
        plain_bytes: 10,
        stored_bytes: 200,
        new_bytes: 20,
        issued: 1_790_000_000,
        supersedes: Some(ManifestId::from_bytes([9; 32])),
    }
}

fn key(n: u8) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[n; 32])
}

fn public(n: u8) -> PublicKey {
    PublicKey::from_bytes(key(n).verifying_key().to_bytes())
}

#[test]
fn the_gear_table_is_frozen() {
    let table: Vec<u8> = gear_table().iter().flat_map(|value| value.to_le_bytes()).collect();
    check("gear-table-blake3", blake3::hash(&table).as_bytes());
    check("gear-0-1", &table[..16]);
}

#[test]
fn documents_encode_as_documented() {
    check("page", &page().to_bytes());
    check("page-with-recipe", &page_with_recipe().to_bytes());
    check("root", &root().to_bytes());
    check("release", &release().to_bytes());
    check("release-id", release().id().as_bytes());
    let network = NetworkId::of(&public(1));
    check("network-id", network.as_bytes());
    check("signed-release", Signed::sign(release(), &network, &key(2)).bytes());
    let member = Member {
        peer: PeerId::from_bytes(*public(3).as_bytes()),
        name: "一小".into(),
        role: MemberRole::Site,
        domain: "gansu/minqin".into(),
        uplink_group: Some("g1".into()),
        weight: 2,
    };
    let publisher = Publisher { name: "bj4".parse().unwrap(), key: public(2), peer: member.peer };
    let roster = Roster {
        header: Roster::new_header(),
        version: 5,
        network_name: "甘肃".into(),
        members: vec![member],
        publishers: vec![publisher],
    };
    check("roster", &roster.to_bytes());
    let trackers = vec!["http://203.0.113.10:4040".into()];
    let invite = Invite { header: Invite::new_header(), trackers, tracker_key: public(1), token: 7, secret: [5; 16] };
    check("invite-text", invite.to_text().as_bytes());
    check("join-proof", &Invite::proof(&[5; 16], &public(3), Some(&public(2))));
}

#[test]
fn messages_encode_as_documented() {
    let release = ReleaseId::from_bytes([8; 32]);
    let run = Run { first: 3, count: 4 };
    let network = NetworkId::from_bytes([1; 32]);
    let (agent, session) = ("karez/0.1.0".into(), 0x1234);
    let hello = Hello { versions: PROTOCOL, network, roster: 5, agent, session, seen_at: None, throttled: None };
    check("hello", &encode(&PeerMessage::Hello(hello)));
    let collection = "bj4/algebra-1".parse().unwrap();
    check("interest", &encode(&PeerMessage::Interest { collection, release, wants: true }));
    check("have", &encode(&PeerMessage::Have { release, set: ChunkSet::full(9) }));
    let delta = PeerMessage::HaveDelta { release, gained: vec![run], coming: vec![Run { first: 9, count: 1 }] };
    check("have-delta", &encode(&delta));
    let request = PeerMessage::Request { release, urgency: Urgency::Import, chunks: vec![run] };
    check("request", &encode(&request));
    let header = FrameHeader { release, chunk: ChunkIndex(77), stored_len: 65_536, codec: Codec::Zstd };
    check("frame-header", &header.to_bytes());
    check("stamp", &stamp::to_bytes(0x0102_0304));
}

#[test]
fn decoding_gives_the_same_document_back() {
    assert_eq!(Page::from_bytes(&page().to_bytes()), Ok(page()));
    assert_eq!(ManifestRoot::from_bytes(&root().to_bytes()), Ok(root()));
    assert_eq!(Release::from_bytes(&release().to_bytes()), Ok(release()));
}

/// A release as a later version might write it: format 9, an unknown field 40, and what it calls critical.
fn later_release(critical: &[u16]) -> Vec<u8> {
    let bytes = release().to_bytes();
    assert_eq!(bytes[0], 0xaa, "a map of ten");
    let mut header = minicbor::Encoder::new(Vec::new());
    header.map(3).unwrap().u8(0).unwrap().u16(9).unwrap().u8(1).unwrap().u8(1).unwrap().u8(2).unwrap();
    header.encode(critical).unwrap();
    let old_header = minicbor::to_vec(Release::new_header()).unwrap();
    let mut later = vec![0xab, 0x00];
    later.extend(header.into_writer());
    later.extend(&bytes[2 + old_header.len()..]);
    later.extend([0x18, 40, 0x63, b'n', b'e', b'w']);
    later
}

#[test]
fn unknown_fields_are_skipped_unless_they_are_critical() {
    let later = Release::from_bytes(&later_release(&[])).unwrap();
    assert_eq!(later.version, release().version);
    let refused = Release::from_bytes(&later_release(&[40]));
    assert_eq!(refused, Err(DocumentError::UnknownCritical { document: "release", field: 40 }));
}

#[test]
fn signatures_hold_for_one_type_network_and_key_only() {
    let (network, other) = (NetworkId::of(&public(1)), NetworkId::of(&public(9)));
    let signed = Signed::sign(release(), &network, &key(2));
    let verify = |bytes: &[u8], network, key| Signed::<Release>::verify(bytes, network, &key).map(|_| ());
    assert_eq!(verify(signed.bytes(), &network, public(2)), Ok(()));
    assert_eq!(verify(signed.bytes(), &other, public(2)), Err(SignatureError::False));
    let wrong = SignatureError::WrongSigner { found: public(2), expected: public(3) };
    assert_eq!(verify(signed.bytes(), &network, public(3)), Err(wrong));
    assert!(Signed::<Roster>::verify(signed.bytes(), &network, &public(2)).is_err());
    for at in 0..signed.bytes().len() {
        let mut flipped = signed.bytes().to_vec();
        flipped[at] ^= 1;
        assert!(verify(&flipped, &network, public(2)).is_err(), "bit flip at {at}");
    }
}

#[test]
fn a_layout_maps_ranges_and_refuses_other_pages() {
    let mut layout = Layout::new(root());
    assert_eq!(layout.count(), 3);
    assert!(layout.add_page(0, b"something else").is_err());
    assert_eq!(layout.add_page(0, &page().to_bytes()), Ok(true));
    let file = layout.file("第一课/a.txt").unwrap();
    let slices = layout.slices(&file, 3..7);
    let parts: Vec<_> = slices.iter().map(|slice| (slice.chunk.0, slice.start, slice.len)).collect();
    assert_eq!(parts, [(1, 3, 2), (2, 0, 2)]);
    assert_eq!(layout.index_of(&ChunkId::of(b"karez")), Some(ChunkIndex(2)));
}

#[test]
fn a_recipe_puts_streams_together() {
    let page = Page::from_bytes(&page_with_recipe().to_bytes()).unwrap();
    assert_eq!(page.header.critical, [4]);
    let slice = |row, start, len| RowSlice { row, start, len };
    let slices = page.part_slices(&page.items[0].files[0], 2..9);
    assert_eq!(slices, [slice(1, 2, 1), slice(0, 0, 3), slice(1, 3, 2), slice(0, 3, 1)]);
}
