//! The reading part of packing: one thread that reads and cuts, and hands every block to the sealing threads and, as a
//! promise, to the storing thread: so blocks are sealed in any order and stored in theirs.
//!
//! A container is planned before it is read, from the same open file; should it change between the two, the plan goes with
//! the reading.
//!
//! What must stay true: memory is bounded by the channels ([`BLOCKS_IN_FLIGHT`] blocks of at most 1 MiB); a file counts as
//! read only when its length and modification time were the same before and after; no link is followed, whatever has
//! happened to the folder since the walk.

use super::error::PackError;
use super::media::{self, Media};
use super::memory::{Found, Memory, Stamp};
use super::proof::Tap;
use super::row::Row;
use super::sealer::{Job, SealedBlock};
use super::walk::SourceFile;
use crate::cut::{self, Block, Cutter, Plan, Planned};
use crate::store::Store;
use karez_protocol::content::recipe::STREAMS_MAX;
use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Blocks between the threads: enough to even out their speeds, at most 8 MiB.
pub(super) const BLOCKS_IN_FLIGHT: usize = 8;
/// A file that changes under the reader is read this often before packing gives up.
const ATTEMPTS: usize = 3;

/// What the reading thread says, file after file in the order given.
#[derive(Debug)]
pub(super) enum Step {
    /// The next file begins, or the same one again because it changed: forget what came since the last `End`. With a
    /// stamp when it is really read.
    Begin { size: u64, executable: bool, media: Media, stamp: Option<Stamp>, planned: Planned },
    /// Chunks of a file that has not changed since it was read before; the store has them.
    Known(Vec<Row>),
    /// More chunks of the file, once they are sealed.
    Block(Receiver<SealedBlock>),
    /// The file was read completely and did not change meanwhile. With the CRC-32 of what was read when it was taken apart.
    End { crc: Option<u32> },
    /// Reading failed; nothing follows.
    Failed(PackError),
}

/// The packing half is gone: stop reading.
struct Hangup;

/// Where the reading thread's work goes.
pub(super) struct Belt<'a> {
    /// What has the chunks of files that need not be read.
    pub(super) store: &'a Store,
    /// What is known of such files; `None` to read everything.
    pub(super) memory: Option<&'a Mutex<Memory>>,
    /// Why files are not planned: a recipe that did not rebuild its file.
    pub(super) distrust: Option<Planned>,
    /// To the storing thread.
    pub(super) out: SyncSender<Step>,
    /// To the sealing threads.
    pub(super) jobs: SyncSender<Job>,
    /// Brings blocks back for reuse.
    pub(super) spare: Receiver<Block>,
}

/// Reads and cuts all files of a folder.
pub(super) fn read_all<'a>(files: impl Iterator<Item = &'a SourceFile>, belt: &Belt<'_>) {
    for file in files {
        match read_stable(file, belt) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // When the storing half is gone it needs no error.
                let _ = belt.out.send(Step::Failed(error));
                return;
            }
            Err(Hangup) => return,
        }
    }
}

fn read_stable(file: &SourceFile, belt: &Belt<'_>) -> Result<Result<(), PackError>, Hangup> {
    if recall(file, belt)? {
        return belt.out.send(Step::End { crc: None }).map(Ok).map_err(|_| Hangup);
    }
    for _ in 0..ATTEMPTS {
        match read_once(file, belt)? {
            Ok(Some(end)) => return belt.out.send(end).map(Ok).map_err(|_| Hangup),
            Ok(None) => {}
            Err(source) => return Ok(Err(PackError::Unreadable { path: file.on_disk(), source })),
        }
    }
    Ok(Err(PackError::Changing { path: file.on_disk() }))
}

/// Takes a file's chunks from memory; false when it must be read. What fails here is met again, and reported, by reading.
fn recall(file: &SourceFile, belt: &Belt<'_>) -> Result<bool, Hangup> {
    let Some(memory) = belt.memory else { return Ok(false) };
    let memory = || memory.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(metadata) = std::fs::symlink_metadata(file.on_disk()).ok().filter(Metadata::is_file) else {
        return Ok(false);
    };
    let (media, name) = (media::of(file.path.file_name()), file.path.as_str());
    let stamp = Stamp::of(&metadata, media.profile.id.0);
    let Ok(Some(Found { key, parts, planned })) = memory().find(name, &stamp) else { return Ok(false) };
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let mut left = stream_bytes(&planned.plan, metadata.len());
    let begin = Step::Begin { size: metadata.len(), executable, media, stamp: None, planned };
    belt.out.send(begin).map_err(|_| Hangup)?;
    for part in 0..parts {
        let Ok(Some(rows)) = memory().part(key, name, &stamp, part) else { return Ok(false) };
        let ids: Vec<_> = rows.iter().map(|row| row.entry.id).collect();
        if !belt.store.contains_many(&ids).is_ok_and(|held| held.into_iter().all(|held| held)) {
            return Ok(false);
        }
        for row in &rows {
            let left = &mut left[usize::from(row.stream)];
            *left = left.wrapping_sub(u64::from(row.entry.plain_len));
        }
        belt.out.send(Step::Known(rows)).map_err(|_| Hangup)?;
    }
    Ok(left.iter().all(|left| *left == 0))
}

/// Bytes of each stream of a file.
fn stream_bytes(plan: &Plan, size: u64) -> [u64; STREAMS_MAX] {
    let mut bytes = [0; STREAMS_MAX];
    match plan {
        Plan::Linear { .. } => bytes[0] = size,
        Plan::Streams { extents } => {
            extents.iter().for_each(|extent| bytes[usize::from(extent.stream)] += extent.len);
        }
    }
    bytes
}

/// Reads a file once; `None` when it changed meanwhile.
fn read_once(file: &SourceFile, belt: &Belt<'_>) -> Result<io::Result<Option<Step>>, Hangup> {
    let (handle, before) = match open(&file.on_disk()) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let (size, media) = (before.len(), media::of(file.path.file_name()));
    let executable = before.permissions().mode() & 0o100 != 0;
    let stamp = Some(Stamp::of(&before, media.profile.id.0));
    let planned = belt.distrust.clone().unwrap_or_else(|| cut::plan(&handle, size, &media.profile));
    let plan = planned.plan.clone();
    let share_of = matches!(plan, Plan::Streams { .. }).then_some(size);
    belt.out.send(Step::Begin { size, executable, media, stamp, planned }).map_err(|_| Hangup)?;
    let sampling = media.may_compress.then(Arc::default);
    let mut tap = Tap::new(&handle, share_of.is_some());
    let mut cutter = Cutter::new(&mut tap, media.profile, plan);
    let mut read = 0;
    loop {
        let mut block = belt.spare.try_recv().unwrap_or_default();
        let first = read == 0;
        match cutter.next_block(&mut block) {
            Ok(true) => read += block.len() as u64,
            Ok(false) => break,
            Err(error) => return Ok(Err(error)),
        }
        let (reply, sealed) = sync_channel(1);
        let job = Job { block, sampling: sampling.clone(), share_of, first, reply };
        belt.jobs.send(job).map_err(|_| Hangup)?;
        belt.out.send(Step::Block(sealed)).map_err(|_| Hangup)?;
    }
    let is_stable = |after: Metadata| read == size && times(&before) == times(&after);
    let end = Step::End { crc: tap.crc() };
    Ok(handle.metadata().map(|after| is_stable(after).then_some(end)))
}

/// What changes when a file does.
fn times(metadata: &Metadata) -> (u64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // NONBLOCK: a pipe that took the file's place since the walk must not hang the packer.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let handle = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = handle.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no longer a file"));
    }
    Ok((handle, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::walk::Place;

    fn steps(path: &Path) -> Vec<Step> {
        let file = SourceFile { place: Arc::new(Place::At(path.into())), path: "f".parse().unwrap(), size: 0 };
        let ((out, steps), (jobs, _jobs), (_, spare)) = (sync_channel(8), sync_channel(8), sync_channel(1));
        let empty = tempfile::tempdir().unwrap();
        let store = Store::open(empty.path(), Default::default()).unwrap();
        let belt = Belt { store: &store, memory: None, distrust: None, out, jobs, spare };
        read_all(std::iter::once(&file), &belt);
        steps.try_iter().collect()
    }

    /// Permissions stop nobody who tests as root: a link and a folder in a file's place are unreadable for everybody.
    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        for path in [link.as_path(), dir.path(), &dir.path().join("gone")] {
            match steps(path).as_slice() {
                [Step::Failed(PackError::Unreadable { path: named, .. })] => assert_eq!(named, path),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_file_begins_and_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, vec![1; 100_000]).unwrap();
        assert!(matches!(
            steps(&path).as_slice(),
            [Step::Begin { size: 100_000, .. }, Step::Block(_), Step::End { .. }]
        ));
    }
}
