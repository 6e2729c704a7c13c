//! `karez init` and `karez join`: from nothing to a member.

use crate::home::{Home, HomeError, NetworkFile};
use crate::keys::Key;
use crate::proxy::Proxy;
use crate::tracker_client::{TrackerClient, TrackerError};
use karez_protocol::content::hash::NetworkId;
use karez_protocol::trust::invite::{Invite, InviteError};
use karez_protocol::trust::roster::{Member, Roster};
use karez_protocol::trust::{PeerId, SignatureError, Signed};

/// Why setting up failed. Nothing that was there before is changed.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The invite.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// The tracker.
    #[error(transparent)]
    Tracker(#[from] TrackerError),
    /// The roster that came is not signed by the key in the invite.
    #[error(
        "the tracker's answer is not signed by the key in the invite ({0}): do not trust this network; ask the operator"
    )]
    Roster(#[from] SignatureError),
    /// The roster does not list this node.
    #[error("the tracker answered, but its roster does not list this node: ask the operator for a new invite")]
    NotListed,
    /// The node is a member of another network.
    #[error("this node belongs to another network already: use another home (`--home DIR`) for the second network")]
    OtherNetwork,
}

/// What joining led to.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The network's name.
    pub network: String,
    /// This node in the roster.
    pub member: Member,
    /// The namespace it may publish in.
    pub publisher: Option<String>,
}

/// Makes a home with a key of its own.
pub fn init(home: &Home) -> Result<PeerId, SetupError> {
    home.create()?;
    Ok(Key::load_or_make(home, &home.node_key())?.peer())
}

/// Joins the network that the invite names; makes the home first where there is none. Joining again is fine.
pub async fn join(home: &Home, text: &str, proxy: Option<Proxy>) -> Result<Joined, SetupError> {
    let invite = Invite::from_text(text)?;
    if !home.node_key().exists() {
        init(home)?;
    }
    match home.network() {
        Ok(file) if file.key() != Some(invite.tracker_key) => return Err(SetupError::OtherNetwork),
        Ok(_) | Err(HomeError::NotJoined) => {}
        Err(error) => return Err(error.into()),
    }
    let key = Key::load(&home.node_key())?;
    let publisher = Key::load_or_make(home, &home.publisher_key())?;
    let network = NetworkId::of(&invite.tracker_key);
    let client = TrackerClient::new(invite.trackers.clone(), proxy);
    let sign = |request| Signed::sign(request, &network, key.signing());
    let answer = client.join(&invite, key.peer(), Some(publisher.public()), sign).await?;
    let roster = Signed::<Roster>::verify(&answer.roster, &network, &invite.tracker_key)?;
    let member = roster.value().member(&key.peer()).ok_or(SetupError::NotListed)?.clone();
    home.write(&home.roster(), roster.bytes())?;
    let publisher = answer.publisher.map(|name| name.to_string());
    home.save_network(&NetworkFile {
        trackers: invite.trackers,
        tracker_key: invite.tracker_key.to_string(),
        publisher: publisher.clone(),
    })?;
    Ok(Joined { network: roster.value().network_name.clone(), member, publisher })
}
