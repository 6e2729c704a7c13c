//! A proxy that answers anything, and what is made of its answers.

use super::*;
use tokio::net::TcpListener;

/// What a proxy that answers with these bytes makes of a CONNECT, and what it was asked.
async fn answered(credentials: &str, answer: &[u8]) -> (Result<Vec<u8>, ProxyFault>, String, Proxy) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy: Proxy = format!("http://{credentials}{address}").parse().unwrap();
    let (answer, asked) = (answer.to_vec(), proxy.clone());
    let target = "192.0.2.7:4041".parse().unwrap();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_head(&mut stream).await.unwrap().unwrap();
        // A client that has heard enough may be gone.
        let _ = stream.write_all(&answer).await;
        String::from_utf8(request).unwrap()
    };
    let (connected, request) = tokio::join!(asked.connect(target), serving);
    let connected = match connected {
        Ok(mut stream) => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            Ok(rest)
        }
        Err(fault) => Err(fault),
    };
    (connected, request, proxy)
}

#[tokio::test]
async fn what_follows_the_head_is_the_members() {
    let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nhello";
    let (connected, request, proxy) = answered("", answer).await;
    assert_eq!((connected, proxy.fault()), (Ok(b"hello".to_vec()), None));
    assert_eq!(request, "CONNECT 192.0.2.7:4041 HTTP/1.1\r\nHost: 192.0.2.7:4041\r\n\r\n");
}

#[tokio::test]
async fn credentials_travel_decoded_and_are_not_shown() {
    let (_, request, proxy) = answered("li%20na:p%40ss@", b"HTTP/1.0 200 ok\r\n\r\n").await;
    assert!(request.contains("Proxy-Authorization: Basic bGkgbmE6cEBzcw==\r\n"), "{request}");
    assert!(!format!("{proxy} {proxy:?}").contains("ss"), "{proxy:?}");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (status, words) in [(407, "USER:PASSWORD@"), (403, "allow CONNECT"), (405, "443"), (502, "does not reach")] {
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 3\r\n\r\nno!");
        let (connected, _, proxy) = answered("", answer.as_bytes()).await;
        let fault = connected.unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}");
        assert_eq!(proxy.fault(), Some(fault));
    }
}

#[tokio::test]
async fn hostile_answers_are_bounded() {
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; HEAD_BYTES_MAX]].concat();
    for answer in
        [&endless[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 999 what\r\n\r\n", b"HTTP/1.1 20\r\n\r\n", b"\r\n\r\n"]
    {
        let fault = answered("", answer).await.0.unwrap_err();
        assert!(matches!(fault, ProxyFault::NotAProxy { .. }), "{fault}");
    }
    assert!(matches!(answered("", b"HTTP/1.1 200").await.0.unwrap_err(), ProxyFault::Unreachable { .. }));
}

#[tokio::test]
async fn a_silent_proxy_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy: Proxy = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let fault = proxy.connect_within(Duration::from_millis(50), "192.0.2.7:4041".parse().unwrap()).await.unwrap_err();
    assert!(fault.to_string().contains("no answer"), "{fault}");
}

fn members() -> [Target; 2] {
    ["192.0.2.7:4041", "192.0.2.8:22"].map(|address| Target::Member(address.parse().unwrap()))
}

#[test]
fn one_member_that_is_away_is_no_fault_of_a_proxy_that_works() {
    let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
    let (away, [member, _]) = (proxy.fault_of("192.0.2.7:4041", 502), members());
    proxy.note(member, away.as_ref());
    assert_eq!(proxy.fault(), away);
    proxy.note(member, None);
    proxy.note(member, away.as_ref());
    assert_eq!(proxy.fault(), None);
}

#[test]
fn what_is_forbidden_for_one_member_is_no_fault_of_a_proxy_that_leads_to_others() {
    let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
    let [shut, forbidden] = [407, 403].map(|status| proxy.fault_of("192.0.2.8:22", status));
    let [member, odd] = members();
    proxy.note(odd, forbidden.as_ref());
    assert_eq!(proxy.fault(), forbidden, "it may forbid all of them");
    proxy.note(member, None);
    proxy.note(odd, forbidden.as_ref());
    assert_eq!(proxy.fault(), None);
    proxy.note(odd, shut.as_ref());
    assert_eq!(proxy.fault(), shut, "the password is not of one member");
    proxy.note(member, None);
    proxy.note(member, forbidden.as_ref());
    assert_eq!(proxy.fault(), forbidden, "it led there before");
}

#[tokio::test]
async fn a_proxy_that_waits_for_one_member_is_no_fault_while_it_leads_to_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy: Proxy = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let ([member, _], limit) = (members(), Duration::from_millis(50));
    proxy.note(member, None);
    proxy.connect_within(limit, "192.0.2.8:22".parse().unwrap()).await.unwrap_err();
    assert_eq!(proxy.fault(), None);
    proxy.connect_within(limit, "192.0.2.7:4041".parse().unwrap()).await.unwrap_err();
    assert!(proxy.fault().is_some());
}

#[test]
fn a_tracker_in_the_neighbourhood_is_asked_directly() {
    let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
    proxy.note_own("10.1.2.3".parse().unwrap(), true);
    for (url, takes) in [
        ("http://10.1.2.77:4040", false),
        ("http://169.254.3.4:4040/v1/join", false),
        ("http://[fe80::1]:4040", false),
        ("http://127.0.0.1:4040", false),
        ("http://[::1]:4040", false),
        ("http://localhost:4040", false),
        ("http://240.0.0.1:4040", true),
        ("http://tracker.county:4040", true),
    ] {
        assert_eq!(proxy.takes_url(&url.parse().unwrap()), takes, "{url}");
    }
    assert_eq!(own_towards("127.0.0.9".parse().unwrap()), Some(Ipv4Addr::LOCALHOST.into()));
}

#[test]
fn the_tracker_may_be_reached_where_members_are_not() {
    let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
    let [shut, forbidden] = [407, 403].map(|status| proxy.fault_of("192.0.2.7:4041", status));
    let [member, other] = members();
    proxy.note(member, shut.as_ref());
    proxy.note(Target::Tracker, None);
    assert_eq!(proxy.fault(), None, "whoever is let out has the password");
    proxy.note(member, forbidden.as_ref());
    proxy.note(Target::Tracker, None);
    assert_eq!(proxy.fault(), forbidden);
    proxy.note(other, None);
    assert_eq!(proxy.fault(), None);
}

#[test]
fn this_machine_and_its_neighbours_need_no_proxy() {
    let proxy: Proxy = "http://proxy.school:3128".parse().unwrap();
    proxy.note_own("10.1.2.3".parse().unwrap(), true);
    proxy.note_own("fd00:0:0:1::5".parse().unwrap(), true);
    for (address, takes) in [
        ("127.0.0.1", false),
        ("::1", false),
        ("169.254.3.4", false),
        ("fe80::1", false),
        ("10.1.2.77", false),
        ("::ffff:10.1.2.77", false),
        ("10.1.3.3", true),
        ("fd00:0:0:1::9", false),
        ("fd00:0:0:2::9", true),
        ("203.0.113.9", true),
    ] {
        assert_eq!(proxy.takes(address.parse().unwrap()), takes, "{address}");
    }
    proxy.note_own("10.1.2.3".parse().unwrap(), false);
    assert!(proxy.takes("10.1.2.77".parse().unwrap()));
}

#[test]
fn what_is_no_proxy_is_refused() {
    for text in [
        "",
        "proxy:3128",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://",
        "http://p:1/path",
        "http://a%0d%0ab@p:1",
    ] {
        assert!(text.parse::<Proxy>().is_err(), "{text}");
    }
    assert_eq!("http://[fd00::1]:3128/".parse::<Proxy>().unwrap().to_string(), "[fd00::1]:3128");
    assert_eq!("http://proxy.school".parse::<Proxy>().unwrap().to_string(), "proxy.school:80");
}
