//! Names that cannot be packed, in a folder or in an archive: told together, so that they are renamed in one go.

use karez_protocol::content::path::PathError;
use std::path::PathBuf;

/// Bad names told of: what a person can rename before the next try.
const LISTED_MAX: usize = 20;

/// A name that cannot be packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName {
    /// The file or folder; of a member of an archive, the archive's path and the member's.
    pub path: PathBuf,
    /// The rule that it breaks; `None`: it is not UTF-8.
    pub fault: Option<PathError>,
}

impl BadName {
    /// The rule's name in `--json`.
    pub fn rule(&self) -> &'static str {
        match self.fault {
            None => "encoding",
            Some(PathError::Control) => "control",
            Some(PathError::TooLong) => "long",
            Some(PathError::Empty | PathError::Dots) => "other",
        }
    }
}

/// The names that cannot be packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BadNames {
    /// The first of them.
    pub list: Vec<BadName>,
    /// How many more there are. What lies in a folder with such a name is not counted.
    pub more: u64,
}

impl BadNames {
    /// Notes one.
    pub(crate) fn add(&mut self, name: BadName) {
        if self.list.len() < LISTED_MAX {
            self.list.push(name);
        } else {
            self.more += 1;
        }
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.list.len() as u64 + self.more
    }
}
