//! A packed course, a site that holds part of it, and a driver that answers as the real one would; for the tests of those
//! who ask the driver.

use crate::handle::view::{CollectionState, CollectionView, FileView, ItemView, Published, SearchRow, Status};
use crate::handle::{Command, Handle, HandleError, PackFailure, PublishEvent, Pull, Shown};
use karez_content_tools::export;
use karez_content_tools::pack::{self, PackOptions};
use karez_content_tools::pages::Pages;
use karez_content_tools::store::{Store, StoreOptions};
use karez_content_tools::verify::verify;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::layout::Layout;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// Name of the course.
pub(crate) const NAME: &str = "bj4/algebra-1";
/// Path of its film: several chunks.
pub(crate) const FILM: &str = "01-导入/讲 课.mp4";
/// Bytes of the film.
pub(crate) const FILM_BYTES: usize = 3_000_000;

/// The course and one site.
pub(crate) struct Course {
    dir: TempDir,
    full: Store,
    pub(crate) site: Arc<Store>,
    pub(crate) layout: Arc<Layout>,
    pages: Arc<Pages<'static>>,
    changes: watch::Sender<u64>,
}

/// Bytes that no codec makes smaller.
pub(crate) fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key(seed).finalize_xof().fill(&mut bytes);
    bytes
}

impl Course {
    /// Packs the course; the site holds nothing of it but its description.
    pub(crate) fn new() -> Arc<Self> {
        Self::with(&[])
    }

    /// The course at its publisher's, whose store holds nothing that does not compress: it stays in the folder's files.
    pub(crate) fn in_place() -> Arc<Self> {
        let course = Self::new();
        let options = PackOptions { title: Some("代数 <1>".into()), in_place: true, ..PackOptions::default() };
        let packed = pack::pack(&course.source(), &options, &course.site, &mut |_| {}).unwrap();
        assert!(packed.in_place_bytes >= FILM_BYTES as u64);
        assert!(course.is_complete(), "the same course");
        course
    }

    /// The folder that was packed.
    pub(crate) fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    /// The course with more files.
    pub(crate) fn with(more: &[(&str, &[u8])]) -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        let write = |path: &str, bytes: &[u8]| {
            let path = source.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write(FILM, &noise("film", FILM_BYTES));
        write("01-导入/讲 课.zh.vtt", b"WEBVTT\n");
        write("02-handout/notes.html", b"<script>alert(1)</script>");
        write("02-handout/empty.txt", b"");
        more.iter().for_each(|(path, bytes)| write(path, bytes));
        let full = Store::open(&dir.path().join("full"), StoreOptions::default()).unwrap();
        let options = PackOptions { title: Some("代数 <1>".into()), ..PackOptions::default() };
        let packed = pack::pack(&source, &options, &full, &mut |_| {}).unwrap();
        let layout = Arc::new(export::layout(&packed.root_bytes, &full).unwrap());
        let site = Arc::new(Store::open(&dir.path().join("site"), StoreOptions::default()).unwrap());
        let pages = Arc::new(Pages::shared(Arc::new(packed.root), site.clone()));
        let course = Self { dir, full, site, layout, pages, changes: watch::channel(0).0 };
        // A course that can be opened has its description.
        course.arrive((0..course.layout.root().pages.len() as u32).map(ChunkIndex));
        Arc::new(course)
    }

    /// These chunks arrive at the site.
    pub(crate) fn arrive(&self, chunks: impl IntoIterator<Item = ChunkIndex>) {
        for chunk in chunks {
            let entry = self.layout.entry(chunk).unwrap();
            let stored = self.full.read_stored(&entry.id).unwrap().unwrap();
            self.site.put(&verify(&entry, stored.codec, stored.bytes).unwrap()).unwrap();
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// All of it arrives.
    pub(crate) fn arrive_whole(&self) {
        self.arrive(self.layout.entries().map(|(index, _)| index).collect::<Vec<_>>());
    }

    /// Chunks of a file.
    pub(crate) fn chunks_of(&self, path: &str) -> Vec<ChunkIndex> {
        let file = self.layout.file(path).unwrap();
        self.layout.slices(&file, 0..file.head.size).iter().map(|slice| slice.chunk).collect()
    }

    fn is_complete(&self) -> bool {
        self.layout.entries().all(|(_, entry)| self.site.contains(&entry.id).unwrap())
    }

    fn pull(&self) -> Pull {
        Pull {
            collection: NAME.parse().unwrap(),
            version: 1,
            pages: self.pages.clone(),
            store: self.site.clone(),
            changes: self.changes.subscribe(),
        }
    }

    fn row(&self) -> SearchRow {
        SearchRow {
            collection: NAME.into(),
            version: 1,
            title: self.layout.root().metadata.title.clone(),
            kind: "course".into(),
            items: self.layout.root().items,
            plain_bytes: self.layout.root().plain_bytes,
            ..SearchRow::default()
        }
    }

    fn view(&self) -> CollectionView {
        let mut items: Vec<ItemView> = Vec::new();
        for item in self.layout.items() {
            let file = |file: &karez_protocol::content::manifest::FilePart| FileView {
                path: file.path.to_string(),
                role: file.role.name().into(),
                media_type: file.media_type.clone(),
                bytes: file.size,
                url: Some(format!("http://127.0.0.1:4080/c/{NAME}/{}", file.path)),
                ..FileView::default()
            };
            let files: Vec<FileView> = item.files.iter().map(file).collect();
            items.push(ItemView {
                number: items.len() as u64 + 1,
                key: item.key.clone(),
                title: item.title.clone(),
                bytes: files.iter().map(|file| file.bytes).sum(),
                files,
                ..ItemView::default()
            });
        }
        let bytes = self.layout.root().plain_bytes;
        CollectionView {
            row: self.row(),
            shown_version: 1,
            wire_bytes: bytes,
            copy_bytes: bytes,
            items,
            ..Default::default()
        }
    }

    fn state(&self) -> CollectionState {
        let complete = self.is_complete();
        CollectionState {
            collection: NAME.into(),
            title: self.layout.root().metadata.title.clone(),
            version: 1,
            complete,
            state: if complete { "complete" } else { "waiting" }.into(),
            chunks: u64::from(self.layout.count()),
            stored_bytes: self.layout.root().stored_bytes,
            missing_without_holder: u64::from(!complete),
            waiting_for: vec!["flagship".into()],
            ..Default::default()
        }
    }
}

/// What the driver does when chunks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swarm {
    /// They come.
    Helpful,
    /// Nobody has them.
    Deserted,
}

/// A driver for one course. The receiver gets every list of urgent chunks.
pub(crate) fn driver(course: &Arc<Course>, swarm: Swarm) -> (Handle, mpsc::Receiver<Vec<ChunkIndex>>) {
    let (handle, mut inbox) = Handle::new();
    let (urgent, wanted) = mpsc::channel(64);
    let course = course.clone();
    tokio::spawn(async move {
        while let Some(command) = inbox.recv().await {
            answer(&course, swarm, &urgent, command).await;
        }
    });
    (handle, wanted)
}

async fn answer(course: &Course, swarm: Swarm, urgent: &mpsc::Sender<Vec<ChunkIndex>>, command: Command) {
    let unknown = |name: &dyn ToString| HandleError::UnknownCollection { collection: name.to_string() };
    match command {
        Command::Open(name, reply) if name.to_string() == NAME => drop(reply.send(Ok(course.pull()))),
        Command::Open(name, reply) => drop(reply.send(Err(unknown(&name)))),
        Command::Show(name, reply) if name.to_string() == NAME => {
            drop(reply.send(Ok(Shown { view: course.view(), pull: course.pull() })))
        }
        Command::Show(name, reply) => drop(reply.send(Err(unknown(&name)))),
        Command::Want(_, reply) => {
            if swarm == Swarm::Helpful {
                course.arrive_whole();
            }
            let _ = reply.send(Ok(()));
        }
        Command::Follow(_, _, reply) => drop(reply.send(Ok(()))),
        Command::Urgent(_, _, chunks) => {
            if swarm == Swarm::Helpful {
                course.arrive(chunks.clone());
            }
            let _ = urgent.try_send(chunks);
        }
        Command::Search(_, reply) => drop(reply.send(vec![course.row()])),
        Command::Status(reply) => {
            drop(reply.send(Status { collections: vec![course.state()], ..Status::default() }));
        }
        Command::Publish(request, _, events) => publish(&request.dir, &events).await,
        Command::Courier(_) | Command::Imported(..) | Command::Care(_) | Command::Stop => {}
    }
}

async fn publish(dir: &Path, events: &mpsc::Sender<PublishEvent>) {
    let _ = events.send(PublishEvent::Packing { files: 1, bytes: 5, total: 10 }).await;
    let last = match dir.exists() {
        true => PublishEvent::Done(Box::new(Published { version: 2, ..Published::default() })),
        false => PublishEvent::Failed(PackFailure::NoFolder { path: dir.display().to_string() }.into()),
    };
    let _ = events.send(last).await;
}
