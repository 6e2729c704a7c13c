//! What announces read: the roster and the catalogue's revision, kept in memory and renewed when the database changes.
//!
//! The change may come from this process or from a command beside it (`revoke` while the server runs). SQLite's
//! `data_version` tells, for the price of one look at shared memory, so a revoked node is refused at once.

use crate::catalogue::{self, Listing, News};
use karez_protocol::content::hash::NetworkId;
use karez_protocol::content::name::PublisherName;
use karez_protocol::trust::roster::{Member, Roster};
use karez_protocol::trust::{PeerId, PublicKey, Signed};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;

/// One state of the registry.
#[derive(Debug)]
pub(crate) struct Current {
    /// Version of the roster.
    pub(crate) version: u64,
    /// The signed roster as it travels.
    pub(crate) roster: Vec<u8>,
    /// The network's name.
    pub(crate) network_name: String,
    /// Revision of the catalogue.
    pub(crate) revision: u64,
    members: HashMap<PeerId, Member>,
    origins: HashMap<PublisherName, PeerId>,
}

impl Current {
    /// The member with this identity.
    pub(crate) fn member(&self, peer: &PeerId) -> Option<&Member> {
        self.members.get(peer)
    }

    /// The node that publishes in a namespace.
    pub(crate) fn origin(&self, publisher: &PublisherName) -> Option<PeerId> {
        self.origins.get(publisher).copied()
    }

    /// Number of members.
    pub(crate) fn members(&self) -> usize {
        self.members.len()
    }
}

/// A connection that only reads.
pub(crate) struct View {
    conn: Connection,
    network: NetworkId,
    tracker: PublicKey,
    data_version: i64,
    current: Arc<Current>,
}

impl View {
    /// Reads the registry for the first time.
    pub(crate) fn new(conn: Connection, network: NetworkId, tracker: PublicKey) -> rusqlite::Result<Self> {
        let data_version = data_version(&conn)?;
        let current = Arc::new(load(&conn, &network, &tracker)?);
        Ok(Self { conn, network, tracker, data_version, current })
    }

    /// The registry, when it has not changed since it was read last.
    pub(crate) fn unchanged(&self) -> Option<Arc<Current>> {
        let data_version = data_version(&self.conn).ok()?;
        (data_version == self.data_version).then(|| Arc::clone(&self.current))
    }

    /// The registry as it is now.
    pub(crate) fn current(&mut self) -> rusqlite::Result<Arc<Current>> {
        let data_version = data_version(&self.conn)?;
        if data_version != self.data_version {
            let (version, revision) = versions(&self.conn)?;
            if (version, revision) != (self.current.version, self.current.revision) {
                self.current = Arc::new(load(&self.conn, &self.network, &self.tracker)?);
            }
            self.data_version = data_version;
        }
        Ok(Arc::clone(&self.current))
    }

    /// What the catalogue has above a revision.
    pub(crate) fn news(&self, newest: u64, held: u64) -> rusqlite::Result<News> {
        catalogue::news(&self.conn, newest, held)
    }

    /// Collections that a query finds.
    pub(crate) fn search(&self, query: &str) -> rusqlite::Result<Vec<Listing>> {
        catalogue::search(&self.conn, query)
    }

    /// Number of collections.
    pub(crate) fn collections(&self) -> rusqlite::Result<u64> {
        catalogue::count(&self.conn)
    }
}

fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

fn versions(conn: &Connection) -> rusqlite::Result<(u64, u64)> {
    conn.prepare_cached("SELECT roster_version, revision FROM network")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)))
}

fn load(conn: &Connection, network: &NetworkId, tracker: &PublicKey) -> rusqlite::Result<Current> {
    let (bytes, revision) = conn.query_row("SELECT roster, revision FROM network", [], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)? as u64))
    })?;
    let signed = Signed::<Roster>::verify(&bytes, network, tracker)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error)))?;
    let roster = signed.value();
    Ok(Current {
        version: roster.version,
        network_name: roster.network_name.clone(),
        revision,
        members: roster.members.iter().map(|member| (member.peer, member.clone())).collect(),
        origins: roster.publishers.iter().map(|publisher| (publisher.name.clone(), publisher.peer)).collect(),
        roster: bytes,
    })
}
