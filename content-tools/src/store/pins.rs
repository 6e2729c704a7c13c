//! Pins: collections and versions that compaction and eviction leave alone. A small file of its own beside the segments.
//!
//! What must stay true: the file is replaced whole or not at all, and one that was damaged is an error, because a lost pin
//! loses content.

use super::{Store, StoreError};
use crate::disk;
use karez_protocol::content::name::CollectionName;
use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::str::FromStr;

/// Room for tens of thousands of pins.
const PINS_BYTES_MAX: u64 = 4 << 20;

/// A collection with all its versions, or one version of it. As text: `PUBLISHER/NAME` or `PUBLISHER/NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The collection.
    pub collection: CollectionName,
    /// The version; all of them without one.
    pub version: Option<u64>,
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}@{version}", self.collection),
            None => write!(f, "{}", self.collection),
        }
    }
}

/// A text that names no collection or version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{text}' is not PUBLISHER/NAME or PUBLISHER/NAME@VERSION")]
pub struct PinError {
    text: String,
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let failed = || PinError { text: text.into() };
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version.parse().map_err(|_| failed())?)),
            None => (text, None),
        };
        Ok(Self { collection: name.parse().map_err(|_| failed())?, version })
    }
}

impl Pin {
    /// Whether it holds a version.
    pub fn holds(&self, collection: &CollectionName, version: u64) -> bool {
        self.collection == *collection && self.version.is_none_or(|pinned| pinned == version)
    }
}

impl Store {
    /// The pins.
    pub fn pins(&self) -> Result<BTreeSet<Pin>, StoreError> {
        let path = self.dir.join("pins");
        let bytes = match disk::read(&*self.disk, &path, PINS_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) if error.kind() == ErrorKind::FileTooLarge || disk::is_not_a_file(&error) => {
                return Err(StoreError::DamagedPins { path });
            }
            Err(error) => return Err(StoreError::io("read", &path, error)),
        };
        decode(&bytes).ok_or(StoreError::DamagedPins { path })
    }

    /// Pins something; false when it was pinned already.
    pub fn pin(&self, pin: Pin) -> Result<bool, StoreError> {
        self.change_pins(|pins| pins.insert(pin))
    }

    /// Takes a pin away; false when there was none.
    pub fn unpin(&self, pin: &Pin) -> Result<bool, StoreError> {
        self.change_pins(|pins| pins.remove(pin))
    }

    /// Whether a version that a pin holds is here, signed or draft.
    pub fn has_pinned(&self, pin: &Pin) -> Result<bool, StoreError> {
        let mut held = self.releases()?.into_iter().chain(self.drafts()?);
        Ok(held.any(|held| pin.holds(&held.collection, held.version)))
    }

    fn change_pins(&self, change: impl FnOnce(&mut BTreeSet<Pin>) -> bool) -> Result<bool, StoreError> {
        let _alone = self.documents()?;
        let mut pins = self.pins()?;
        let changed = change(&mut pins);
        if changed {
            let path = self.dir.join("pins");
            disk::replace(&*self.disk, &path, &encode(&pins)).map_err(|e| StoreError::io("write", &path, e))?;
        }
        Ok(changed)
    }
}

/// A line with the BLAKE3 of the lines that follow, one pin each.
fn encode(pins: &BTreeSet<Pin>) -> Vec<u8> {
    let lines: String = pins.iter().map(|pin| format!("{pin}\n")).collect();
    format!("karez-pins 1 {}\n{lines}", blake3::hash(lines.as_bytes())).into_bytes()
}

fn decode(bytes: &[u8]) -> Option<BTreeSet<Pin>> {
    let (head, lines) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    let hash = head.strip_prefix("karez-pins 1 ")?;
    if blake3::hash(lines.as_bytes()).to_string() != hash {
        return None;
    }
    lines.lines().map(|line| line.parse().ok()).collect()
}
