//! `httpproxy LISTEN [--credentials USER:PASSWORD] [--connect-to PORT]`: a small HTTP proxy, for tests of nodes behind one. It
//! prints a line of JSON when it listens.

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Whom it lets out, and whereto.
#[derive(Debug, Clone, Default)]
struct Rules {
    credentials: Option<String>,
    connect_to: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let listener = TcpListener::bind(args.next().context("usage: httpproxy LISTEN ..")?).await?;
    let mut rules = Rules::default();
    while let Some(flag) = args.next() {
        match flag.as_str() {
            "--credentials" => rules.credentials = args.next(),
            "--connect-to" => rules.connect_to = args.next(),
            other => bail!("what is {other}?"),
        }
    }
    println!("{{\"listen\": \"{}\"}}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        let rules = rules.clone();
        tokio::spawn(async move {
            // Either side may go at any time.
            let _ = serve(client, rules).await;
        });
    }
}

async fn serve(mut client: TcpStream, rules: Rules) -> anyhow::Result<()> {
    let head = read_head(&mut client).await?;
    let line = head.lines().next().unwrap_or_default();
    let (method, target) = line.split(' ').next().zip(line.split(' ').nth(1)).context("no request")?;
    let wanted = rules.credentials.map(|known| format!("basic {}", BASE64.encode(known.as_bytes())));
    let given = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.replacen("Basic", "basic", 1))
    });
    if wanted.is_some() && wanted != given {
        return refuse(client, "407 Proxy Authentication Required").await;
    }
    let is_tunnel = method == "CONNECT";
    let host = match target.strip_prefix("http://") {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => target,
    };
    if is_tunnel && rules.connect_to.is_some_and(|port| !host.ends_with(&format!(":{port}"))) {
        return refuse(client, "403 Forbidden").await;
    }
    let Ok(mut server) = TcpStream::connect(host).await else { return refuse(client, "502 Bad Gateway").await };
    match is_tunnel {
        true => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        // Servers take the absolute form as well (RFC 9112, 3.2.2).
        false => server.write_all(head.as_bytes()).await?,
    }
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn read_head(client: &mut TcpStream) -> anyhow::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}

async fn refuse(mut client: TcpStream, status: &str) -> anyhow::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>");
    client.write_all(answer.as_bytes()).await?;
    Ok(client.shutdown().await?)
}
