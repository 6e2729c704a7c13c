//! `badpeer --list` prints the modes; `badpeer MODE ..` runs one against a node of one's own network until it is stopped.

use anyhow::{Context as _, bail};
use karez_node::home::Home;
use karez_node::keys::Key;
use karez_tests::badpeer::{self, Attack, BadPeer, Setting, Victim};
use std::path::Path;

const USAGE: &str = "usage: badpeer --list
       badpeer MODE HOME STORE COLLECTION IP:PORT PEER [PUBLISHER.KEY]

MODE        a name of the list
HOME        a home that has joined the network (`karez join`)
STORE       a copy of the store of a node that has the whole collection and does not run
COLLECTION  PUBLISHER/NAME
IP:PORT     where the node listens
PEER        its peer id
PUBLISHER.KEY  the publisher's key, for the modes that have stolen it";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["--list"] => {
            print!("{}", badpeer::list());
            Ok(())
        }
        [mode, home, store, collection, address, peer, ref key @ ..] if key.len() < 2 => {
            let mode = badpeer::by_name(mode).with_context(|| format!("no mode {mode}: see badpeer --list"))?;
            if let Attack::ShownBy(_) | Attack::NotYet(_) = mode.attack {
                bail!("{} is nothing that a member does to a node: see badpeer --list", mode.name);
            }
            let home = Home::at(home);
            let setting = Setting {
                hoard: badpeer::hoard(&home, Path::new(store)),
                home,
                collection: collection.parse()?,
                victim: Victim { address: address.parse()?, peer: peer.parse()? },
                stolen: key.first().map(|key| Key::load(Path::new(key))).transpose()?,
            };
            run(mode, setting).await;
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

/// Works until Ctrl-C, then says what was done and how it ended.
async fn run(mode: &badpeer::Mode, setting: Setting) {
    println!("{}: {}; must hold: {}", mode.name, mode.does, mode.pass);
    let mut bad = BadPeer::start(mode, setting).await;
    tokio::select! {
        () = bad.work() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    println!("{} deeds", bad.deeds());
    bad.ends().iter().for_each(|end| println!("ended: {end}"));
}
