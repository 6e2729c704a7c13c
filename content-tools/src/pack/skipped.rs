//! What a folder holds that is not packed: links, special files, and what systems and programs leave beside people's files.
//!
//! What must stay true: names decide alone, so that a folder packs the same on every machine; lists are bounded, figures
//! are not.

use std::collections::BTreeMap;

/// Links and special files named. A hundred lines are what a person may read; programs get ten times as many.
const LISTED_MAX: usize = 1_000;
/// Leftovers named: a folder from a Mac's exFAT stick has one beside every file.
const LEFTOVERS_LISTED_MAX: usize = 100;

/// Something in the folder that is not packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path inside the folder.
    pub path: String,
    /// What it is.
    pub reason: SkipReason,
}

/// Why something is not packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// A symbolic link; what it points to is not packed in its place.
    Link,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    Device,
    /// What an operating system keeps beside people's files.
    System,
    /// What an office program leaves beside a document that is open.
    Lock,
    /// A download that has not ended.
    Unfinished,
    /// The history that a version control program keeps.
    VersionControl,
}

impl SkipReason {
    /// The reason's name in messages and `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Pipe => "pipe",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::System => "system",
            Self::Lock => "lock",
            Self::Unfinished => "unfinished",
            Self::VersionControl => "version_control",
        }
    }

    /// Whether it was left by a system or a program, and never made by the person who keeps the folder. A download may be a film
    /// that somebody misses: each is named.
    pub const fn is_leftover(self) -> bool {
        matches!(self, Self::System | Self::Lock | Self::VersionControl)
    }
}

/// All that is not packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skips {
    /// The first of them.
    pub list: Vec<Skipped>,
    counts: BTreeMap<SkipReason, u64>,
}

impl Skips {
    /// Notes one.
    pub(super) fn add(&mut self, path: String, reason: SkipReason) {
        let (limit, before) = match reason.is_leftover() {
            true => (LEFTOVERS_LISTED_MAX, self.leftovers()),
            false => (LISTED_MAX, self.total() - self.leftovers()),
        };
        if before < limit as u64 {
            self.list.push(Skipped { path, reason });
        }
        *self.counts.entry(reason).or_default() += 1;
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How many of them systems and programs left.
    pub fn leftovers(&self) -> u64 {
        self.counts.iter().filter(|(reason, _)| reason.is_leftover()).map(|(_, count)| count).sum()
    }

    /// How many are not in the list.
    pub fn more(&self) -> u64 {
        self.total() - self.list.len() as u64
    }
}

/// Why a file or folder of this name is no content, if it is not. Windows and its disks do not distinguish cases.
pub(super) fn leftover(name: &str, is_dir: bool) -> Option<SkipReason> {
    let lower = name.to_lowercase();
    match lower.as_str() {
        ".git" | ".svn" | ".hg" => return Some(SkipReason::VersionControl),
        "lost+found"
        | "$recycle.bin"
        | "system volume information"
        | ".trashes"
        | ".spotlight-v100"
        | ".fseventsd"
        | "__macosx"
            if is_dir =>
        {
            return Some(SkipReason::System);
        }
        _ if is_dir => return lower.starts_with(".trash-").then_some(SkipReason::System),
        ".ds_store" | "thumbs.db" | "ehthumbs.db" | "desktop.ini" => return Some(SkipReason::System),
        _ => {}
    }
    let starts = |with: &str| lower.starts_with(with).then_some(());
    let ends = |with: &str| lower.ends_with(with).then_some(());
    (starts("._").map(|()| SkipReason::System))
        .or_else(|| starts("~$").map(|()| SkipReason::Lock))
        .or_else(|| ends(".crdownload").or_else(|| ends(".part")).map(|()| SkipReason::Unfinished))
}

/// The same for a file with the folders that it lies in.
pub(super) fn leftover_path(path: &str) -> Option<SkipReason> {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    folders.split('/').find_map(|folder| leftover(folder, true)).or_else(|| leftover(name, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_known_by_name() {
        for (path, reason) in [
            (".DS_Store", Some("system")),
            ("第1课/Thumbs.db", Some("system")),
            ("第1课/Desktop.ini", Some("system")),
            ("第1课/._v.mp4", Some("system")),
            ("第1课/~$讲义.docx", Some("lock")),
            ("v.mp4.crdownload", Some("unfinished")),
            ("v.mp4.part", Some("unfinished")),
            (".git", Some("version_control")),
            (".git/HEAD", Some("version_control")),
            ("a/.svn/entries", Some("version_control")),
            ("lost+found/#12", Some("system")),
            (".Trash-1000/files/a.mp4", Some("system")),
            ("$RECYCLE.BIN/S-1-5/a", Some("system")),
            ("System Volume Information/x", Some("system")),
            ("lost+found", None),
            (".gitignore", None),
            ("第1课/part.mp4", None),
            ("thumbs.db/a.mp4", None),
            ("._/a.mp4", None),
            ("~.docx", None),
        ] {
            assert_eq!(leftover_path(path).map(SkipReason::name), reason, "{path}");
        }
    }

    #[test]
    fn a_million_leftovers_hide_no_link() {
        let mut skips = Skips::default();
        for number in 0..10_000 {
            skips.add(format!("._{number}"), SkipReason::System);
        }
        skips.add("film.mp4.part".into(), SkipReason::Unfinished);
        skips.add("link".into(), SkipReason::Link);
        assert_eq!((skips.total(), skips.leftovers(), skips.list.len(), skips.more()), (10_002, 10_000, 102, 9_900));
        assert_eq!(skips.list.iter().skip(100).map(|it| &*it.path).collect::<Vec<_>>(), ["film.mp4.part", "link"]);
    }
}
