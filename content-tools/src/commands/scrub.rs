//! `karez-content scrub`: reads the store again little by little, no faster than told, and goes on where it was stopped.

use super::{lost, size};
use indicatif::ProgressBar;
use karez_content_tools::shortfall::{self, Survey};
use karez_content_tools::speech::Voice;
use karez_content_tools::store::{DamagedChunk, ScrubCursor, Store};
use karez_protocol::content::hash::ChunkId;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Chunks per step: some megabytes, between which the pace is kept.
const STEP_CHUNKS: u32 = 64;
/// Bytes after which the place is noted: a kill costs reading these again.
const NOTE_BYTES: u64 = 256 << 20;

/// Flags of `scrub`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The store to check. Damaged chunks leave its index, so that a node fetches them again.
    #[arg(long)]
    store: PathBuf,
    /// Bytes a second to read at most, for example 20M; as fast as the disk without it.
    #[arg(long, value_parser = size)]
    rate: Option<u64>,
    /// Go on where the last scrub was stopped.
    #[arg(long)]
    resume: bool,
}

/// Runs the command.
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let store = super::open_to_check(&flags.store)?;
    let from = if flags.resume { store.noted_scrub()? } else { ScrubCursor::default() };
    let note = |cursor: &ScrubCursor| match store.is_read_only() {
        true => Ok(()),
        false => Ok(store.note_scrub(cursor)?),
    };
    let found = read_again(&store, from, flags.rate, note)?;
    note(&ScrubCursor::default())?;
    found.report(voice)
}

/// What reading a store again came to.
#[derive(Debug, Default)]
pub(super) struct Found {
    skipped: u64,
    checked: u64,
    bytes: u64,
    damaged: Vec<ChunkId>,
    /// Files outside the store that no longer hold what they held.
    files: Vec<ChangedFile>,
    /// Of all chunks in the list of damaged ones, those that no version needs.
    unneeded: BTreeSet<ChunkId>,
    /// How the versions stand after that.
    survey: Survey,
}

/// A file outside the store that no longer holds what it held.
#[derive(Debug)]
struct ChangedFile {
    path: PathBuf,
    /// Chunks that are no longer in it.
    chunks: u64,
    /// How many of them no version needs.
    unneeded: u64,
}

/// Files named in a report.
const FILES_MAX: u32 = 100;

/// Reads every chunk from a place on, no faster than `rate` bytes a second; `note` hears every 256 MiB how far it is.
pub(super) fn read_again(
    store: &Store,
    mut cursor: ScrubCursor,
    rate: Option<u64>,
    note: impl Fn(&ScrubCursor) -> anyhow::Result<()>,
) -> anyhow::Result<Found> {
    let mut found = Found { skipped: store.chunks_before(&cursor)?, ..Found::default() };
    let bar = ProgressBar::new(store.stats().chunks);
    bar.inc(found.skipped);
    let (begun, mut noted) = (Instant::now(), 0);
    loop {
        let step = store.scrub(&mut cursor, STEP_CHUNKS)?;
        bar.inc(step.checked);
        found.checked += step.checked;
        found.bytes += step.bytes;
        found.damaged.extend(step.damaged);
        if step.done {
            break;
        }
        if found.bytes - noted >= NOTE_BYTES {
            note(&cursor)?;
            noted = found.bytes;
        }
        pause(begun, found.bytes, rate);
    }
    bar.finish_and_clear();
    found.survey = shortfall::survey(store, |_| {})?;
    let noted = store.damaged()?;
    let ids = noted.iter().map(|chunk| chunk.id).chain(found.damaged.iter().copied());
    found.unneeded = shortfall::unneeded(store, ids.collect())?;
    found.files = changed_files(store, &noted, &found.unneeded)?;
    Ok(found)
}

fn changed_files(
    store: &Store,
    noted: &[DamagedChunk],
    unneeded: &BTreeSet<ChunkId>,
) -> anyhow::Result<Vec<ChangedFile>> {
    let mut of_file = BTreeMap::<&Path, u64>::new();
    for chunk in noted.iter().filter(|chunk| unneeded.contains(&chunk.id)) {
        if let Some(file) = &chunk.file {
            *of_file.entry(file).or_default() += 1;
        }
    }
    let files = store.changed_files(FILES_MAX)?.into_iter();
    Ok(files
        .map(|(path, chunks)| {
            let unneeded = of_file.get(path.as_path()).copied().unwrap_or(0);
            ChangedFile { path, chunks, unneeded }
        })
        .collect())
}

/// Keeps the pace that the user asked for: sleeps until so many bytes are due.
fn pause(begun: Instant, bytes: u64, rate: Option<u64>) {
    let Some(rate) = rate else { return };
    let due = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
    std::thread::sleep(due.saturating_sub(begun.elapsed()));
}

impl ChangedFile {
    fn said(&self, voice: &Voice) -> String {
        let arguments = [("path", self.path.display().to_string().into()), ("chunks", self.chunks.into())];
        let text = voice.text("scrub-file-changed", &arguments);
        match self.unneeded {
            0 => text,
            unneeded => text + &voice.text("scrub-file-unneeded", &[("unneeded", unneeded.into())]),
        }
    }
}

impl Found {
    /// Prints it; exit code 1 when something is damaged or lost.
    pub(super) fn report(&self, voice: &Voice) -> anyhow::Result<ExitCode> {
        let json = voice.json;
        let Self { skipped, checked, bytes, damaged, files, unneeded, survey } = self;
        if json {
            let file = |it: &ChangedFile| json!({"path": it.path, "chunks": it.chunks, "unneeded": it.unneeded});
            let files: Vec<_> = files.iter().map(file).collect();
            let unneeded: Vec<_> = damaged.iter().filter(|id| unneeded.contains(id)).map(ToString::to_string).collect();
            let damaged: Vec<_> = damaged.iter().map(ToString::to_string).collect();
            let mut document = json!({
                "checked": checked, "skipped": skipped, "bytes": bytes, "damaged": damaged, "unneeded": unneeded, "files": files
            });
            document.as_object_mut().into_iter().for_each(|document| lost::add_json(survey, &voice.english, document));
            super::print_json(&document)?;
        } else {
            let mut out = io::stdout().lock();
            for chunk in damaged {
                let text = voice.text("damaged", &[("chunk", chunk.to_string().into())]);
                let more = if unneeded.contains(chunk) { voice.text("damaged-unneeded", &[]) } else { String::new() };
                super::line(&mut out, &(text + &more))?;
            }
            for file in files {
                super::line(&mut out, &file.said(voice))?;
            }
            lost::print(survey, voice, &mut out)?;
            let lost = survey.lost().count() + survey.unreadable.len();
            let versions = survey.versions + survey.unreadable.len() as u64;
            let checked = [
                ("checked", (*checked).into()),
                ("damaged", damaged.len().into()),
                ("lost", lost.into()),
                ("versions", versions.into()),
            ];
            super::line(&mut out, &voice.text("scrub-done", &checked))?;
        }
        Ok(if damaged.is_empty() && survey.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
