//! `members` and `status`: what the registry holds, for people and for programs.

use super::{CommandError, Voice, now};
use crate::messages::{Language, Text, text};
use crate::refusal::RequestError;
use crate::tracker::{Tracker, UnixSeconds};
use karez_protocol::trust::roster::{Member, MemberRole, Publisher};
use serde::Serialize;

/// One member as the operator sees it.
#[derive(Serialize)]
struct Line {
    name: String,
    peer: String,
    role: &'static str,
    domain: String,
    group: Option<String>,
    weight: u8,
    publishers: Vec<String>,
    /// Seconds of Unix time of its last announce; the running server writes it some seconds late.
    seen: Option<UnixSeconds>,
}

impl Line {
    fn of(member: Member, seen: Option<UnixSeconds>, publishers: &[Publisher]) -> Self {
        let own = publishers.iter().filter(|publisher| publisher.peer == member.peer);
        Self {
            publishers: own.map(|publisher| publisher.name.to_string()).collect(),
            name: member.name,
            peer: member.peer.to_string(),
            role: match member.role {
                MemberRole::Site => "site",
                MemberRole::Flagship => "flagship",
            },
            domain: member.domain,
            group: member.uplink_group,
            weight: member.weight,
            seen,
        }
    }

    fn to_text(&self, language: Language) -> String {
        let mut details = vec![self.role.to_owned()];
        details.extend(self.publishers.iter().map(|name| format!("{name}/*")));
        details.extend((!self.domain.is_empty()).then(|| self.domain.clone()));
        details.extend(self.group.as_ref().map(|group| format!("[{group}]")));
        details.push(match self.seen {
            Some(UnixSeconds(seen)) => text(language, Text::SecondsAgo, &[&(now().0 - seen).max(0).to_string()]),
            None => text(language, Text::NeverSeen, &[]),
        });
        format!("{}  {}  {}", self.name, self.peer, details.join("  "))
    }
}

/// Lists all members.
pub(super) fn members(tracker: &Tracker, voice: Voice) -> Result<(), CommandError> {
    let publishers = tracker.publishers()?;
    let members = tracker.members()?.into_iter();
    let lines: Vec<_> = members.map(|(member, seen)| Line::of(member, seen, &publishers)).collect();
    voice.tell(&serde_json::json!({"members": lines}), |language| {
        if lines.is_empty() {
            return vec![text(language, Text::NoMembers, &[])];
        }
        lines.iter().map(|line| line.to_text(language)).collect()
    });
    Ok(())
}

/// The network in a few numbers.
pub(super) fn status(tracker: &Tracker, voice: Voice) -> Result<(), CommandError> {
    let health = tracker.health().map_err(|error| match error {
        RequestError::Database(error) => CommandError::Database(error),
        other => unreachable!("reading the registry refuses nothing: {other}"),
    })?;
    let url = tracker.remembered_url()?;
    let json = serde_json::json!({
        "network": health.network, "name": health.name, "members": health.members, "releases": health.releases,
        "roster": health.roster, "catalogue": health.catalogue, "url": url,
    });
    voice.tell(&json, |language| {
        let numbers = [health.members.to_string(), health.releases.to_string(), health.roster.to_string()];
        let url = url.as_deref().unwrap_or("-");
        vec![text(language, Text::Status, &[&health.name, &health.network, &numbers[0], &numbers[1], &numbers[2], url])]
    });
    Ok(())
}
