//! The program itself: exit codes, `--json`, and commands beside a running server.

use karez_protocol::trust::invite::Invite;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::actors::Node;

fn program(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_karez-tracker"));
    command.arg("--home").arg(home).args(arguments).env("LANG", "C").env_remove("LC_ALL").env_remove("LC_MESSAGES");
    command
}

fn output(home: &Path, arguments: &[&str]) -> Output {
    program(home, arguments).output().expect("the program starts")
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    let output = output(home, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn failure(home: &Path, arguments: &[&str]) -> String {
    let output = output(home, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("UTF-8")
}

/// A server that is ended with the test.
struct Running(Child);

impl Running {
    fn start(home: &Path, arguments: &[&str]) -> (Self, Value) {
        let mut command = program(home, &["run", "--listen", "127.0.0.1:0", "--json"]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        (Self(child), serde_json::from_str(&line).expect("the ready event"))
    }

    /// Asks it to stop and waits for its exit code.
    fn terminate(mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success());
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_home_is_made_once_and_errors_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("new");
    assert!(failure(&home, &["run"]).contains("init"));
    let made = json(&home, &["init", "--name", "甘肃", "--json"]);
    assert_eq!(made["name"], "甘肃");
    let again = failure(&home, &["init"]);
    assert!(again.contains("already holds a tracker"), "{again}");
    assert_eq!(json(&home, &["status", "--json"])["network"], made["network"]);
    assert!(failure(&home, &["invite", "--name", "a"]).contains("--url"));
    assert!(failure(&home, &["revoke", "nobody"]).contains("nobody"));
    let chinese = failure(&home, &["--lang", "zh", "init"]);
    assert!(chinese.contains("已有一个追踪服务器"), "{chinese}");
    assert_eq!(output(&home, &["invite"]).status.code(), Some(2));
    assert_eq!(output(&home, &["invite", "--name", "a", "--publisher", "不行"]).status.code(), Some(2));
    let here = output(&home, &["members"]);
    assert!(here.status.success() && !here.stdout.is_empty());
}

#[test]
fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    json(folder.path(), &["init", "--json"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = failure(folder.path(), &["run", "--listen", &address]);
    assert!(message.contains(&address) && message.contains("--listen"), "{message}");
}

#[tokio::test]
async fn invites_and_revocations_work_beside_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    json(home, &["init", "--json"]);
    let (server, ready) = Running::start(home, &["--announce-seconds", "2"]);
    assert_eq!(ready["event"], "ready");
    let url = ready["url"].as_str().unwrap().to_owned();
    assert!(failure(home, &["run", "--listen", "127.0.0.1:0"]).contains("another karez-tracker"));

    let invite = json(home, &["invite", "--name", "旗舰", "--publisher", "bj4", "--json"]);
    let invite = Invite::from_text(invite["invite"].as_str().unwrap()).unwrap();
    assert_eq!(invite.trackers, std::slice::from_ref(&url));
    let (node, http) = (Node::publisher(1, 101), reqwest::Client::builder().no_proxy().build().unwrap());
    let request = node.join_bytes(&invite, &invite.secret);
    let joined = http.post(format!("{url}/v1/join")).body(request).send().await.unwrap();
    assert_eq!(joined.status(), 200);
    let members = json(home, &["members", "--json"]);
    let member = &members["members"][0];
    assert_eq!((&member["name"], &member["role"]), (&"旗舰".into(), &"flagship".into()));
    assert_eq!(member["publishers"][0], "bj4");

    let network = karez_protocol::content::hash::NetworkId::of(&invite.tracker_key);
    let announce = |sequence| {
        let sealed = node.seal_as(node.peer(), &node.announce(sequence), &invite.tracker_key, &network);
        http.post(format!("{url}/v1/announce")).body(sealed)
    };
    assert_eq!(announce(1).send().await.unwrap().status(), 200);
    json(home, &["revoke", "旗舰", "--json"]);
    assert_eq!(announce(2).send().await.unwrap().status(), 403);
    assert_eq!(server.terminate(), Some(0));

    let other = ["--public-url", "http://karez.example:4040/"];
    let (server, _) = Running::start(home, &other);
    let invite = json(home, &["invite", "--name", "site", "--json"]);
    let invite = Invite::from_text(invite["invite"].as_str().unwrap()).unwrap();
    assert_eq!(invite.trackers, ["http://karez.example:4040"]);
    assert_eq!(server.terminate(), Some(0));
    let urls = ["invite", "--name", "site2", "--url", "http://a:1", "--url", "http://b:2", "--json"];
    let invite = Invite::from_text(json(home, &urls)["invite"].as_str().unwrap()).unwrap();
    assert_eq!(invite.trackers, ["http://a:1", "http://b:2"]);
}
