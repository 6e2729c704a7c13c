//! What the demo publishes: a folder or the sample course, its optional filler, and version 2 of it.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use crate::sample;

const FILLER: &str = "filler/filler.bin";
/// What version 2 of somebody's folder inserts near the start of its largest file, and where at most.
const INSERTION_BYTES: u64 = 64 << 10;
const INSERTION_AT_MAX: u64 = 16 << 10;
const NOTE: &str = "修订说明 release notes.txt";

pub(crate) struct Source {
    version1: PathBuf,
    version2: PathBuf,
    is_sample: bool,
}

impl Source {
    /// A folder of one's own is published where it lies, unless a filler has to be added to a copy.
    pub(crate) fn prepare(scratch: &Path, dir: Option<&Path>, filler: Option<u64>) -> Result<Self> {
        let copied = scratch.join("v1");
        let original = dir.map_or_else(sample::version1, Path::to_path_buf);
        if !original.is_dir() {
            bail!("{} is not a folder", original.display());
        }
        let in_place = dir.is_some() && filler.is_none();
        if !in_place {
            copy_tree(&original, &copied)?;
        }
        if let Some(bytes) = filler {
            write_filler(&copied.join(FILLER), bytes)?;
        }
        let version1 = if in_place { original } else { copied };
        Ok(Self { version1, version2: scratch.join("v2"), is_sample: dir.is_none() })
    }

    pub(crate) fn version1(&self) -> &Path {
        &self.version1
    }

    /// The sample's own version 2; for any other folder an insertion near the start of its largest file and a new note.
    pub(crate) fn make_version2(&self) -> Result<PathBuf> {
        copy_tree(&self.version1, &self.version2)?;
        if self.is_sample {
            copy_tree(&sample::version2(), &self.version2)?;
        } else {
            if let Some(largest) = largest_file(&self.version2)? {
                insert(&largest)?;
            }
            fs::write(self.version2.join(NOTE), "第二版：有改动。\nVersion 2: something changed.\n")?;
        }
        Ok(self.version2.clone())
    }
}

/// Copies folders and regular files over what is there; links and special files stay behind.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in WalkDir::new(from).follow_root_links(true) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from).expect("walked from the root"));
        if entry.path().is_dir() && !entry.path_is_symlink() || entry.depth() == 0 {
            fs::create_dir_all(&target)?;
        } else if entry.file_type().is_file() {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The same bytes every time, and none that compression could save.
fn write_filler(path: &Path, bytes: u64) -> Result<()> {
    fs::create_dir_all(path.parent().expect("the filler lies in a folder"))?;
    write_noise(&mut File::create(path)?, "karez demo filler", bytes)
}

fn write_noise(to: &mut File, seed: &str, bytes: u64) -> Result<()> {
    let mut noise = blake3::Hasher::new().update(seed.as_bytes()).finalize_xof();
    let mut block = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(block.len() as u64) as usize;
        noise.fill(&mut block[..now]);
        to.write_all(&block[..now])?;
        left -= now as u64;
    }
    Ok(())
}

fn largest_file(root: &Path) -> Result<Option<PathBuf>> {
    let mut largest = None;
    for entry in WalkDir::new(root).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() {
            let found = (entry.metadata()?.len(), entry.into_path());
            largest = largest.max(Some(found));
        }
    }
    Ok(largest.map(|(_, path)| path))
}

fn insert(path: &Path) -> Result<()> {
    let old = path.with_extension("before");
    fs::rename(path, &old)?;
    let mut from = File::open(&old)?;
    let at = INSERTION_AT_MAX.min(from.metadata()?.len() / 2);
    let mut to = File::create(path)?;
    std::io::copy(&mut (&mut from).take(at), &mut to)?;
    write_noise(&mut to, "karez demo insertion", INSERTION_BYTES)?;
    from.seek(SeekFrom::Start(at))?;
    std::io::copy(&mut from, &mut to)?;
    to.set_permissions(from.metadata()?.permissions())?;
    fs::remove_file(old)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_of_any_folder_changes_one_file_and_adds_one() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("mine");
        fs::create_dir_all(dir.join("空")).unwrap();
        fs::write(dir.join("大.bin"), vec![7; 100_000]).unwrap();
        fs::write(dir.join("small.txt"), "x").unwrap();
        let source = Source::prepare(&scratch.path().join("s"), Some(&dir), Some(1000)).unwrap();
        assert_eq!(fs::metadata(source.version1().join(FILLER)).unwrap().len(), 1000);
        let version2 = source.make_version2().unwrap();
        let changed = fs::read(version2.join("大.bin")).unwrap();
        assert_eq!(changed.len() as u64, 100_000 + INSERTION_BYTES);
        assert!(changed[..INSERTION_AT_MAX as usize].iter().all(|byte| *byte == 7));
        assert!(changed[(INSERTION_AT_MAX + INSERTION_BYTES) as usize..].iter().all(|byte| *byte == 7));
        assert!(version2.join("空").is_dir() && version2.join(NOTE).is_file());
        assert_eq!(fs::read(dir.join("大.bin")).unwrap().len(), 100_000);
    }

    #[test]
    fn the_sample_has_two_versions() {
        let scratch = tempfile::tempdir().unwrap();
        let source = Source::prepare(&scratch.path().join("s"), None, None).unwrap();
        let version2 = source.make_version2().unwrap();
        let differs =
            |path: &str| fs::read(source.version1().join(path)).unwrap() != fs::read(version2.join(path)).unwrap();
        assert!(differs("02-坎儿井/坎儿井.mp4") && differs("02-坎儿井/坎儿井.zh.vtt"));
        assert!(!differs("02-坎儿井/坎儿井.en.vtt") && !differs("01-分数/分数.mp4"));
    }
}
