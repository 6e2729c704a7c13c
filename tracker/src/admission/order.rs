//! The operator's side of admission: what an invite promises, checked before it is made.

use crate::home::Identity;
use crate::registry;
use crate::tracker::UnixSeconds;
use karez_protocol::content::Document as _;
use karez_protocol::content::name::PublisherName;
use karez_protocol::trust::invite::Invite;
use karez_protocol::trust::roster::MemberRole;
use rusqlite::{Transaction, params};

/// Longest name of a member, a group or a part of a domain path, in characters.
pub(super) const NAME_CHARS_MAX: usize = 64;
/// Deepest domain path: network, province, prefecture, county, township, and some to spare.
pub(super) const DOMAIN_DEPTH_MAX: usize = 8;
/// Largest weight: a hub with 2^8 times the uplink of a site.
pub(super) const WEIGHT_MAX: u8 = 10;
/// Longest validity, in hours: a year.
pub(super) const HOURS_MAX: u32 = 24 * 366;
/// Most tracker addresses in one invite.
pub(super) const URLS_MAX: usize = 8;

/// What the operator asks for.
#[derive(Debug, Clone)]
pub struct InviteOrder {
    /// Name of the new member as people read it.
    pub name: String,
    /// What it will be. With a publisher it is a flagship whatever stands here.
    pub role: MemberRole,
    /// Namespace it may publish in.
    pub publisher: Option<PublisherName>,
    /// Domain path, widest first; may be empty.
    pub domain: String,
    /// Name shared by sites behind one WAN link.
    pub uplink_group: Option<String>,
    /// Importer weight, see `roster::Member`.
    pub weight: u8,
    /// Hours until the invite expires.
    pub hours: u32,
    /// Addresses of the tracker; when empty, the address remembered from `run`.
    pub urls: Vec<String>,
}

/// Why an invite is not made.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Empty, too long, or with characters that names may not have.
    #[error(
        "'{0}' cannot be a name: 1 to {NAME_CHARS_MAX} characters, no '/', no control characters, no space at its ends"
    )]
    Name(String),
    /// Not a path.
    #[error("'{0}' cannot be a domain: names joined by '/', widest first, for example gansu/minqin")]
    Domain(String),
    /// Too heavy.
    #[error("weight {0} is too large: 0 imports for itself alone, 2 is a site, 5 a county hub, {WEIGHT_MAX} the most")]
    Weight(u8),
    /// Never or for ever.
    #[error("{0} hours cannot be: an invite lives 1 to {HOURS_MAX} hours")]
    Hours(u32),
    /// A member is called so.
    #[error("a member is already called '{0}': choose another --name, or `revoke` it first")]
    NameTaken(String),
    /// Somebody publishes there.
    #[error("publisher '{namespace}' belongs to member '{owner}': choose another --publisher, or `revoke` it first")]
    NamespaceTaken {
        /// The namespace.
        namespace: PublisherName,
        /// The member.
        owner: String,
    },
    /// Nobody could find the tracker with this invite.
    #[error("no address to put into the invite: say where sites reach this tracker with --url http://HOST:PORT")]
    NoAddress,
    /// Not an address.
    #[error("'{0}' cannot be a tracker address: it has the form http://HOST:PORT")]
    Address(String),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// The database refused.
    #[error("the tracker's database: {0}")]
    Database(#[from] rusqlite::Error),
}

impl InviteOrder {
    /// An order for a site with everything else as usual.
    pub fn site(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            role: MemberRole::Site,
            publisher: None,
            domain: String::new(),
            uplink_group: None,
            weight: 2,
            hours: 72,
            urls: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), OrderError> {
        for name in std::iter::once(&self.name).chain(&self.uplink_group) {
            if !is_name(name) {
                return Err(OrderError::Name(name.clone()));
            }
        }
        let parts: Vec<_> = self.domain.split('/').collect();
        if !self.domain.is_empty() && (parts.len() > DOMAIN_DEPTH_MAX || !parts.iter().all(|part| is_name(part))) {
            return Err(OrderError::Domain(self.domain.clone()));
        }
        if self.weight > WEIGHT_MAX {
            return Err(OrderError::Weight(self.weight));
        }
        if !(1..=HOURS_MAX).contains(&self.hours) {
            return Err(OrderError::Hours(self.hours));
        }
        Ok(())
    }

    fn check_free(&self, tx: &Transaction<'_>) -> Result<(), OrderError> {
        if registry::member_named(tx, &self.name)?.is_some() {
            return Err(OrderError::NameTaken(self.name.clone()));
        }
        let Some(namespace) = &self.publisher else { return Ok(()) };
        let Some(publisher) = registry::publisher(tx, namespace)? else { return Ok(()) };
        let owner = registry::member(tx, &publisher.peer)?.map_or_else(|| publisher.peer.to_string(), |m| m.name);
        Err(OrderError::NamespaceTaken { namespace: namespace.clone(), owner })
    }

    /// The addresses to embed.
    fn addresses(&self, tx: &Transaction<'_>) -> Result<Vec<String>, OrderError> {
        let mut urls = self.urls.clone();
        if urls.is_empty() {
            let sql = "SELECT coalesce(public_url, listen_url) FROM network";
            urls.extend(tx.query_row(sql, [], |row| row.get::<_, Option<String>>(0))?);
        }
        if urls.is_empty() {
            return Err(OrderError::NoAddress);
        }
        urls.truncate(URLS_MAX);
        urls.iter().map(|url| parse_url(url)).collect()
    }
}

fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=NAME_CHARS_MAX).contains(&length)
        && text.trim() == text
        && !text.chars().any(char::is_control)
        && !text.contains('/')
}

/// An address of the tracker without a slash at its end, or what is wrong with it.
pub(crate) fn parse_url(url: &str) -> Result<String, OrderError> {
    let bad = || OrderError::Address(url.to_owned());
    let authority = url.strip_prefix("http://").ok_or_else(bad)?.trim_end_matches('/');
    let allowed = |c: char| c.is_ascii_graphic() && !"/?#@\"'<>\\".contains(c);
    if authority.is_empty() || authority.len() > 255 || !authority.chars().all(allowed) {
        return Err(bad());
    }
    Ok(format!("http://{authority}"))
}

/// Makes an invite; an earlier unused one for the same name becomes void.
pub(crate) fn create(
    tx: &Transaction<'_>,
    identity: &Identity,
    order: &InviteOrder,
    now: UnixSeconds,
) -> Result<Invite, OrderError> {
    order.check()?;
    order.check_free(tx)?;
    let trackers = order.addresses(tx)?;
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(OrderError::Random)?;
    let (secret, token) = random.split_first_chunk::<16>().expect("24 bytes hold 16");
    // A random number cannot be guessed, so a stranger cannot void invites by wrong proofs.
    let token = token.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte)) & i64::MAX;
    let role = if order.publisher.is_some() { MemberRole::Flagship } else { order.role };
    tx.execute("UPDATE invites SET void = 1 WHERE name = ?1 AND used_by IS NULL", [&order.name])?;
    tx.execute(
        "INSERT INTO invites (token, secret, name, role, publisher, domain, uplink_group, weight, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            token,
            secret,
            order.name,
            registry::role_number(role),
            order.publisher.as_ref().map(PublisherName::as_str),
            order.domain,
            order.uplink_group,
            order.weight,
            now.0 + i64::from(order.hours) * 3600
        ],
    )?;
    let header = Invite::new_header();
    Ok(Invite { header, trackers, tracker_key: identity.public(), token: token as u64, secret: *secret })
}
