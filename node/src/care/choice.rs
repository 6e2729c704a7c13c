//! Which versions stay and which may go, each with its reason. Decides only; nothing is read or removed here.
//!
//! The order: superseded versions go first, oldest first. When room is asked for and that is not enough, whole collections
//! follow that nobody follows, those not opened for longest first. What is pinned, published here, being fetched or open
//! stays; of older versions that were published here, those that have lost something do not. A collection of which no other copy is known in the county stays unless that was asked for by name: a copy that
//! nobody has said to hold counts as none.

use crate::handle::care::{AtWork, Look};
use karez_content_tools::store::{GcGroup, HeldVersion, Pin};
use karez_protocol::content::name::CollectionName;
use std::collections::{BTreeMap, BTreeSet};

/// Why a version stays, or may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Stays: pinned.
    Pinned,
    /// Stays: published by this node, or packed here and not signed.
    Published,
    /// Stays: the newest version, and followed.
    Following,
    /// Stays: being fetched.
    Pulling,
    /// Stays: somebody reads it, copies it or packs it for a courier right now.
    InUse,
    /// Stays: the newest version.
    Newest,
    /// Stays: the newest whole one while a newer one is still being fetched.
    UntilNewer,
    /// Stays: no other copy is known in the county.
    LastCopy,
    /// Stays: enough comes free without it.
    NotNeeded,
    /// Goes: there is a newer version.
    Superseded,
    /// Goes to make room: the collection is not followed, and was not opened for longest.
    ForRoom,
}

impl Reason {
    /// Its name for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Published => "published",
            Self::Following => "following",
            Self::Pulling => "pulling",
            Self::InUse => "in_use",
            Self::Newest => "newest",
            Self::UntilNewer => "until_newer",
            Self::LastCopy => "last_copy",
            Self::NotNeeded => "not_needed",
            Self::Superseded => "superseded",
            Self::ForRoom => "for_room",
        }
    }
}

/// Who else is known to hold a collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Holders {
    /// Members of the same county that said they hold it whole.
    pub county: u64,
    /// Members of the same county that were not heard of since the node started.
    pub silent: u64,
    /// Members elsewhere that said they hold it whole.
    pub elsewhere: u64,
}

/// A version and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The version.
    pub version: HeldVersion,
    /// The reason.
    pub reason: Reason,
    /// Who else holds it or a newer one.
    pub holders: Holders,
}

/// What the store says of its versions.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// Pins.
    pub pins: BTreeSet<Pin>,
    /// Superseded versions that have lost something: there is nothing to keep of them, whoever published them.
    pub lost: BTreeSet<HeldVersion>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// Bytes that are to come free; without it only superseded versions go.
    pub free_bytes: Option<u64>,
    /// Also what may be the last copy in the county.
    pub last_copies: bool,
}

/// The rows, and what goes in which order.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// One for each version.
    pub rows: Vec<Row>,
    /// What goes.
    pub groups: Vec<GcGroup>,
}

/// Chooses.
pub(super) fn choose(look: &Look, held: &[HeldVersion], kept: &Kept, wish: Wish) -> Choice {
    let mut by_name: BTreeMap<&CollectionName, Vec<&HeldVersion>> = BTreeMap::new();
    held.iter().for_each(|version| by_name.entry(&version.collection).or_default().push(version));
    let (mut choice, mut superseded, mut for_room) = (Choice::default(), Vec::new(), Vec::new());
    for (collection, mut versions) in by_name {
        versions.sort();
        let mut rows: Vec<Row> = versions.iter().map(|version| row(look, kept, &versions, version)).collect();
        superseded.extend(rows.iter().filter(|row| row.reason == Reason::Superseded).map(|row| row.version.clone()));
        if wish.free_bytes.is_some() && is_spare(&rows) {
            let last = rows.iter().any(|row| row.reason == Reason::Newest && row.holders.county == 0);
            let reason = if last && !wish.last_copies { Reason::LastCopy } else { Reason::ForRoom };
            let spare = rows.iter_mut().filter(|row| matches!(row.reason, Reason::Newest | Reason::UntilNewer));
            let spare: Vec<HeldVersion> = spare
                .map(|row| {
                    row.reason = reason;
                    row.version.clone()
                })
                .collect();
            if reason == Reason::ForRoom {
                for_room.push((last, look.opened.get(collection).copied(), spare));
            }
        }
        choice.rows.extend(rows);
    }
    let alone = |version| GcGroup { versions: vec![version], for_room: false };
    choice.groups.extend(superseded.into_iter().map(alone));
    for_room.sort();
    choice.groups.extend(for_room.into_iter().map(|(.., versions)| GcGroup { versions, for_room: true }));
    choice
}

/// Whether a collection may go as a whole: but for its newest version nothing of it stays.
fn is_spare(rows: &[Row]) -> bool {
    let spare = |row: &Row| matches!(row.reason, Reason::Newest | Reason::UntilNewer | Reason::Superseded);
    rows.iter().all(spare)
}

fn row(look: &Look, kept: &Kept, versions: &[&HeldVersion], version: &HeldVersion) -> Row {
    let reason = reason(look, kept, versions, version);
    Row { version: version.clone(), reason, holders: holders(look, version) }
}

fn reason(look: &Look, kept: &Kept, versions: &[&HeldVersion], version: &HeldVersion) -> Reason {
    let collection = &version.collection;
    let signed: Vec<u64> = versions.iter().filter(|other| !other.draft).map(|other| other.version).collect();
    let newest = signed.last().copied().unwrap_or_default();
    let before = signed.iter().rev().nth(1).copied();
    let at_work = |number: u64| look.at_work(collection, number);
    let is_pulled = |work: &AtWork| work.wanted && !work.complete;
    match () {
        () if kept.pins.iter().any(|pin| pin.holds(collection, version.version)) => Reason::Pinned,
        () if version.draft => Reason::Published,
        () if look.publisher.as_ref() == Some(collection.publisher()) && !kept.lost.contains(version) => {
            Reason::Published
        }
        () if at_work(version.version).is_some_and(|work| work.in_use) => Reason::InUse,
        () if at_work(version.version).is_some_and(is_pulled) => Reason::Pulling,
        () if version.version == newest && look.following.contains(collection) => Reason::Following,
        () if version.version == newest => Reason::Newest,
        () if before == Some(version.version) && !at_work(newest).is_some_and(|work| work.complete) => {
            Reason::UntilNewer
        }
        () => Reason::Superseded,
    }
}

fn holders(look: &Look, version: &HeldVersion) -> Holders {
    let mut holders = Holders::default();
    for member in &look.members {
        let holds = member
            .held
            .iter()
            .any(|held| held.collection == version.collection && held.version >= version.version && held.complete);
        holders.county += u64::from(member.same_county && holds);
        holders.silent += u64::from(member.same_county && !member.heard);
        holders.elsewhere += u64::from(!member.same_county && holds);
    }
    holders
}

#[cfg(test)]
mod tests;
