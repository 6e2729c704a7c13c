//! Why a request is refused: typed here, a sentence for people, a reason and an HTTP status for programs.

use karez_protocol::content::DocumentError;
use karez_protocol::content::name::{CollectionName, PublisherName};
use karez_protocol::trust::SignatureError;
use karez_protocol::wire::WireError;
use karez_protocol::wire::tracker::{Refusal, RefusalReason};

/// Why a request of a node is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not the message of this endpoint.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// False signature, or a document inside that cannot be read.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A member announces for another.
    #[error("the announce names another node than the one that sent it")]
    OtherPeer,
    /// The manifest's root page cannot be read.
    #[error(transparent)]
    Root(#[from] DocumentError),
    /// The root page is not the one that was signed.
    #[error("the manifest's root page is not the one that the release names")]
    OtherRoot,
    /// No invite has this number.
    #[error("no such invite: ask the operator for a new one")]
    UnknownInvite,
    /// Its time is over.
    #[error("the invite has expired: ask the operator for a new one")]
    InviteExpired,
    /// Somebody else has joined with it.
    #[error("the invite has been used by another node: ask the operator for a new one")]
    InviteUsed,
    /// Too many wrong proofs, or a newer invite took its place.
    #[error("the invite is void: ask the operator for a new one")]
    InviteVoid,
    /// The secret is not the invite's.
    #[error("the proof is wrong; after {left} more the invite is void")]
    WrongProof {
        /// Wrong proofs left until the invite is void.
        left: i64,
    },
    /// The invite is for a publisher, the request carries no key.
    #[error("the invite is for publisher '{namespace}', but the request carries no publisher key")]
    NoPublisherKey {
        /// The namespace of the invite.
        namespace: PublisherName,
    },
    /// The namespace belongs to another key.
    #[error("publisher '{namespace}' belongs to another key: the operator must revoke that node first")]
    NamespaceTaken {
        /// The namespace.
        namespace: PublisherName,
    },
    /// Another member has the invite's name.
    #[error("another member is called '{name}': ask the operator for a new invite")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The node joined with this invite and has been removed since.
    #[error("this node has been revoked: ask the operator for a new invite")]
    Revoked,
    /// Members only.
    #[error("this node is not a member of the network: join with an invite")]
    NotMember,
    /// The signer does not own the namespace.
    #[error("the release is not signed by the publisher of '{namespace}'")]
    NotPublisher {
        /// The namespace.
        namespace: PublisherName,
    },
    /// Not the next version, or another content under a version that exists.
    #[error("{collection} is at version {newest}: the next release must be newer than that, not {found}")]
    Version {
        /// The collection.
        collection: CollectionName,
        /// Newest version in the catalogue; 0 when there is none.
        newest: u64,
        /// Version of the release.
        found: u64,
    },
    /// The announce is not newer than the last.
    #[error("the announce's sequence {found} is not above {last}, the last one seen")]
    Replay {
        /// Sequence of the last announce.
        last: u64,
        /// Sequence of this one.
        found: u64,
    },
    /// The announce comes from a clock that is far ahead.
    #[error(
        "the node's clock is {hours} hours ahead of the tracker's: set the clock of the node, or the tracker's if that is the wrong one"
    )]
    Clock {
        /// By how much.
        hours: u64,
    },
    /// The database refused.
    #[error("the tracker's database: {0}")]
    Database(#[from] rusqlite::Error),
}

impl RequestError {
    /// The reason for programs.
    pub fn reason(&self) -> RefusalReason {
        match self {
            Self::Wire(_) | Self::Signature(_) | Self::OtherPeer | Self::Root(_) | Self::OtherRoot => {
                RefusalReason::Malformed
            }
            Self::UnknownInvite
            | Self::InviteExpired
            | Self::InviteUsed
            | Self::InviteVoid
            | Self::WrongProof { .. }
            | Self::NoPublisherKey { .. }
            | Self::NamespaceTaken { .. }
            | Self::NameTaken { .. }
            | Self::Revoked => RefusalReason::Invite,
            Self::NotMember => RefusalReason::NotMember,
            Self::NotPublisher { .. } => RefusalReason::NotPublisher,
            Self::Version { .. } => RefusalReason::Version,
            Self::Replay { .. } => RefusalReason::Replay,
            Self::Clock { .. } => RefusalReason::Clock,
            Self::Database(_) => RefusalReason::Internal,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self.reason() {
            RefusalReason::Malformed => 400,
            RefusalReason::Invite | RefusalReason::NotMember | RefusalReason::NotPublisher => 403,
            RefusalReason::Version | RefusalReason::Replay | RefusalReason::Clock => 409,
            RefusalReason::Internal => 500,
        }
    }

    /// What travels. Details of the tracker's own trouble stay in its log.
    pub fn refusal(&self) -> Refusal {
        let detail = match self {
            Self::Database(_) => "the tracker has a problem of its own: try again later".to_owned(),
            other => other.to_string(),
        };
        Refusal { reason: self.reason(), detail }
    }
}
