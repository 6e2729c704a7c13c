//! The catalogue as people and programs without a membership see it: a line per collection, and a search over it.

use super::SHOWN;
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::content::release::Release;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// Most collections in one answer.
pub(super) const LISTINGS_MAX: usize = 10_000;
/// Longest search text looked at, in characters.
const QUERY_CHARS_MAX: usize = 200;

/// One collection in `GET /v1/catalogue.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// `publisher/name`.
    pub collection: String,
    /// Newest version.
    pub version: u64,
    /// Title as people read it.
    pub title: String,
    /// What it is, for example `course`.
    pub kind: String,
    /// Number of files.
    pub files: u64,
    /// Number of items.
    pub items: u64,
    /// Sum of file sizes, in bytes.
    pub bytes: u64,
    /// Bytes that travel to a site that holds nothing yet.
    pub stored_bytes: u64,
    /// The namespace.
    pub publisher: String,
    /// When it was issued, in seconds of Unix time.
    pub issued: u64,
    /// Who made it.
    pub creators: Vec<String>,
    /// BCP-47 language tags.
    pub languages: Vec<String>,
    /// A few sentences about it.
    pub description: Option<String>,
}

impl Listing {
    pub(super) fn of(release: &Release, root: &ManifestRoot) -> Self {
        Self {
            collection: release.collection.to_string(),
            version: release.version,
            title: root.metadata.title.clone(),
            kind: root.metadata.kind.name().to_owned(),
            files: root.files,
            items: root.items,
            bytes: release.plain_bytes,
            stored_bytes: release.stored_bytes,
            publisher: release.collection.publisher().to_string(),
            issued: release.issued,
            creators: root.metadata.creators.clone(),
            languages: root.metadata.languages.clone(),
            description: root.metadata.description.clone(),
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always become JSON")
    }

    /// What is searched, in lower case.
    pub(super) fn words(&self) -> String {
        let description = self.description.as_deref().unwrap_or_default();
        let creators = self.creators.join("\n");
        [&self.title, &self.collection, description, &creators].join("\n").to_lowercase()
    }
}

/// Collections whose title, name, description or creators hold every word of the query, by name. Words are found inside
/// words, so two characters of Chinese are enough.
pub(crate) fn search(conn: &Connection, query: &str) -> rusqlite::Result<Vec<Listing>> {
    let query: String = query.chars().take(QUERY_CHARS_MAX).collect::<String>().to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut statement = conn.prepare_cached(&format!("SELECT r.words, r.listing {SHOWN} ORDER BY r.collection"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str()?;
        if found.len() < LISTINGS_MAX && words.iter().all(|word| text.contains(word)) {
            let listing = row.get_ref(1)?.as_str()?;
            found.extend(serde_json::from_str::<Listing>(listing).ok());
        }
    }
    Ok(found)
}
