//! What a teacher at the first site does: pulls the course into a folder, and plays a piece of a lesson without a copy.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::network::Network;
use super::{COLLECTION, gateway};
use crate::tree::Tree;

/// As much as a player asks for at a time.
const PLAYED_BYTES: u64 = 256 << 10;

/// `teacher` in the report.
#[derive(Serialize)]
pub(crate) struct Teacher {
    files: u64,
    bytes: u64,
    pub(crate) verified: bool,
    pub(crate) range_ok: bool,
}

pub(crate) fn visit(network: &Network, source: &Tree, folder: &Path) -> Result<Teacher> {
    let site = network.sites.first().context("there is at least one site")?;
    eprintln!("a teacher at {} pulls and plays", site.name);
    let taken = site.home.with_file_name("teacher");
    site.pull(COLLECTION, &taken)?;
    let tree = Tree::of_export(&taken)?;
    let verified = source.check(&tree, "teacher");
    let range_ok = match source.worth_playing().filter(|(_, len)| *len > 0) {
        None => true,
        Some((path, len)) => {
            let range = len / 2..(len / 2 + PLAYED_BYTES).min(len);
            let played = gateway::range(&site.gateway, COLLECTION, path, &range)?;
            played == read(&folder.join(path), &range)?
        }
    };
    Ok(Teacher { files: tree.files(), bytes: tree.bytes(), verified, range_ok })
}

fn read(path: &Path, range: &Range<u64>) -> Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    file.take(range.end - range.start).read_to_end(&mut bytes)?;
    Ok(bytes)
}
