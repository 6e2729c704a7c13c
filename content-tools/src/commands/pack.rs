//! `karez-content pack`: a folder becomes the next version of a draft, or nothing when it has not changed.

use super::{Wrong, complaint::notice_json, line};
use indicatif::{ProgressBar, ProgressStyle};
use karez_content_tools::own_folders::OwnFolders;
use karez_content_tools::pack::{PackOptions, Packed, PlainContainer, Plans, Progress, check_place, pack};
use karez_content_tools::package;
use karez_content_tools::pages::Pages;
use karez_content_tools::quote::{self, Held};
use karez_content_tools::rendition::Height;
use karez_content_tools::speech::Voice;
use karez_content_tools::store::HeldRelease;
use karez_protocol::content::hash::ManifestId;
use karez_protocol::content::manifest::Kind;
use karez_protocol::content::name::CollectionName;
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Flags of `pack`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The folder to pack.
    dir: PathBuf,
    /// The store to pack into; created when it is not there.
    #[arg(long)]
    store: PathBuf,
    /// What the collection is: course, consultation, care, library, culture or sport.
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// Title; wins over `collection.toml`.
    #[arg(long)]
    title: Option<String>,
    /// Pack what is inside .tar.gz and .tar.zst files instead of refusing these.
    #[arg(long)]
    unpack: bool,
    /// Pack archives of consultations and care that cannot be looked into for medical pictures.
    #[arg(long)]
    unchecked: bool,
    /// Heights at which films are packed as well, such as 360p,480p: needs ffmpeg.
    #[arg(long, value_name = "360p,480p", value_delimiter = ',')]
    renditions: Vec<Height>,
    /// Name under which versions are counted; made from the folder's name when absent.
    #[arg(long, value_name = "PUBLISHER/NAME")]
    collection: Option<CollectionName>,
    /// Read every file again, also those that have not changed since they were packed into this store.
    #[arg(long)]
    read_all: bool,
    /// Do not copy: what does not compress stays in the folder's files, which must then be left where and as they are.
    #[arg(long)]
    in_place: bool,
}

fn kind(name: &str) -> Result<Kind, String> {
    let known = Kind::ALL.map(|(_, name)| name).join(", ");
    Kind::from_name(name).ok_or_else(|| format!("expected one of {known}"))
}

/// A packed folder and its place among the versions.
struct Outcome {
    packed: Packed,
    collection: CollectionName,
    version: u64,
    changed: bool,
    wire_bytes: u64,
}

/// Runs the command.
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let outcome = pack_next(flags, voice)?;
    if voice.json { print_json(&outcome) } else { print_text(&outcome, voice) }?;
    Ok(ExitCode::SUCCESS)
}

fn pack_next(flags: &Flags, voice: &Voice) -> anyhow::Result<Outcome> {
    // Before a store is created for it.
    anyhow::ensure!(flags.dir.exists(), Wrong::NoFolder { dir: flags.dir.clone() });
    check_place(&flags.dir, &OwnFolders::of([flags.store.as_path()]))?;
    let store = super::open(&flags.store)?;
    let collection = match &flags.collection {
        Some(name) => name.clone(),
        None => draft_name(&flags.dir)?,
    };
    let options = PackOptions {
        kind: flags.kind,
        title: flags.title.clone(),
        unpack: flags.unpack,
        unchecked: flags.unchecked,
        renditions: flags.renditions.clone(),
        read_all: flags.read_all,
        in_place: flags.in_place,
        keep_out: Vec::new(),
    };
    let mut display = Display::new(voice);
    let packed = pack(&flags.dir, &options, &store, &mut |progress| display.show(progress))?;
    display.bar.finish_and_clear();
    // A damaged draft had its number: nothing else may be called so, and what has changed since nobody can say.
    let highest = store.highest_draft(&collection)?;
    let last = store.drafts()?.into_iter().find(|last| last.collection == collection && last.version == highest);
    let version =
        highest.checked_add(1).ok_or_else(|| anyhow::anyhow!("version {highest} is the last there can be"))?;
    if let Some(last) = last.as_ref().filter(|last| ManifestId::of(&last.root) == packed.manifest) {
        return Ok(Outcome { packed, collection, version: last.version, changed: false, wire_bytes: 0 });
    }
    let new = Pages::open(&packed.root_bytes, &store)?;
    let old = last.map(|last| Pages::open(&last.root, &store)).transpose()?;
    let wire_bytes = match &old {
        Some(old) => quote::wire_bytes(&new, Held::Version(old))?,
        None if highest == 0 => quote::wire_bytes(&new, Held::Nothing)?,
        // What the last version named nobody can read; the store knows what is new.
        None => packed.new_stored_bytes,
    };
    let root = packed.root_bytes.clone();
    let draft = HeldRelease { collection: collection.clone(), version, signed: Vec::new(), root, whole: true };
    store.save_draft(&draft)?;
    Ok(Outcome { packed, collection, version, changed: true, wire_bytes })
}

/// `local/FOLDER`; a folder whose name may not stand in a collection name is named by a hash of it.
fn draft_name(dir: &Path) -> anyhow::Result<CollectionName> {
    let real = dir.canonicalize().map_err(|source| Wrong::Unreadable { path: dir.into(), source })?;
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    if let Ok(plain) = format!("local/{name}").parse() {
        return Ok(plain);
    }
    let hash = &blake3::hash(name.as_bytes()).to_hex()[..12];
    Ok(format!("local/folder-{hash}").parse()?)
}

/// Seconds between lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// A bar on a terminal, lines elsewhere.
struct Display<'a> {
    voice: &'a Voice,
    bar: ProgressBar,
    is_rendering: bool,
    begun: Instant,
    last_line: Instant,
}

impl<'a> Display<'a> {
    fn new(voice: &'a Voice) -> Self {
        let bar = ProgressBar::new(0).with_style(style(false));
        Self { voice, bar, is_rendering: false, begun: Instant::now(), last_line: Instant::now() }
    }

    fn show(&mut self, progress: Progress) {
        let Progress { files_done, files_total, bytes_done, bytes_total, rendering } = progress;
        if self.is_rendering != rendering.is_some() {
            self.is_rendering = rendering.is_some();
            self.begun = Instant::now();
            self.bar.set_style(style(self.is_rendering));
        }
        if !self.bar.is_hidden() {
            self.bar.set_length(bytes_total);
            self.bar.set_position(bytes_done);
            let what = rendering.map(|height| format!("{height} ")).unwrap_or_default();
            self.bar.set_message(format!("{what}{files_done}/{files_total}"));
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            self.voice.tell(&progress_line(self.voice, &progress, self.begun.elapsed().as_secs_f64()));
        }
    }
}

/// Of a film that is being made only the share is known: no bytes are.
fn style(is_rendering: bool) -> ProgressStyle {
    let template = match is_rendering {
        true => "{wide_bar} {percent} % {msg}",
        false => "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}",
    };
    ProgressStyle::with_template(template).expect("the templates are valid")
}

fn progress_line(voice: &Voice, progress: &Progress, seconds: f64) -> String {
    let Progress { files_done, files_total, bytes_done, bytes_total, rendering } = *progress;
    if let Some(height) = rendering {
        let arguments = [
            ("height", height.to_string().into()),
            ("number", (files_done + 1).into()),
            ("total", files_total.into()),
            ("percent", (bytes_done.saturating_mul(100) / bytes_total.max(1)).min(100).into()),
        ];
        return voice.text("pack-rendering", &arguments);
    }
    let left = seconds * bytes_total.saturating_sub(bytes_done) as f64 / bytes_done.max(1) as f64;
    let rate = bytes_done as f64 / seconds / 1e6;
    let arguments = [
        ("done", files_done.into()),
        ("total", files_total.into()),
        ("bytes", bytes_done.into()),
        ("all", bytes_total.into()),
        ("rate", format!("{rate:.0}").into()),
        ("left", format!("{left:.0}").into()),
    ];
    voice.text("pack-progress", &arguments)
}

fn print_text(outcome: &Outcome, voice: &Voice) -> anyhow::Result<()> {
    let Outcome { packed, collection, version, .. } = outcome;
    let mut out = io::stdout().lock();
    print_notes(packed, voice, &mut out)?;
    let root = &packed.root;
    let name = || ("collection", collection.to_string().into());
    if !outcome.changed {
        line(&mut out, &voice.text("pack-unchanged", &[name(), ("version", (*version).into())]))?;
    } else {
        let counted = |key: &str, count: u64| voice.text(key, &[("count", count.into())]);
        let (files, bytes) = (counted("files", packed.files), counted("bytes", root.plain_bytes));
        let done = [name(), ("version", (*version).into()), ("files", files.into()), ("bytes", bytes.into())];
        line(&mut out, &voice.text("pack-done", &done))?;
        let sizes = [("wire", outcome.wire_bytes.into()), ("stored", root.stored_bytes.into())];
        line(&mut out, &voice.text("pack-wire", &sizes))?;
    }
    if !outcome.changed && packed.chunks_new > 0 {
        let stored = [("chunks", packed.chunks_new.into()), ("bytes", packed.new_stored_bytes.into())];
        line(&mut out, &voice.text("pack-restored", &stored))?;
    }
    if packed.copied_bytes > 0 {
        line(&mut out, &voice.text("pack-copied", &[("bytes", packed.copied_bytes.into())]))?;
    }
    if packed.in_place_bytes > 0 {
        line(&mut out, &voice.text("pack-in-place", &[("bytes", packed.in_place_bytes.into())]))?;
    }
    line(&mut out, &voice.text("manifest", &[("id", packed.manifest.to_string().into())]))?;
    Ok(())
}

/// What was left out, and what there is to know about the rest.
fn print_notes(packed: &Packed, voice: &Voice, out: &mut impl Write) -> io::Result<()> {
    let skipped = &packed.skipped;
    let (leftovers, others): (Vec<_>, Vec<_>) = skipped.list.iter().partition(|skipped| skipped.reason.is_leftover());
    for skipped in &others {
        let reason = voice.text("skip-reason", &[("reason", skipped.reason.name().into())]);
        let arguments = [("path", skipped.path.as_str().into()), ("reason", reason.into())];
        line(out, &voice.text("pack-skipped", &arguments))?;
    }
    let more = skipped.more() - (skipped.leftovers() - leftovers.len() as u64);
    if more > 0 {
        line(out, &voice.text("skipped-more", &[("count", more.into())]))?;
    }
    if let Some(first) = leftovers.first() {
        let arguments = [("count", skipped.leftovers().into()), ("path", first.path.as_str().into())];
        line(out, &voice.text("skipped-leftovers", &arguments))?;
    }
    for warning in &packed.warnings.list {
        let text = package::said(&voice.texts, warning.code, &warning.detail);
        line(out, &voice.text("pack-warning", &[("path", warning.path.as_str().into()), ("text", text.into())]))?;
    }
    if packed.warnings.more > 0 {
        line(out, &voice.text("pack-warnings-more", &[("count", packed.warnings.more.into())]))?;
    }
    let given_up = packed.plans.given_up();
    if given_up > 0 {
        line(out, &voice.text("pack-plain", &[("count", given_up.into())]))?;
    }
    Ok(())
}

fn print_json(outcome: &Outcome) -> anyhow::Result<()> {
    let Outcome { packed, .. } = outcome;
    let skipped: Vec<_> = packed
        .skipped
        .list
        .iter()
        .map(|skipped| json!({"path": skipped.path, "reason": skipped.reason.name()}))
        .collect();
    super::print_json(&json!({
        "collection": outcome.collection.to_string(),
        "version": outcome.version,
        "changed": outcome.changed,
        "manifest": packed.manifest.to_string(),
        "files": packed.files,
        "items": packed.root.items,
        "renditions": packed.renditions,
        "in_place_bytes": packed.in_place_bytes,
        "copied_bytes": packed.copied_bytes,
        "empty_folders": packed.empty_folders,
        "plain_bytes": packed.root.plain_bytes,
        "stored_bytes": packed.root.stored_bytes,
        "wire_bytes": outcome.wire_bytes,
        "new_stored_bytes": packed.new_stored_bytes,
        "chunks": packed.chunks,
        "chunks_new": packed.chunks_new,
        "title": packed.root.metadata.title,
        "skipped": skipped,
        "skipped_more": packed.skipped.more(),
        "plans": plans_json(&packed.plans),
        "warnings": packed.warnings.list.iter().map(notice_json).collect::<Vec<_>>(),
        "warnings_more": packed.warnings.more,
    }))
}

/// How containers were cut, and why some were cut like any other file.
fn plans_json(plans: &Plans) -> serde_json::Value {
    let plain = |plain: &PlainContainer| {
        let (container, reason) = (plain.container.name(), plain.reason.name());
        json!({"path": plain.path.as_str(), "container": container, "reason": reason})
    };
    json!({
        "streams": plans.streams,
        "linear": plans.linear,
        "plain": plans.plain.iter().map(plain).collect::<Vec<_>>(),
        "plain_more": plans.plain_more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts;
    use karez_content_tools::speech::Lang;

    #[test]
    fn a_film_being_made_has_a_share_and_no_bytes() {
        let rendering = Some("360p".parse().unwrap());
        let progress = Progress { files_done: 0, files_total: 2, bytes_done: 15_000, bytes_total: 60_000, rendering };
        for (lang, said) in [
            (Lang::En, "making renditions, 1 of 2 (360p): 25 %"),
            (Lang::Zh, "正在制作低清版本，第 1 个，共 2 个（360p）：25 %"),
        ] {
            let voice = Voice { json: false, texts: texts(lang), english: texts(Lang::En) };
            assert_eq!(progress_line(&voice, &progress, 5.0), said);
        }
    }
}
