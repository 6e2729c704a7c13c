//! The list: one mode a line, with what must come of it.

use super::{Act, Bad, Lane};
use super::{bytes, control, crowds, excess, forged, frames, have_maps, importers, slow};
use std::sync::Arc;

/// How a mode begins.
#[derive(Debug, Clone, Copy)]
pub enum Attack {
    /// It is announced as a holder of everything, and does this to whoever connects.
    Serves(fn(Lane) -> Act),
    /// It dials the node, again and again, and does this.
    Dials(fn(Lane) -> Act),
    /// It does as it likes.
    Alone(fn(Arc<Bad>) -> Act),
    /// No member is needed for it: this test shows it.
    ShownBy(&'static str),
    /// There is nothing yet that it could be tried on.
    NotYet(&'static str),
}

/// What the node must do about it, beside going on with its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Hang up because of false bytes, and stay away for an hour.
    Banned,
    /// Hang up, and say this.
    Closed(&'static str),
    /// Take nothing of it; whether it stays connected does not matter.
    Ignored,
    /// Keep the version that it has.
    NotTaken,
    /// Stay within its memory.
    Bounded,
}

/// A mode.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// What it is called.
    pub name: &'static str,
    /// What it does.
    pub does: &'static str,
    /// What must come of it.
    pub pass: &'static str,
    /// How it begins.
    pub attack: Attack,
    /// What the node must do.
    pub ending: Ending,
}

const BANNED: &str = "no false byte is stored, the peer is shut out for an hour, the rest comes from others";
const CLOSED: &str = "the connection is closed for breaking the protocol, the transfer goes on with others";
const WAITS: &str = "trusted less each time: what it was asked for is asked of others, the transfer ends";
const KEPT: &str = "node and tracker refuse it, the version that is there stays, the publisher's next one comes";
const BOUNDED: &str = "memory grows by 256 MiB at most, the transfer ends, status answers";
const VIOLATION: Ending = Ending::Closed("protocol violation");

const fn mode(name: &'static str, does: &'static str, pass: &'static str, attack: Attack, ending: Ending) -> Mode {
    Mode { name, does, pass, attack, ending }
}

use Attack::{Alone, Dials, NotYet, Serves, ShownBy};
use Ending::{Banned, Bounded, Ignored, NotTaken};

/// All modes.
#[rustfmt::skip]
pub const MODES: &[Mode] = &[
    mode("first-bit", "flips the first bit of each chunk", BANNED, Serves(|lane| Box::pin(bytes::first_bit(lane))), Banned),
    mode("middle-bit", "flips a bit in the middle", BANNED, Serves(|lane| Box::pin(bytes::middle_bit(lane))), Banned),
    mode("last-bit", "flips the last bit", BANNED, Serves(|lane| Box::pin(bytes::last_bit(lane))), Banned),
    mode("other-chunk", "sends another chunk's bytes", BANNED, Serves(|lane| Box::pin(bytes::other_chunk(lane))), Banned),
    mode("zeros", "sends zeros", BANNED, Serves(|lane| Box::pin(bytes::zeros(lane))), Banned),
    mode("cut-short", "sends the first half of each chunk as the whole", BANNED, Serves(|lane| Box::pin(bytes::cut_short(lane))), Banned),
    mode("other-codec", "names another encoding than the bytes have", BANNED, Serves(|lane| Box::pin(bytes::other_codec(lane))), Banned),
    mode("zstd-bomb", "sends 16 KiB that decode to 512 MiB", BANNED, Serves(|lane| Box::pin(bytes::zstd_bomb(lane))), Banned),

    mode("all-ones", "claims everything and refuses each chunk", WAITS, Serves(|lane| Box::pin(have_maps::all_ones(lane))), Ignored),
    mode("claims-again", "refuses each chunk and claims it again at once", WAITS, Serves(|lane| Box::pin(have_maps::claims_again(lane))), Ignored),
    mode("flapping", "has everything and nothing by turns, 50 times a second", WAITS, Serves(|lane| Box::pin(have_maps::flapping(lane))), Ignored),
    mode("endless-map", "claims 2^32 chunks in a have-map", WAITS, Serves(|lane| Box::pin(have_maps::endless_map(lane))), Ignored),
    mode("endless-delta", "says that it gained 2^32 chunks", CLOSED, Serves(|lane| Box::pin(have_maps::endless_delta(lane))), VIOLATION),

    mode("withholds", "claims everything and answers no request", WAITS, Serves(|lane| Box::pin(importers::withholds(lane))), Ignored),
    mode("half", "delivers every second chunk of its share", WAITS, Serves(|lane| Box::pin(importers::half(lane))), Ignored),
    mode("promises", "says that every chunk is coming and never has one", WAITS, Serves(|lane| Box::pin(importers::promises(lane))), Ignored),
    mode("idle-importer", "has the largest weight in the roster and imports nothing", WAITS, Serves(|lane| Box::pin(importers::idles(lane))), Ignored),

    mode("trickle", "sends what it is asked for at 1 B/s", WAITS, Serves(|lane| Box::pin(slow::trickle(lane))), Ignored),
    mode("stall", "sends 99 % of a chunk and no more", WAITS, Serves(|lane| Box::pin(slow::stalls(lane))), Ignored),
    mode("never-greets", "connects and says nothing, 16 at a time", BOUNDED, Alone(slow::never_greets), Bounded),
    mode("never-reads", "asks for everything again and again and reads nothing", CLOSED, Dials(|lane| Box::pin(excess::never_reads(lane))), VIOLATION),

    mode("endless-request", "asks for 2^32 chunks at once", CLOSED, Dials(|lane| Box::pin(excess::endless_request(lane))), VIOLATION),
    mode("free-rider", "takes all it can get, as urgent, and gives nothing", BOUNDED, Dials(|lane| Box::pin(excess::free_rider(lane))), Bounded),
    mode("flood", "sends 20,000 messages in a row that each want an answer, and reads none", BOUNDED, Dials(|lane| Box::pin(excess::flood(lane))), Bounded),
    mode("unasked", "pushes 200 chunks that nobody asked for", CLOSED, Dials(|lane| Box::pin(excess::unasked(lane))), VIOLATION),
    mode("replayed-hello", "greets again with the greeting that it heard", CLOSED, Dials(|lane| Box::pin(excess::greets_again(lane))), VIOLATION),

    mode("wrong-key", "offers a release that a member signed who publishes nothing", KEPT, Alone(forged::own_key), NotTaken),
    mode("other-namespace", "offers a release signed by another namespace's publisher", KEPT, Alone(forged::own_key), NotTaken),
    mode("release-of-other-network", "offers a release that the publisher signed for another network", KEPT, Alone(forged::other_network), NotTaken),
    mode("old-version", "offers an older release as news", KEPT, Alone(forged::old_version), NotTaken),
    mode("same-version", "has the publisher's key and offers the same version with other content", KEPT, Alone(forged::same_version), NotTaken),
    mode("other-root", "has the publisher's key and offers a root page that the release does not name", KEPT, Alone(forged::other_root), NotTaken),
    mode("endless-version", "has the publisher's key and offers version 2^64 - 1", KEPT, Alone(forged::endless_version), NotTaken),
    mode("huge-release", "answers each of 16 questions at a time with 100 MiB where a release is due", KEPT, Alone(forged::huge), NotTaken),

    mode("other-network", "greets as a member of another network", "the connection is closed with code 2", Alone(frames::other_network), Ending::Closed("another network")),
    mode("other-version", "greets in a version that is not spoken here", "the connection is closed with code 3", Alone(frames::other_version), Ending::Closed("no common protocol version")),
    mode("long-hello", "greets with 1 MiB", CLOSED, Alone(frames::long_hello), VIOLATION),
    mode("long-message", "announces a message of 4 GiB", CLOSED, Dials(|lane| Box::pin(frames::long_message(lane))), VIOLATION),
    mode("cut-message", "ends in the middle of a message", CLOSED, Dials(|lane| Box::pin(frames::cut_message(lane))), VIOLATION),
    mode("garbage-message", "sends noise as a message", CLOSED, Dials(|lane| Box::pin(frames::garbage_message(lane))), VIOLATION),
    mode("long-frame", "announces a chunk of 4 GiB", CLOSED, Dials(|lane| Box::pin(frames::long_frame(lane))), VIOLATION),
    mode("cut-frame", "ends in the middle of a chunk", CLOSED, Dials(|lane| Box::pin(frames::cut_frame(lane))), VIOLATION),
    mode("garbage-frame", "sends noise as chunks", CLOSED, Dials(|lane| Box::pin(frames::garbage_frame(lane))), VIOLATION),
    mode("long-request", "asks with 1 MiB on the control plane", BOUNDED, Alone(control::long_request), Bounded),
    mode("garbage-request", "asks with noise on the control plane", BOUNDED, Alone(control::garbage_request), Bounded),

    mode("crowd-idle", "1,000 connections on both planes that say nothing", BOUNDED, Alone(crowds::idle), Bounded),
    mode("crowd-strangers", "1,000 handshakes at a time with a key that no roster lists", BOUNDED, Alone(crowds::strangers), Bounded),
    mode("crowd-half-open", "1,000 handshakes that are begun and never go on", BOUNDED, Alone(crowds::half_opened), Bounded),
    mode("crowd-garbage", "5,000 datagrams of noise a second and 500 connections that send noise", BOUNDED, Alone(crowds::garbage), Bounded),

    mode("relay-greedy", "opens circuits or reservations at a relay without end", "refused beyond the quota of a member, and of all", ShownBy("node/src/control/relay.rs circuits_are_counted_all_together_and_by_member"), Ignored),
    mode("hostile-names", "publishes 300 names that climb out, are reserved or look alike", "each gets a place inside the folder", ShownBy("content-tools/src/export/names/tests.rs every_name_of_the_corpus"), Ignored),
    mode("hostile-bundles", "hands over bundles with links, forged records and foreign chunks", "nothing comes in that no accepted release names; bundles have no paths", ShownBy("content-tools/src/bundle/tests.rs nothing_comes_in_that_no_accepted_release_names, what_is_no_bundle_is_refused"), Ignored),
    mode("hostile-texts", "puts markup into names that pages show", "it is shown and not run", ShownBy("node/src/gateway/tests.rs pages_show_names_and_run_nothing"), Ignored),
    mode("hostile-proxy", "is the HTTP proxy of a node and answers without end, with noise or not at all", "bounded in bytes and time, and shown", ShownBy("node/src/proxy/tests.rs hostile_answers_are_bounded, a_silent_proxy_is_given_up"), Ignored),
    mode("lan-flood", "announces a million addresses on the LAN, half of them a member's", "deaf to the LAN for a while: memory and dials stay few", ShownBy("tests/tests/networks/lan.rs a_flood_of_announcements_costs_little_memory_and_few_dials"), Ignored),
    mode("rebinding", "reaches the gateway under another host's name", "refused", ShownBy("node/src/gateway/tests.rs what_is_refused"), Ignored),
    mode("signed-bomb", "has the publisher's key and signs a chunk that decodes to more than its length", "decoding stops at the signed length", ShownBy("content-tools/src/verify.rs lies"), Ignored),
    mode("replayed-token", "joins twice with one invite, or with one that is over", "refused", ShownBy("tracker/tests/tracker/join.rs expired_reused_replaced_unknown_and_foreign_invites_are_refused"), Ignored),
    mode("replayed-announce", "announces at the tracker what was announced before", "refused", ShownBy("tracker/tests/tracker/announce.rs strangers_replays_and_false_macs_are_refused"), Ignored),
    mode("other-announce", "announces at the tracker in another member's name", "refused", ShownBy("tracker/tests/tracker/announce.rs a_member_announces_for_nobody_else"), Ignored),
    mode("key-hoard", "has the tracker compute and keep keys without end", "only members' keys are kept, as many as there is room for", ShownBy("tracker/tests/tracker/announce.rs keys_are_kept_for_members_only_and_are_the_same_after_a_restart, a_false_mac_has_a_members_key_computed_once"), Ignored),
    mode("strangers", "connect on both planes with keys that no roster lists", "closed before a stream is read", ShownBy("tests/tests/cluster/hostile.rs strangers_are_refused_on_both_planes"), Ignored),
    mode("replayed-receipt", "shows a receipt twice", "refused", NotYet("receipts"), Ignored),
    mode("one-key-twice", "signs twice with one key where several are due", "refused", NotYet("thresholds"), Ignored),
    mode("expired", "offers a release whose time is over", "refused", NotYet("releases that expire; a date decides nothing"), Ignored),
    mode("forged-form", "makes a browser post to the portal (CSRF)", "refused", NotYet("a portal that changes anything"), Ignored),
];

/// The mode of this name.
pub fn by_name(name: &str) -> Option<&'static Mode> {
    MODES.iter().find(|mode| mode.name == name)
}

/// All modes, one a line.
pub fn list() -> String {
    let line = |mode: &Mode| {
        let Mode { name, does, pass, attack, .. } = mode;
        let shown = match attack {
            Attack::ShownBy(test) => format!(" [shown by {test}]"),
            Attack::NotYet(what) => format!(" [not yet: there are no {what}]"),
            Attack::Serves(_) | Attack::Dials(_) | Attack::Alone(_) => String::new(),
        };
        format!("{name}: {does} -> {pass}{shown}\n")
    };
    MODES.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_mode_has_one_name_and_one_line() {
        let names: BTreeSet<_> = MODES.iter().map(|mode| mode.name).collect();
        assert_eq!((names.len(), list().lines().count()), (MODES.len(), MODES.len()));
        assert!(by_name("zeros").is_some() && by_name("ones").is_none());
    }

    #[test]
    fn the_page_has_the_list() {
        let page = include_str!("../../../docs/hostile-peers.md");
        assert!(page.contains(&list()), "docs/hostile-peers.md: put in what `badpeer --list` prints");
    }
}
