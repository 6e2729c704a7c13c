//! What published files are called in an export. Names are data from strangers, and a stick written here is opened on the
//! classroom's Windows PC: what some system cannot store, misreads or hides is changed, and told.
//!
//! What must stay true: a name that is fine everywhere is never touched; no two exported files or folders differ only in
//! case or normalisation; the same files in the same order get the same names; every change is reported.
//!
//! Rejected: full-width look-alikes for `:` and `?` (a name that looks the same and is not is worse than a `_`); percent
//! encoding (unreadable for the people who look for lesson 3); changing names only when the destination is FAT (a copy of
//! the copy then fails on the teacher's PC, and nobody knows why).

mod rule;

use karez_protocol::content::path::ContentPath;
use rule::clean;
use std::collections::{HashMap, HashSet};

/// Longest name in UTF-8 bytes and in UTF-16 units: what Linux and what NTFS and exFAT take.
const NAME_MAX: usize = 255;

/// Why a file is exported under another name than it was published under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameChange {
    /// A character that Windows does not store, or that shows nothing and misleads (direction marks, zero width).
    Characters,
    /// A name that means a device on Windows (`CON`, `LPT1.txt`).
    Reserved,
    /// It ended in dots or spaces, which Windows drops.
    Ending,
    /// Composed letters instead of base letters with marks (Unicode NFC), as keyboards type them.
    Normalised,
    /// Too long once it is normalised.
    Length,
    /// Another file or folder has the same name, but for case or normalisation.
    Collision,
}

impl NameChange {
    /// The reason's name in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Characters => "characters",
            Self::Reserved => "reserved",
            Self::Ending => "ending",
            Self::Normalised => "normalised",
            Self::Length => "length",
            Self::Collision => "collision",
        }
    }
}

/// Where a published path goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The path in the destination.
    pub path: ContentPath,
    /// Why it differs from the published one, most telling reason first; `None` when it does not.
    pub change: Option<NameChange>,
}

/// Gives names to files and folders, in the order asked.
#[derive(Debug, Default)]
pub struct Names {
    exact: bool,
    /// Where each published folder went.
    folders: HashMap<String, Placed>,
    /// Hashes of the exported paths as a system that ignores case sees them: 16 bytes each, so a million files are 40 MB.
    taken: HashSet<[u8; 16]>,
}

impl Names {
    /// Names as published, whatever the destination makes of them.
    pub fn exact() -> Self {
        Self { exact: true, ..Self::default() }
    }

    /// Where a file goes. Ask once for each file.
    pub fn file(&mut self, published: &ContentPath) -> Placed {
        self.place(published.as_str())
    }

    /// Where a folder goes.
    pub fn folder(&mut self, published: &ContentPath) -> Placed {
        self.folder_at(published.as_str())
    }

    fn folder_at(&mut self, published: &str) -> Placed {
        if let Some(known) = self.folders.get(published) {
            return known.clone();
        }
        let placed = self.place(published);
        self.folders.insert(published.to_owned(), placed.clone());
        placed
    }

    fn place(&mut self, published: &str) -> Placed {
        if self.exact {
            return Placed { path: parsed(published), change: None };
        }
        let (parent, name) = match published.rsplit_once('/') {
            Some((parent, name)) => (Some(self.folder_at(parent)), name),
            None => (None, published),
        };
        let (name, mut change) = clean(name);
        let mut path = joined(parent.as_ref(), &name);
        // Ends: of n names at most n are taken.
        for number in 2.. {
            if self.taken.insert(as_seen(&path)) {
                break;
            }
            change = Some(NameChange::Collision);
            path = joined(parent.as_ref(), &rule::numbered(&name, number));
        }
        Placed { path: parsed(&path), change: change.or(parent.and_then(|parent| parent.change)) }
    }
}

fn joined(parent: Option<&Placed>, name: &str) -> String {
    parent.map_or_else(|| name.to_owned(), |parent| format!("{}/{name}", parent.path.as_str()))
}

/// A cleaned path is a path; one that has become too long by composing keeps within the limit by its components' limits
/// only, so the whole is checked here.
fn parsed(path: &str) -> ContentPath {
    path.parse().unwrap_or_else(|_| {
        let hash = blake3::hash(path.as_bytes()).to_hex();
        hash[..32].parse().expect("a hash is a name")
    })
}

/// A path as a system sees it that ignores case.
fn as_seen(path: &str) -> [u8; 16] {
    let folded: String = path.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(folded.as_bytes()).as_bytes()[..16]);
    hash
}

#[cfg(test)]
mod tests;
