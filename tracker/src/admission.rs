//! Who gets in: invites are ordered by the operator and proved by the one who joins.
//!
//! An invite is for one node, once, for a time. A retry by the node that used it gets the same answer, so a lost answer
//! costs nothing. The proof shows the secret without sending it; [`WRONG_PROOFS_MAX`] wrong ones void the invite.

mod order;

pub use order::{InviteOrder, OrderError};
pub(crate) use order::{create, parse_url};

use crate::home::Identity;
use crate::refusal::RequestError;
use crate::registry::{self, NameColumn};
use crate::tracker::UnixSeconds;
use karez_protocol::content::name::PublisherName;
use karez_protocol::trust::invite::Invite;
use karez_protocol::trust::roster::{Member, Publisher};
use karez_protocol::trust::{PeerId, PublicKey};
use karez_protocol::wire::tracker::{JoinRequest, JoinResponse};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// Wrong proofs that void an invite: enough for a mistyped secret, far too few to guess 128 bits.
pub const WRONG_PROOFS_MAX: i64 = 5;

/// An invite as stored: what its user becomes.
struct Ticket {
    token: i64,
    secret: [u8; 16],
    member: Member,
    publisher: Option<PublisherName>,
    expires: i64,
    wrong: i64,
    void: bool,
    used_by: Option<PeerId>,
}

/// How a join ends; a refusal may have something to remember too, so both are committed.
pub(crate) type Outcome = Result<JoinResponse, RequestError>;

/// Judges a join whose signature has been checked. The caller commits the transaction unless this fails outside the
/// outcome.
pub(crate) fn join(
    tx: &Transaction<'_>,
    identity: &Identity,
    request: &JoinRequest,
    now: UnixSeconds,
) -> rusqlite::Result<Outcome> {
    let Some(ticket) = ticket(tx, request)? else { return Ok(Err(RequestError::UnknownInvite)) };
    if let Err(refused) = ticket.check_open(request, now) {
        return Ok(Err(refused));
    }
    if !ticket.is_proved_by(request) {
        tx.execute("UPDATE invites SET wrong = wrong + 1 WHERE token = ?1", [ticket.token])?;
        return Ok(Err(RequestError::WrongProof { left: WRONG_PROOFS_MAX - ticket.wrong - 1 }));
    }
    if ticket.used_by.is_some() {
        return repeat(tx, &ticket);
    }
    if let Err(refused) = ticket.check_names(tx, request)? {
        return Ok(Err(refused));
    }
    ticket.admit(tx, identity, request.publisher_key, now).map(Ok)
}

/// The answer once more, for the node that has it already.
fn repeat(conn: &Connection, ticket: &Ticket) -> rusqlite::Result<Outcome> {
    if registry::member(conn, &ticket.member.peer)?.is_none() {
        return Ok(Err(RequestError::Revoked));
    }
    let roster: Vec<u8> = conn.query_row("SELECT roster FROM network", [], |row| row.get(0))?;
    Ok(Ok(JoinResponse { roster: roster.into(), publisher: ticket.publisher.clone() }))
}

fn ticket(conn: &Connection, request: &JoinRequest) -> rusqlite::Result<Option<Ticket>> {
    let Ok(token) = i64::try_from(request.token) else { return Ok(None) };
    conn.query_row("SELECT * FROM invites WHERE token = ?1", [token], |row| ticket_of(row, request.peer)).optional()
}

fn ticket_of(row: &Row<'_>, peer: PeerId) -> rusqlite::Result<Ticket> {
    Ok(Ticket {
        token: row.get("token")?,
        secret: row.get("secret")?,
        member: Member {
            peer,
            name: row.get("name")?,
            role: registry::role_at(row, "role")?,
            domain: row.get("domain")?,
            uplink_group: row.get("uplink_group")?,
            weight: row.get("weight")?,
        },
        publisher: row.get::<_, Option<NameColumn>>("publisher")?.map(|column| column.0),
        expires: row.get("expires")?,
        wrong: row.get("wrong")?,
        void: row.get("void")?,
        used_by: row.get::<_, Option<[u8; 32]>>("used_by")?.map(PeerId::from_bytes),
    })
}

impl Ticket {
    fn check_open(&self, request: &JoinRequest, now: UnixSeconds) -> Result<(), RequestError> {
        match self.used_by {
            Some(peer) if peer != request.peer => return Err(RequestError::InviteUsed),
            _ if self.void || self.wrong >= WRONG_PROOFS_MAX => return Err(RequestError::InviteVoid),
            None if self.expires <= now.0 => return Err(RequestError::InviteExpired),
            _ => {}
        }
        if let (Some(namespace), None) = (&self.publisher, request.publisher_key) {
            return Err(RequestError::NoPublisherKey { namespace: namespace.clone() });
        }
        Ok(())
    }

    fn is_proved_by(&self, request: &JoinRequest) -> bool {
        let expected = Invite::proof(&self.secret, &request.peer.key(), request.publisher_key.as_ref());
        // `blake3::Hash` compares in constant time.
        blake3::Hash::from_bytes(expected) == blake3::Hash::from_bytes(*request.proof)
    }

    /// Names may have been given away between the order and the join.
    fn check_names(&self, conn: &Connection, request: &JoinRequest) -> rusqlite::Result<Result<(), RequestError>> {
        let named = registry::member_named(conn, &self.member.name)?;
        if named.is_some_and(|member| member.peer != request.peer) {
            return Ok(Err(RequestError::NameTaken { name: self.member.name.clone() }));
        }
        let Some(namespace) = &self.publisher else { return Ok(Ok(())) };
        let owner = registry::publisher(conn, namespace)?;
        if owner.is_some_and(|owner| Some(owner.key) != request.publisher_key) {
            return Ok(Err(RequestError::NamespaceTaken { namespace: namespace.clone() }));
        }
        Ok(Ok(()))
    }

    fn admit(
        &self,
        tx: &Transaction<'_>,
        identity: &Identity,
        publisher_key: Option<PublicKey>,
        now: UnixSeconds,
    ) -> rusqlite::Result<JoinResponse> {
        registry::put_member(tx, &self.member, now)?;
        if let (Some(name), Some(key)) = (&self.publisher, publisher_key) {
            registry::put_publisher(tx, &Publisher { name: name.clone(), key, peer: self.member.peer })?;
            crate::catalogue::show_again(tx, name, &key)?;
        }
        let used_by = self.member.peer.as_bytes();
        tx.execute("UPDATE invites SET used_by = ?2 WHERE token = ?1", params![self.token, used_by])?;
        let change = format!("joined: {} {}", self.member.name, self.member.peer);
        let roster = registry::reissue(tx, identity, now, &change)?;
        Ok(JoinResponse { roster: roster.bytes().to_vec().into(), publisher: self.publisher.clone() })
    }
}
