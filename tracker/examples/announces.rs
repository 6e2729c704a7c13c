//! Load for a tracker, for `cargo x bench announces`: `announces prepare HOME MEMBERS` makes a network with so many members,
//! `announces drive ADDRESS KEY MEMBERS COUNT CONNECTIONS` sends announces of theirs, each connection one at a time, and
//! prints one JSON object.
//!
//! What must stay true: every announce has its member's MAC and is newer than the one before; all are made before the clock
//! starts; every answer is read whole and must be a yes.

use ed25519_dalek::SigningKey;
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::NetworkId;
use karez_protocol::trust::invite::Invite;
use karez_protocol::trust::roster::MemberRole;
use karez_protocol::trust::{Claimed, PairKey, PeerId, PublicKey, Signed};
use karez_protocol::wire::control::HeldVersion;
use karez_protocol::wire::tracker::{Announce, JoinRequest};
use karez_tracker::{InviteOrder, Tracker, UnixSeconds};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Collections that each member holds.
const HELD: u32 = 5;
/// One member in so many lacks a collection, and is told of peers.
const HUNGRY: u32 = 10;
/// The first part of the announces, one in so many, warms up and is not counted.
const WARM_UP: usize = 10;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["prepare", home, members] => prepare(Path::new(home), members.parse()?),
        ["drive", address, tracker, members, count, connections] => {
            let requests = requests(address, tracker.parse()?, members.parse()?, count.parse()?)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(drive(address.to_owned(), requests, connections.parse()?))
        }
        _ => Err("usage: announces prepare HOME MEMBERS | drive ADDRESS KEY MEMBERS COUNT CONNECTIONS".into()),
    }
}

fn key(member: u32) -> SigningKey {
    SigningKey::from_bytes(blake3::hash(&member.to_le_bytes()).as_bytes())
}

fn peer(key: &SigningKey) -> PeerId {
    PeerId::from_bytes(key.verifying_key().to_bytes())
}

fn prepare(home: &Path, members: u32) -> Result<(), Failure> {
    let now = UnixSeconds::of(SystemTime::now());
    karez_tracker::home::init(home, "Bench", now)?;
    let tracker = Tracker::open(home)?;
    for member in 0..members {
        let order = InviteOrder {
            name: format!("site {member}"),
            role: MemberRole::Site,
            publisher: None,
            domain: format!("cn/province-{}/county-{}", member % 10, member % 100),
            uplink_group: None,
            weight: 2,
            hours: 1,
            urls: vec!["http://127.0.0.1:1".into()],
        };
        let (invite, key) = (tracker.invite(&order, now)?, key(member));
        let proof = Invite::proof(&invite.secret, &PublicKey::from_bytes(key.verifying_key().to_bytes()), None);
        let header = JoinRequest::new_header();
        let request =
            JoinRequest { header, token: invite.token, peer: peer(&key), publisher_key: None, proof: proof.into() };
        tracker.join(Signed::sign(request, &tracker.network(), &key).bytes(), now)?;
    }
    println!("{{\"key\": \"{}\"}}", tracker.identity().public());
    Ok(())
}

/// Whole HTTP requests, ready to be written.
fn requests(address: &str, tracker: PublicKey, members: u32, count: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let network = NetworkId::of(&tracker);
    let pair = |key: &SigningKey| PairKey::agree(key, &tracker).ok_or("a weak key");
    let keys: Vec<SigningKey> = (0..members).map(key).collect();
    let pairs = keys.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    let request = |at: usize| {
        let member = (at % keys.len()) as u32;
        let key = &keys[member as usize];
        let collection = |number: u32| format!("bj4/course-{}", (member + number) % 50).parse();
        let held = (0..HELD).filter_map(|number| collection(number).ok());
        let announce = Announce {
            header: Announce::new_header(),
            peer: peer(key),
            sequence: start + (at / keys.len()) as u64,
            addresses: vec![format!("10.{}.{}.2:7400", member / 250, member % 250)],
            held: held.map(|collection| HeldVersion { collection, version: 3, complete: true }).collect(),
            wanted: collection(HELD).into_iter().filter(|_| member.is_multiple_of(HUNGRY)).collect(),
            roster: u64::MAX,
            catalogue: 0,
            relay: false,
        };
        let body = Claimed::seal(&announce, &network, announce.peer, &pairs[member as usize]);
        let head = format!(
            "POST /v1/announce HTTP/1.1\r\naccept: */*\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    };
    Ok((0..count).map(request).collect())
}

/// What the connections have done together.
#[derive(Default)]
struct Books {
    next: AtomicUsize,
    received: AtomicUsize,
}

async fn drive(address: String, requests: Vec<Vec<u8>>, connections: usize) -> Result<(), Failure> {
    let (requests, books) = (Arc::new(requests), Arc::new(Books::default()));
    let begun = Begun::default();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        tasks.spawn(send(stream, requests.clone(), books.clone(), begun.clone()));
    }
    let mut waits = Vec::new();
    while let Some(done) = tasks.join_next().await {
        waits.extend(done??);
    }
    let first = begun.get().ok_or("nothing was sent")?;
    let (elapsed, counted) = (first.elapsed(), waits.len());
    waits.sort_unstable();
    let at = |part: usize| waits.get(counted * part / 100).map_or(0.0, |wait: &Duration| wait.as_secs_f64() * 1e3);
    let sent: usize = requests.iter().map(Vec::len).sum();
    println!(
        "{{\"announces\": {counted}, \"seconds\": {:.3}, \"median_ms\": {:.2}, \"p99_ms\": {:.2}, \"request_bytes\": {}, \
         \"answer_bytes\": {}}}",
        elapsed.as_secs_f64(),
        at(50),
        at(99),
        sent / requests.len().max(1),
        books.received.load(Ordering::Relaxed) / requests.len().max(1),
    );
    Ok(())
}

/// When the counted part began.
type Begun = Arc<OnceLock<Instant>>;

async fn send(
    mut stream: TcpStream,
    requests: Arc<Vec<Vec<u8>>>,
    books: Arc<Books>,
    begun: Begun,
) -> Result<Vec<Duration>, Failure> {
    let (mut answer, mut waits) = (Vec::new(), Vec::new());
    loop {
        let at = books.next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(at) else { return Ok(waits) };
        if at >= requests.len() / WARM_UP {
            begun.get_or_init(Instant::now);
        }
        let asked = Instant::now();
        stream.write_all(request).await?;
        let bytes = read_answer(&mut stream, &mut answer).await?;
        books.received.fetch_add(bytes, Ordering::Relaxed);
        if begun.get().is_some_and(|first| *first <= asked) {
            waits.push(asked.elapsed());
        }
    }
}

/// Reads one answer; its bytes.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<usize, Failure> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err("the tracker closed the connection".into());
        }
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end])?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(head.to_owned().into());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if answer.len() >= end + 4 + length.parse::<usize>()? {
            return Ok(answer.len());
        }
    }
}
