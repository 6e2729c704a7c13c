//! The manifest: one version of a collection, described in two levels.
//!
//! A small root page names the pages; pages are themselves chunks. A page lists items with their files and the chunk
//! table of exactly those files, with indexes local to the page, so an edit changes the pages of the edited files only.

use super::chunk::ChunkEntry;
use super::path::ContentPath;
use super::recipe::{self, Recipe, RowSlice};
use super::{Document, DocumentError, Header};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use std::ops::Range;

/// Most pages of one manifest.
pub const PAGES_MAX: usize = 65_536;
/// Most chunk rows of one page.
pub const PAGE_CHUNKS_MAX: usize = 8_192;

/// Most rows that the runs of one page may name together. Runs may repeat rows, so without a bound a page of 1 MiB could
/// describe a list of chunks that fits no memory.
pub const PAGE_RUN_ROWS_MAX: u64 = 65_536;

/// Index of [`Page::recipes`], which a reader must understand.
const RECIPES_FIELD: u16 = 4;

/// What a collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// A course of lessons.
    #[n(0)]
    Course,
    /// Recordings of consultations.
    #[n(1)]
    Consultation,
    /// Care training.
    #[n(2)]
    Care,
    /// Books, papers, archives.
    #[n(3)]
    Library,
    /// Performances, exhibitions.
    #[n(4)]
    Culture,
    /// Sport.
    #[n(5)]
    Sport,
}

impl Kind {
    /// All kinds with their names in commands and `--json`.
    pub const ALL: [(Kind, &'static str); 6] = [
        (Kind::Course, "course"),
        (Kind::Consultation, "consultation"),
        (Kind::Care, "care"),
        (Kind::Library, "library"),
        (Kind::Culture, "culture"),
        (Kind::Sport, "sport"),
    ];

    /// The kind's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("course", |(_, name)| name)
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// Descriptive metadata of a collection. Field names follow Dublin Core and LRMI.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Metadata {
    /// What the collection is.
    #[n(0)]
    pub kind: Kind,
    /// Title as people read it.
    #[n(1)]
    pub title: String,
    /// People and organisations who made it.
    #[n(2)]
    #[cbor(default)]
    pub creators: Vec<String>,
    /// BCP-47 language tags.
    #[n(3)]
    #[cbor(default)]
    pub languages: Vec<String>,
    /// School subject or field.
    #[n(4)]
    pub subject: Option<String>,
    /// Grade or audience.
    #[n(5)]
    pub grade: Option<String>,
    /// School term.
    #[n(6)]
    pub term: Option<String>,
    /// Textbook edition it belongs to.
    #[n(7)]
    pub edition: Option<String>,
    /// Licence, SPDX identifier or text.
    #[n(8)]
    pub licence: Option<String>,
    /// Rights holder and conditions.
    #[n(9)]
    pub rights: Option<String>,
    /// Sensitivity class; `open` when absent.
    #[n(10)]
    pub sensitivity: Option<String>,
    /// Anything else, kept as it came.
    #[n(11)]
    #[cbor(default)]
    pub ext: BTreeMap<String, String>,
    /// A few sentences about it.
    #[n(12)]
    pub description: Option<String>,
}

/// The root page.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestRoot {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// Description.
    #[n(1)]
    pub metadata: Metadata,
    /// The pages, in item order.
    #[n(2)]
    pub pages: Vec<PageRef>,
    /// Sum of file sizes, in bytes.
    #[n(3)]
    pub plain_bytes: u64,
    /// Stored bytes of the unique chunks, pages included: the denominator of copies.
    #[n(4)]
    pub stored_bytes: u64,
    /// Number of files.
    #[n(5)]
    pub files: u64,
    /// Number of items.
    #[n(6)]
    pub items: u64,
}

/// A page, as the root names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PageRef {
    /// The page as a chunk.
    #[n(0)]
    pub entry: ChunkEntry,
    /// Rows of its chunk table.
    #[n(1)]
    pub chunks: u32,
    /// Items that start in it.
    #[n(2)]
    pub items: u32,
    /// Bytes of files (or parts of files) described by it.
    #[n(3)]
    pub plain_bytes: u64,
}

/// A page: a run of items, with the chunk table of their files.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Page {
    /// Format and suite.
    #[n(0)]
    pub header: Header,
    /// Items or parts of items, in order.
    #[n(1)]
    pub items: Vec<Item>,
    /// The chunk table of this page.
    #[n(2)]
    pub chunks: Vec<ChunkEntry>,
    /// Folders that hold nothing, so that an export can make them.
    #[n(3)]
    #[cbor(default)]
    pub empty_folders: Vec<ContentPath>,
    /// How files that were taken apart into streams are put together again. A page that has any names this field as
    /// critical; one that has none leaves it out.
    #[n(4)]
    pub recipes: Option<Vec<Recipe>>,
}

/// A lesson, study or book. An item whose files do not fit one page goes on in the next under the same key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Item {
    /// Stable key: the name of its folder or file.
    #[n(0)]
    pub key: String,
    /// Title as people read it.
    #[n(1)]
    pub title: String,
    /// Its files or parts of files.
    #[n(2)]
    pub files: Vec<FilePart>,
    /// Anything else, kept as it came.
    #[n(3)]
    #[cbor(default)]
    pub ext: BTreeMap<String, String>,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// The lesson itself.
    #[n(0)]
    Main,
    /// The same at another bitrate.
    #[n(1)]
    Rendition,
    /// Subtitles.
    #[n(2)]
    Subtitle,
    /// Handouts and the like.
    #[n(3)]
    Attachment,
    /// A picture that stands for the item or collection.
    #[n(4)]
    Cover,
}

impl Role {
    /// The role's name in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Rendition => "rendition",
            Self::Subtitle => "subtitle",
            Self::Attachment => "attachment",
            Self::Cover => "cover",
        }
    }
}

/// A file, or the part of a large file that this page describes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FilePart {
    /// Path inside the collection.
    #[n(0)]
    pub path: ContentPath,
    /// What it is for.
    #[n(1)]
    pub role: Role,
    /// Media type (RFC 6838).
    #[n(2)]
    pub media_type: String,
    /// Size of the whole file, in bytes.
    #[n(3)]
    pub size: u64,
    /// Where this part starts in the file, in bytes.
    #[n(4)]
    pub offset: u64,
    /// Whether the owner may execute it.
    #[n(5)]
    pub executable: bool,
    /// Number of the cut profile.
    #[n(6)]
    pub cut_profile: u8,
    /// The part's bytes: runs of rows of this page's chunk table, one behind the other.
    #[n(7)]
    pub runs: Vec<Run>,
    /// BCP-47 language, for subtitles.
    #[n(8)]
    pub language: Option<String>,
    /// Number of the part's recipe in this page; `runs` is empty then.
    #[n(9)]
    pub recipe: Option<u32>,
}

/// Consecutive rows of a chunk table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Run {
    /// First row.
    #[n(0)]
    pub first: u32,
    /// Number of rows.
    #[n(1)]
    pub count: u32,
}

impl Document for ManifestRoot {
    const NAME: &'static str = "manifest";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 6;
    const BYTES_MAX: usize = 8 << 20;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        if self.pages.len() > PAGES_MAX {
            return Err(Self::invalid("too many pages"));
        }
        let mut indexes = self.pages.len() as u64;
        for page in &self.pages {
            if !page.entry.is_consistent() || page.chunks as usize > PAGE_CHUNKS_MAX {
                return Err(Self::invalid("a page's lengths are out of bounds"));
            }
            indexes += u64::from(page.chunks);
        }
        if indexes > u64::from(u32::MAX) {
            return Err(Self::invalid("too many chunks"));
        }
        Ok(())
    }
}

impl Document for Page {
    const NAME: &'static str = "manifest page";
    const FORMAT: u16 = 1;
    const FIELD_MAX: u16 = 4;
    const BYTES_MAX: usize = super::chunk::PLAIN_BYTES_MAX as usize;

    fn header(&self) -> &Header {
        &self.header
    }

    fn validate(&self) -> Result<(), DocumentError> {
        if self.chunks.len() > PAGE_CHUNKS_MAX || !self.chunks.iter().all(ChunkEntry::is_consistent) {
            return Err(Self::invalid("the chunk table is out of bounds"));
        }
        let (rows, extent_bytes) = self.work();
        if rows > PAGE_RUN_ROWS_MAX {
            return Err(Self::invalid("its runs name too many rows"));
        }
        if extent_bytes > Self::BYTES_MAX as u64 {
            return Err(Self::invalid("too many files share a recipe"));
        }
        self.items.iter().flat_map(|item| &item.files).try_for_each(|file| self.validate_file(file))
    }
}

impl Page {
    /// A page; its header says which fields a reader must understand.
    pub fn new(
        items: Vec<Item>,
        chunks: Vec<ChunkEntry>,
        empty_folders: Vec<ContentPath>,
        recipes: Vec<Recipe>,
    ) -> Self {
        let mut header = Self::new_header();
        let recipes = (!recipes.is_empty()).then_some(recipes);
        if recipes.is_some() {
            header.critical.push(RECIPES_FIELD);
        }
        Self { header, items, chunks, empty_folders, recipes }
    }

    /// What reading all parts takes: rows of runs, and bytes of extents. A recipe counts for each part that names it, or
    /// else a page of 1 MiB whose parts share one recipe could ask for hours.
    fn work(&self) -> (u64, u64) {
        let rows = |runs: &[Run]| runs.iter().map(|run| u64::from(run.count)).sum::<u64>();
        let recipes = self.recipes.as_deref().unwrap_or_default();
        let mut uses = vec![0; recipes.len()];
        let mut all_rows = 0u64;
        for file in self.items.iter().flat_map(|item| &item.files) {
            all_rows = all_rows.saturating_add(rows(&file.runs));
            if let Some(uses) = file.recipe.and_then(|number| uses.get_mut(number as usize)) {
                *uses += 1;
            }
        }
        let mut extent_bytes = 0u64;
        for (recipe, uses) in recipes.iter().zip(uses) {
            let in_streams = recipe.streams.iter().map(|stream| rows(&stream.runs)).sum::<u64>();
            all_rows = all_rows.saturating_add(in_streams.saturating_mul(u64::max(uses, 1)));
            extent_bytes = extent_bytes.saturating_add(recipe.extents.len() as u64 * uses);
        }
        (all_rows, extent_bytes)
    }

    fn validate_file(&self, file: &FilePart) -> Result<(), DocumentError> {
        let end = self.part_bytes(file).and_then(|bytes| bytes.checked_add(file.offset));
        match end {
            Some(end) if end <= file.size => Ok(()),
            _ => Err(Self::invalid(format!("the chunks of '{}' do not fit its size", file.path))),
        }
    }

    /// Plaintext bytes of a part; `None` when something points outside the table, or its recipe is not usable.
    pub fn part_bytes(&self, file: &FilePart) -> Option<u64> {
        match file.recipe {
            None => recipe::bytes_of(&file.runs, &self.chunks),
            Some(_) if !file.runs.is_empty() => None,
            Some(_) => self.recipe_of(file)?.bytes(&self.chunks),
        }
    }

    /// The rows that make up the bytes `range` of a part, counted from the part's first byte, in order.
    pub fn part_slices(&self, file: &FilePart, range: Range<u64>) -> Vec<RowSlice> {
        match self.recipe_of(file) {
            Some(recipe) => recipe.slices(&self.chunks, range),
            None => recipe::slices_of_runs(&file.runs, &self.chunks, range),
        }
    }

    /// Calls back with what decides a part's bytes: the ids of its chunks, and how they are put together.
    pub fn part_fingerprint(&self, file: &FilePart, visit: &mut impl FnMut(&[u8])) {
        let mut rows = |runs: &[Run]| {
            let rows = runs.iter().flat_map(|run| run.first..run.first.saturating_add(run.count));
            rows.filter_map(|row| self.chunks.get(row as usize)).for_each(|entry| visit(entry.id.as_bytes()));
        };
        rows(&file.runs);
        let Some(recipe) = self.recipe_of(file) else { return };
        recipe.streams.iter().for_each(|stream| rows(&stream.runs));
        recipe.streams.iter().for_each(|stream| visit(&stream.skip.to_le_bytes()));
        visit(&recipe.extents);
    }

    /// The runs of rows that a part is made of, in streams or not, in no order of bytes.
    pub fn part_runs<'a>(&'a self, file: &'a FilePart) -> impl Iterator<Item = &'a Run> {
        let streams = self.recipe_of(file).into_iter().flat_map(|recipe| &recipe.streams);
        file.runs.iter().chain(streams.flat_map(|stream| &stream.runs))
    }

    fn recipe_of(&self, file: &FilePart) -> Option<&Recipe> {
        self.recipes.as_ref()?.get(file.recipe? as usize)
    }
}
