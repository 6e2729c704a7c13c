//! `karez-content inspect`: what a packed collection holds.

use super::Wrong;
use karez_content_tools::export::LoadError;
use karez_content_tools::pages::{Course, File, Pages};
use karez_content_tools::speech::Voice;
use karez_protocol::content::hash::ManifestId;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// A manifest id, `PUBLISHER/NAME[@VERSION]`, or a file with a manifest root.
    manifest: String,
    /// The store that holds it.
    #[arg(long)]
    store: PathBuf,
    /// Only the files of this item: its top-level folder or file.
    #[arg(long)]
    item: Option<String>,
}

/// Files as they are read from the pages.
type Listed<'p> = Box<dyn Iterator<Item = Result<File, LoadError>> + 'p>;

/// Runs the command.
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let json = voice.json;
    let store = super::open_to_look(&flags.store)?;
    let (manifest, pages) = super::load(&flags.manifest, &store)?;
    if let Some(item) = &flags.item {
        let known = pages.files_of(item)?.next().transpose()?.is_some();
        let wrong = || Wrong::NoItem { manifest: flags.manifest.clone(), item: item.clone() };
        anyhow::ensure!(known, wrong());
    }
    let choice = Choice::of(flags.item.as_deref(), &pages)?;
    if json { print_json(manifest, &pages, &choice) } else { print_text(manifest, &pages, &choice, voice) }?;
    Ok(ExitCode::SUCCESS)
}

/// What is listed.
struct Choice<'p> {
    /// One item, or all.
    item: Option<&'p str>,
    course: Course,
}

impl<'p> Choice<'p> {
    fn of(item: Option<&'p str>, pages: &Pages<'_>) -> Result<Self, LoadError> {
        let course = if item.is_some() { Course::default() } else { pages.course()? };
        Ok(Self { item, course })
    }

    /// The files, in the order of the course.
    fn files<'a>(&'a self, pages: &'a Pages<'_>) -> Result<Listed<'a>, LoadError> {
        Ok(match self.item {
            Some(item) => Box::new(pages.files_of(item)?),
            None => Box::new(pages.files_in_course(&self.course)),
        })
    }
}

/// Pages whose empty folders are listed: they belong to no item.
fn folder_pages(pages: &Pages<'_>, item: Option<&str>) -> Range<usize> {
    if item.is_some() { 0..0 } else { 0..pages.len() }
}

fn print_text(manifest: ManifestId, pages: &Pages<'_>, only: &Choice<'_>, voice: &Voice) -> anyhow::Result<()> {
    let root = pages.root();
    let mut out = BufWriter::new(io::stdout().lock());
    let counted = |key: &str, count: u64| voice.text(key, &[("count", count.into())]);
    super::line(&mut out, &format!("{} ({})", root.metadata.title, root.metadata.kind.name()))?;
    super::line(&mut out, &voice.text("manifest", &[("id", manifest.to_string().into())]))?;
    let sizes = [
        ("items", counted("items", root.items).into()),
        ("files", counted("files", root.files).into()),
        ("bytes", counted("bytes", root.plain_bytes).into()),
        ("stored", counted("bytes", root.stored_bytes).into()),
    ];
    super::line(&mut out, &voice.text("inspect-sizes", &sizes))?;
    let rows = counted("rows", u64::from(pages.space().count()));
    let listed = [("pages", counted("pages", root.pages.len() as u64).into()), ("rows", rows.into())];
    super::line(&mut out, &voice.text("inspect-pages", &listed))?;
    let empty = voice.text("inspect-empty", &[]);
    let mut item = None;
    for file in only.files(pages)? {
        let file = file?;
        if item.as_ref() != Some(&file.item) {
            super::line(&mut out, &item_line(&file))?;
        }
        let (head, role) = (&file.head, file.head.role.name());
        super::line(&mut out, &format!("  {:>14}  {role:<10}  {}", head.size, head.path))?;
        item = Some(file.item);
    }
    for page in folder_pages(pages, only.item) {
        for folder in &pages.page(page)?.empty_folders {
            super::line(&mut out, &format!("  {:>14}  {empty:<10}  {folder}/", ""))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// An item's key, and its title where that says more.
fn item_line(file: &File) -> String {
    let stem = file.item.rsplit_once('.').map_or(file.item.as_str(), |(stem, _)| stem);
    let says_more = !file.title.is_empty() && file.title != file.item && file.title != stem;
    if says_more { format!("{}  {}", file.item, file.title) } else { file.item.clone() }
}

/// Written as it is read, so that a million files need no memory: the lists last, an entry on a line.
fn print_json(manifest: ManifestId, pages: &Pages<'_>, only: &Choice<'_>) -> anyhow::Result<()> {
    let head = serde_json::to_string_pretty(&head_json(manifest, pages))?;
    let head = head.strip_suffix("\n}").expect("a document that is not empty ends so");
    let mut out = BufWriter::new(io::stdout().lock());
    write!(out, "{head},\n  \"files\": [")?;
    let mut comma = "";
    for file in only.files(pages)? {
        write!(out, "{comma}\n    {}", file_json(&file?))?;
        comma = ",";
    }
    write!(out, "\n  ],\n  \"empty_folders\": [")?;
    comma = "";
    for page in folder_pages(pages, only.item) {
        for folder in &pages.page(page)?.empty_folders {
            write!(out, "{comma}\n    {}", json!(folder.to_string()))?;
            comma = ",";
        }
    }
    writeln!(out, "\n  ]\n}}")?;
    out.flush()?;
    Ok(())
}

fn head_json(manifest: ManifestId, pages: &Pages<'_>) -> Value {
    let root = pages.root();
    let metadata = &root.metadata;
    json!({
        "manifest": manifest.to_string(),
        "kind": metadata.kind.name(),
        "title": metadata.title,
        "creators": metadata.creators,
        "languages": metadata.languages,
        "subject": metadata.subject,
        "grade": metadata.grade,
        "term": metadata.term,
        "edition": metadata.edition,
        "licence": metadata.licence,
        "rights": metadata.rights,
        "description": metadata.description,
        "plain_bytes": root.plain_bytes,
        "stored_bytes": root.stored_bytes,
        "pages": root.pages.len(),
        "chunk_rows": pages.space().count(),
        "items": root.items,
    })
}

fn file_json(file: &File) -> Value {
    json!({
        "item": file.item,
        "title": file.title,
        "path": file.head.path.to_string(),
        "role": file.head.role.name(),
        "media_type": file.head.media_type,
        "language": file.head.language,
        "size": file.head.size,
        "executable": file.head.executable,
    })
}
