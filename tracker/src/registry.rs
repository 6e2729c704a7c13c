//! Members, publishers and the signed roster made of them: rows in, rows out.
//!
//! Every change of a row that the roster shows goes through [`reissue`] in the same transaction, so the roster stored
//! is always the roster of the rows stored, one version higher.

use crate::home::Identity;
use crate::tracker::UnixSeconds;
use karez_protocol::content::Document as _;
use karez_protocol::content::name::PublisherName;
use karez_protocol::trust::roster::{Member, MemberRole, Publisher, Roster};
use karez_protocol::trust::{PeerId, PublicKey, Signed};
use rusqlite::types::{FromSql, FromSqlError};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// Writes the one row of the network and its first, empty roster.
pub(crate) fn found(tx: &Transaction<'_>, identity: &Identity, name: &str, now: UnixSeconds) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO network (id, name, key, roster_version, roster, revision) VALUES (1, ?1, ?2, 0, x'', 0)",
        params![name, identity.public().as_bytes()],
    )?;
    reissue(tx, identity, now, "founded").map(drop)
}

/// The tracker key that the database belongs to.
pub(crate) fn key(conn: &Connection) -> rusqlite::Result<PublicKey> {
    conn.query_row("SELECT key FROM network", [], |row| Ok(PublicKey::from_bytes(row.get(0)?)))
}

/// The network's name.
pub(crate) fn network_name(conn: &Connection) -> rusqlite::Result<String> {
    conn.query_row("SELECT name FROM network", [], |row| row.get(0))
}

/// Signs a new roster of the rows as they are now and stores it with a line about what changed.
pub(crate) fn reissue(
    tx: &Transaction<'_>,
    identity: &Identity,
    now: UnixSeconds,
    change: &str,
) -> rusqlite::Result<Signed<Roster>> {
    let version: i64 = tx.query_row("SELECT roster_version + 1 FROM network", [], |row| row.get(0))?;
    let roster = Roster {
        header: Roster::new_header(),
        version: version as u64,
        network_name: network_name(tx)?,
        members: members(tx)?,
        publishers: publishers(tx)?,
    };
    let signed = Signed::sign(roster, &identity.network(), identity.key());
    tx.execute("UPDATE network SET roster_version = ?1, roster = ?2", params![version, signed.bytes()])?;
    tx.execute("INSERT INTO roster_log (version, at, change) VALUES (?1, ?2, ?3)", params![version, now.0, change])?;
    Ok(signed)
}

/// All members by name.
pub(crate) fn members(conn: &Connection) -> rusqlite::Result<Vec<Member>> {
    let mut statement =
        conn.prepare_cached("SELECT peer, name, role, domain, uplink_group, weight FROM members ORDER BY name")?;
    statement.query_map([], member_of)?.collect()
}

/// All publishers by namespace.
pub(crate) fn publishers(conn: &Connection) -> rusqlite::Result<Vec<Publisher>> {
    let mut statement = conn.prepare_cached("SELECT name, key, peer FROM publishers ORDER BY name")?;
    statement.query_map([], publisher_of)?.collect()
}

/// The publisher of a namespace.
pub(crate) fn publisher(conn: &Connection, name: &PublisherName) -> rusqlite::Result<Option<Publisher>> {
    let mut statement = conn.prepare_cached("SELECT name, key, peer FROM publishers WHERE name = ?1")?;
    statement.query_row([name.as_str()], publisher_of).optional()
}

/// The member with this name.
pub(crate) fn member_named(conn: &Connection, name: &str) -> rusqlite::Result<Option<Member>> {
    let sql = "SELECT peer, name, role, domain, uplink_group, weight FROM members WHERE name = ?1";
    conn.prepare_cached(sql)?.query_row([name], member_of).optional()
}

/// The member with this identity.
pub(crate) fn member(conn: &Connection, peer: &PeerId) -> rusqlite::Result<Option<Member>> {
    let sql = "SELECT peer, name, role, domain, uplink_group, weight FROM members WHERE peer = ?1";
    conn.prepare_cached(sql)?.query_row([peer.as_bytes()], member_of).optional()
}

/// Adds a member, or gives one that joins again what its new invite says.
pub(crate) fn put_member(tx: &Transaction<'_>, member: &Member, now: UnixSeconds) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO members (peer, name, role, domain, uplink_group, weight, joined) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (peer) DO UPDATE SET name = excluded.name, role = excluded.role, domain = excluded.domain,
             uplink_group = excluded.uplink_group, weight = excluded.weight",
        params![
            member.peer.as_bytes(),
            member.name,
            role_number(member.role),
            member.domain,
            member.uplink_group,
            member.weight,
            now.0
        ],
    )?;
    Ok(())
}

/// Gives a namespace to a key and the node that publishes with it.
pub(crate) fn put_publisher(tx: &Transaction<'_>, publisher: &Publisher) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO publishers (name, key, peer) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET key = excluded.key, peer = excluded.peer",
        params![publisher.name.as_str(), publisher.key.as_bytes(), publisher.peer.as_bytes()],
    )?;
    Ok(())
}

/// Removes a member and its publishers; its announces are forgotten.
pub(crate) fn remove_member(tx: &Transaction<'_>, peer: &PeerId) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM members WHERE peer = ?1", [peer.as_bytes()])?;
    tx.execute("DELETE FROM presence WHERE peer = ?1", [peer.as_bytes()])?;
    Ok(())
}

/// The number of a role in the tables.
pub(crate) fn role_number(role: MemberRole) -> i64 {
    match role {
        MemberRole::Site => 0,
        MemberRole::Flagship => 1,
    }
}

/// The role of a column.
pub(crate) fn role_at(row: &Row<'_>, column: &str) -> rusqlite::Result<MemberRole> {
    Ok(if row.get::<_, i64>(column)? == 0 { MemberRole::Site } else { MemberRole::Flagship })
}

/// A column that holds a parsed name.
pub(crate) struct NameColumn(pub(crate) PublisherName);

impl FromSql for NameColumn {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(|_| FromSqlError::InvalidType)
    }
}

fn member_of(row: &Row<'_>) -> rusqlite::Result<Member> {
    Ok(Member {
        peer: PeerId::from_bytes(row.get("peer")?),
        name: row.get("name")?,
        role: role_at(row, "role")?,
        domain: row.get("domain")?,
        uplink_group: row.get("uplink_group")?,
        weight: row.get("weight")?,
    })
}

fn publisher_of(row: &Row<'_>) -> rusqlite::Result<Publisher> {
    Ok(Publisher {
        name: row.get::<_, NameColumn>("name")?.0,
        key: PublicKey::from_bytes(row.get("key")?),
        peer: PeerId::from_bytes(row.get("peer")?),
    })
}
