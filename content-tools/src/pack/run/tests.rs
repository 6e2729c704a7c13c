//! A plan that is not the file's: the file is taken again, cut by its content alone.

use super::super::media;
use super::*;
use crate::cut::{Container, Cutter, Plan};
use crate::export::layout;
use crate::pack::items::ItemFile;
use crate::pack::walk::Place;
use crate::store::StoreOptions;
use karez_protocol::content::manifest::Role;
use karez_protocol::content::recipe::Extent;
use std::sync::Arc;

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn planned(extents: &[(u8, u64)]) -> Planned {
    let extents = extents.iter().map(|(stream, len)| Extent { stream: *stream, len: *len }).collect();
    Planned { plan: Plan::Streams { extents }, container: Some(Container::Mp4), fallback: None }
}

/// What the reader says of a file that was `read`, cut by one plan and described by another.
fn steps(read: &[u8], cut_by: Planned, said: Planned, crc: Option<u32>) -> Vec<Step> {
    let media = media::of("film.mp4");
    let size = read.len() as u64;
    let stamp = Some(super::super::memory::Stamp::of(&std::fs::metadata(".").unwrap(), 1));
    let mut steps = vec![Step::Begin { size, executable: false, media, stamp, planned: said }];
    let mut cutter = Cutter::new(read, media.profile, cut_by.plan);
    let (jobs, work) = sync_channel(64);
    loop {
        let mut block = Block::default();
        if !cutter.next_block(&mut block).unwrap() {
            break;
        }
        let (reply, sealed) = sync_channel(1);
        jobs.send(sealer::Job { block, sampling: None, share_of: Some(size), first: false, reply }).unwrap();
        steps.push(Step::Block(sealed));
    }
    drop(jobs);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
    sealer::seal_all(&store, &Mutex::new(work));
    steps.push(Step::End { crc });
    steps
}

/// Takes a file of 2 MiB from steps; returns why it was cut plainly. What comes out is always the file.
fn taken(limits: Limits, steps: Vec<Step>) -> Option<Fallback> {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = dir.path().join("film.mp4");
    let bytes = noise(2 << 20);
    std::fs::write(&on_disk, &bytes).unwrap();
    let store_dir = tempfile::tempdir().unwrap();
    let store = Store::open(store_dir.path(), StoreOptions::default()).unwrap();
    let source = SourceFile { place: Arc::new(Place::At(on_disk)), path: "film.mp4".parse().unwrap(), size: 2 << 20 };
    let file = ItemFile { source, role: Role::Main, film: None };
    let items = [SourceItem { key: "film.mp4".into(), title: "film".into(), files: vec![file], ext: Vec::new() }];
    let (out, receiver) = sync_channel(steps.len());
    steps.into_iter().for_each(|step| out.send(step).unwrap());
    let mut run = Run::new(&store, None, Progress::default(), limits);
    run.take_files(&items, &Ends { steps: receiver, back: sync_channel(1).0 }, &mut |_| {}).unwrap();
    let reason = run.plans.plain.first().map(|plain| plain.reason);
    assert_eq!((run.plans.streams == 1, run.shown.files_done), (reason.is_none(), 1));
    let packed = run.finish(crate::pack::Description::default().metadata(dir.path(), &Default::default()), 1).unwrap();
    let layout = layout(&packed.root_bytes, &store).unwrap();
    let file = layout.file("film.mp4").expect("the file is described");
    let slices = layout.slices(&file, 0..u64::MAX).into_iter();
    let plain = |slice: karez_protocol::content::layout::Slice| {
        let chunk = store.read_plain(&slice.entry.id).unwrap().unwrap();
        chunk[slice.start as usize..(slice.start + slice.len) as usize].to_vec()
    };
    assert!(slices.flat_map(plain).eq(bytes), "what comes out is not the file");
    reason
}

#[test]
fn a_file_that_its_recipe_does_not_rebuild_is_cut_plainly() {
    let bytes = noise(2 << 20);
    let crc = Some(crc32fast::hash(&bytes));
    let good = [(0, 1000), (1, 1 << 20), (2, 300_000), (1, 700_000), (0, (1 << 20) - 1_001_000)];
    let small = Limits { rows_min: 2, rows_max: 8, ..Limits::PAGES };
    let mut swapped = good;
    swapped.swap(1, 2);
    let mut longer = good;
    longer[4].1 += 1;
    let mut shorter = good;
    shorter[4].1 -= 1;
    for limits in [Limits::PAGES, small] {
        let take = |said: &[(u8, u64)], crc| taken(limits, steps(&bytes, planned(&good), planned(said), crc));
        assert_eq!(take(&good, crc), None);
        assert_eq!(take(&swapped, crc), Some(Fallback::NotRebuilt));
        assert_eq!(take(&longer, crc), Some(Fallback::NotRebuilt));
        assert_eq!(take(&shorter, crc), Some(Fallback::NotRebuilt));
        // The sealed chunks are not what was read.
        assert_eq!(take(&good, crc.map(|crc| crc ^ 1)), Some(Fallback::NotRebuilt));
    }
}
