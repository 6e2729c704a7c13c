//! The same over HTTP on a loopback port: one whole path, and the refusals as they travel.

use crate::actors::{NOW, Node, collection, flagship_order, order, tracker};
use karez_protocol::trust::Signed;
use karez_protocol::trust::roster::Roster;
use karez_protocol::wire;
use karez_protocol::wire::tracker::{Announce, JoinResponse, REQUEST_BYTES_MAX, Refusal, RefusalReason};
use karez_tracker::{Tracker, serve};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    tracker: Arc<Tracker>,
    url: String,
    http: reqwest::Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
    folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        let (folder, tracker) = tracker();
        let tracker = Arc::new(tracker);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(Arc::clone(&tracker), listener, async { drop(stopped.await) }));
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { tracker, url, http, stop, task, folder }
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request = self.http.post(format!("{}{path}", self.url)).body(body);
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
    }

    async fn refusal(&self, path: &str, body: Vec<u8>) -> (u16, RefusalReason) {
        let (status, body) = self.post(path, body).await;
        let refusal: Refusal = wire::decode(&body).expect("a refusal");
        assert!(!refusal.detail.is_empty());
        (status, refusal.reason)
    }
}

#[tokio::test]
async fn from_the_invite_to_the_peers_and_over_a_restart() {
    let server = Server::start().await;
    let (flagship, site) = (Node::publisher(1, 101), Node::new(2));
    for (node, order) in [(&flagship, flagship_order("flagship", "bj4")), (&site, order("site"))] {
        let invite = server.tracker.invite(&order, now()).unwrap();
        let (status, body) = server.post("/v1/join", node.join_bytes(&invite, &invite.secret)).await;
        assert_eq!(status, 200);
        wire::decode::<JoinResponse>(&body).unwrap();
    }
    let upload = flagship.release(&server.tracker, "bj4/algebra-1", 1, "代数入门");
    for _ in 0..2 {
        assert_eq!(server.post("/v1/release", wire::encode(&upload)).await, (200, Vec::new()));
    }
    let network = server.tracker.network();
    let wanted = vec![collection("bj4/algebra-1")];
    server.post("/v1/announce", flagship.seal(&flagship.announce(1), &server.tracker)).await;
    let announce = Announce { wanted, ..site.announce(1) };
    let (status, body) = server.post("/v1/announce", site.seal(&announce, &server.tracker)).await;
    let response = site.open(&server.tracker, 1, &body);
    assert_eq!((status, response.releases[0].release.clone()), (200, upload));
    let peer = &response.peers[0].peers[0];
    assert_eq!((peer.peer, peer.addresses[0].as_str()), (flagship.peer(), "127.0.0.1:7000"));

    let (_, roster) = server.get("/v1/roster").await;
    let key = server.tracker.identity().public();
    assert_eq!(Signed::<Roster>::verify(&roster, &network, &key).unwrap().value().members.len(), 2);
    let (_, list) = server.get("/v1/catalogue.json?q=%E4%BB%A3%E6%95%B0").await;
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap();
    assert_eq!((&list[0]["title"], &list[0]["bytes"], &list[1]), (&"代数入门".into(), &1000.into(), &().into()));
    let (_, health) = server.get("/v1/health").await;
    let health: serde_json::Value = serde_json::from_slice(&health).unwrap();
    assert_eq!((&health["members"], &health["network"]), (&2.into(), &network.to_string().into()));

    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
    drop(server.tracker);
    let tracker = Tracker::open(server.folder.path()).unwrap();
    assert!(tracker.members().unwrap().iter().all(|(_, seen)| seen.is_some()), "announces were written at the end");
}

#[tokio::test]
async fn refusals_travel_as_refusals() {
    let server = Server::start().await;
    let node = Node::new(1);
    let stranger = node.seal(&node.announce(1), &server.tracker);
    let expired = server.tracker.invite(&order("site"), NOW).unwrap();
    let mut unknown = expired.clone();
    unknown.token = 1;
    let rows = [
        ("/v1/join", b"hello".to_vec(), 400, RefusalReason::Malformed),
        ("/v1/join", node.join_bytes(&unknown, &[0; 16]), 403, RefusalReason::Invite),
        ("/v1/join", vec![0; 5_000], 413, RefusalReason::Malformed),
        ("/v1/announce", stranger, 403, RefusalReason::NotMember),
        ("/v1/release", Vec::new(), 400, RefusalReason::Malformed),
        ("/v1/nothing", Vec::new(), 404, RefusalReason::Malformed),
        ("/v1/roster", Vec::new(), 405, RefusalReason::Malformed),
    ];
    for (path, body, status, reason) in rows {
        assert_eq!(server.refusal(path, body).await, (status, reason), "{path}");
    }
    let (status, body) = server.get("/v1/catalogue.json?q=a&q=b").await;
    assert_eq!((status, wire::decode::<Refusal>(&body).unwrap().reason), (400, RefusalReason::Malformed));
}

#[tokio::test]
async fn bodies_that_are_too_long_are_refused_before_they_come() {
    let server = Server::start().await;
    for (path, bytes) in [("announce", (1 << 20) + 257), ("release", REQUEST_BYTES_MAX + 1)] {
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
        let head = format!("POST /v1/{path} HTTP/1.1\r\nhost: karez\r\ncontent-length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 413", "{path}");
    }
}

fn now() -> karez_tracker::UnixSeconds {
    karez_tracker::UnixSeconds::of(std::time::SystemTime::now())
}
