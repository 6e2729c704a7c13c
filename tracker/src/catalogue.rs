//! The catalogue: signed releases with their root pages, in the order they came.
//!
//! A release enters when the publisher of its namespace signed it, it is the next version, and its root page is the one
//! it names. What is handed out is filtered by the roster of now: releases of a publisher that was revoked are kept
//! (versions go on from there) but no longer shown.

mod listing;

pub use listing::Listing;
pub(crate) use listing::search;

use crate::refusal::RequestError;
use crate::registry;
use karez_protocol::content::Document as _;
use karez_protocol::content::hash::{ManifestId, NetworkId};
use karez_protocol::content::manifest::ManifestRoot;
use karez_protocol::content::name::PublisherName;
use karez_protocol::content::release::Release;
use karez_protocol::trust::{PublicKey, SignatureError, Signed};
use karez_protocol::wire::control::SignedRelease;
use karez_protocol::wire::tracker::CatalogueEntry;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// Bytes of releases and roots after which an answer is full: what a thin link takes in half a minute.
pub(crate) const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What an announce learns about the catalogue.
pub(crate) struct News {
    /// The revision that a node has reached with these entries.
    pub(crate) revision: u64,
    /// Newest versions, oldest revision first.
    pub(crate) entries: Vec<CatalogueEntry>,
    /// Whether the rest did not fit.
    pub(crate) more: bool,
}

impl News {
    /// Nothing now, because the answer is full already.
    pub(crate) fn postponed(held: u64) -> Self {
        Self { revision: held, entries: Vec::new(), more: true }
    }
}

/// Checks an uploaded release and stores it. The same bytes again change nothing.
pub(crate) fn publish(tx: &Transaction<'_>, network: &NetworkId, upload: &SignedRelease) -> Result<(), RequestError> {
    let signed = verify(tx, network, &upload.release)?;
    let release = signed.value();
    let root_fits = ManifestId::of(&upload.root) == release.manifest && upload.root.len() == release.root_len as usize;
    if !root_fits {
        return Err(RequestError::OtherRoot);
    }
    let root = ManifestRoot::from_bytes(&upload.root)?;
    if is_next(tx, release, &upload.release)? {
        store(tx, &signed, upload, &Listing::of(release, &root))?;
    }
    Ok(())
}

fn verify(conn: &Connection, network: &NetworkId, bytes: &[u8]) -> Result<Signed<Release>, RequestError> {
    let mut namespace = None;
    let mut found = Ok(None);
    let signed = Signed::<Release>::verify_by(bytes, network, |release| {
        namespace = Some(release.collection.publisher().clone());
        found = registry::publisher(conn, release.collection.publisher());
        found.as_ref().ok()?.as_ref().map(|publisher| publisher.key)
    });
    let unknown = found?.is_none();
    match (signed, namespace) {
        (Err(SignatureError::WrongSigner { .. }), Some(namespace)) => Err(RequestError::NotPublisher { namespace }),
        (Err(_), Some(namespace)) if unknown => Err(RequestError::NotPublisher { namespace }),
        (signed, _) => Ok(signed?),
    }
}

/// Whether the release is to be stored; `false` when these very bytes are there already.
fn is_next(conn: &Connection, release: &Release, bytes: &[u8]) -> Result<bool, RequestError> {
    let name = release.collection.to_string();
    let newest: i64 =
        conn.query_row("SELECT coalesce(max(version), 0) FROM releases WHERE collection = ?1", [&name], |row| {
            row.get(0)
        })?;
    let newest = newest as u64;
    // Versions made while the tracker was away need not all be listed: only the newest one counts.
    if release.version > newest {
        return Ok(true);
    }
    let stored: Option<Vec<u8>> = conn
        .query_row(
            "SELECT release FROM releases WHERE collection = ?1 AND version = ?2",
            params![name, release.version as i64],
            |row| row.get(0),
        )
        .optional()?;
    if stored.as_deref() == Some(bytes) {
        return Ok(false);
    }
    Err(RequestError::Version { collection: release.collection.clone(), newest, found: release.version })
}

fn store(
    tx: &Transaction<'_>,
    signed: &Signed<Release>,
    upload: &SignedRelease,
    listing: &Listing,
) -> rusqlite::Result<()> {
    let release = signed.value();
    tx.execute(
        "INSERT INTO releases (collection, version, revision, publisher, signer, release, root, listing, words)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            release.collection.to_string(),
            release.version as i64,
            next_revision(tx)?,
            release.collection.publisher().as_str(),
            signed.signer().as_bytes(),
            upload.release,
            upload.root,
            listing.to_json(),
            listing.words()
        ],
    )?;
    Ok(())
}

fn next_revision(tx: &Transaction<'_>) -> rusqlite::Result<i64> {
    tx.query_row("UPDATE network SET revision = revision + 1 RETURNING revision", [], |row| row.get(0))
}

/// A publisher is back with its old key: nodes that passed over its releases meanwhile must see them as new.
pub(crate) fn show_again(tx: &Transaction<'_>, publisher: &PublisherName, key: &PublicKey) -> rusqlite::Result<()> {
    let rows: Vec<i64> = tx
        .prepare("SELECT revision FROM releases WHERE publisher = ?1 AND signer = ?2 ORDER BY revision")?
        .query_map(params![publisher.as_str(), key.as_bytes()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for revision in rows {
        let next = next_revision(tx)?;
        tx.execute("UPDATE releases SET revision = ?2 WHERE revision = ?1", [revision, next])?;
    }
    Ok(())
}

/// Which releases are shown: the newest of each collection, if its signer is the publisher of now.
const SHOWN: &str = "FROM releases r JOIN publishers p ON p.name = r.publisher AND p.key = r.signer
    WHERE r.version = (SELECT max(version) FROM releases WHERE collection = r.collection)";

/// What is newer than a revision, as much as fits an answer, at least one.
pub(crate) fn news(conn: &Connection, newest: u64, held: u64) -> rusqlite::Result<News> {
    // A node ahead of the catalogue knew it before it was restored from an older backup: it gets all.
    let held = if held > newest { 0 } else { held };
    let mut news = News { revision: newest, entries: Vec::new(), more: false };
    if held == newest {
        return Ok(news);
    }
    let sql = format!("SELECT r.revision, r.release, r.root {SHOWN} AND r.revision > ?1 ORDER BY r.revision");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([held as i64])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let release = SignedRelease { release: row.get(1)?, root: row.get(2)? };
        bytes += release.release.len() + release.root.len();
        if bytes > ANSWER_BYTES_MAX && !news.entries.is_empty() {
            news.more = true;
            break;
        }
        news.entries.push(CatalogueEntry { revision: row.get::<_, i64>(0)? as u64, release });
    }
    if let (true, Some(last)) = (news.more, news.entries.last()) {
        news.revision = last.revision;
    }
    Ok(news)
}

/// Number of collections shown.
pub(crate) fn count(conn: &Connection) -> rusqlite::Result<u64> {
    let count: i64 = conn.query_row(&format!("SELECT count(*) {SHOWN}"), [], |row| row.get(0))?;
    Ok(count as u64)
}
