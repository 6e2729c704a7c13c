//! What goes wrong in `init`, `join` and `run`, as sentences.

use crate::daemon::RunError;
use crate::home::HomeError;
use crate::setup::SetupError;
use crate::tracker_client::TrackerError;
use crate::trouble::StoreFault;
use karez_content_tools::speech::{Sentence, Spoken, with};
use karez_content_tools::store::StoreError;
use karez_protocol::trust::invite::InviteError;
use karez_protocol::wire::tracker::RefusalReason;
use std::io;

impl Spoken for SetupError {
    fn sentence(&self) -> Sentence {
        match self {
            Self::Home(error) => error.sentence(),
            Self::Invite(error) => invite(error),
            Self::Tracker(error) => error.sentence(),
            Self::Roster(detail) => ("error-roster-answer", with([("detail", detail)])),
            Self::NotListed => ("error-not-listed", Vec::new()),
            Self::OtherNetwork => ("error-other-network", Vec::new()),
        }
    }
}

impl Spoken for HomeError {
    fn sentence(&self) -> Sentence {
        match self {
            Self::Missing(home) => ("error-home-missing", with([("home", home.display())])),
            Self::Exists(home) => ("error-home-exists", with([("home", home.display())])),
            Self::NotJoined => ("error-not-joined", Vec::new()),
            Self::Damaged { path, detail } => {
                ("error-damaged", with([("path", path.display().to_string()), ("detail", detail.clone())]))
            }
            Self::Io { path, source } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                ("error-read-only-path", with([("path", path.display())]))
            }
            Self::Io { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                ("error-no-permission", with([("path", path.display())]))
            }
            Self::Io { path, source } => {
                ("error-path", with([("path", path.display().to_string()), ("detail", source.to_string())]))
            }
        }
    }
}

fn invite(error: &InviteError) -> Sentence {
    match error {
        InviteError::Prefix => ("error-invite-prefix", Vec::new()),
        InviteError::Damaged => ("error-invite-damaged", Vec::new()),
        InviteError::Document(detail) => ("error-invite-document", with([("detail", detail)])),
    }
}

impl Spoken for TrackerError {
    fn sentence(&self) -> Sentence {
        match self {
            Self::Unreachable { url, detail } => {
                ("error-tracker-unreachable", with([("url", url), ("detail", detail)]))
            }
            Self::Proxy(fault) => fault.sentence(),
            Self::Refused { reason: RefusalReason::Invite, detail } => {
                ("error-tracker-invite", with([("detail", detail)]))
            }
            Self::Refused { detail, .. } => ("error-tracker-refused", with([("detail", detail)])),
            Self::Elsewhere { url, to } => ("error-tracker-elsewhere", with([("url", url), ("to", to)])),
            Self::NotATracker { url } => ("error-not-a-tracker", with([("url", url)])),
        }
    }
}

impl Spoken for RunError {
    fn sentence(&self) -> Sentence {
        match self {
            Self::Home(error) => error.sentence(),
            Self::Store(StoreError::Locked { dir }) => ("error-already-running", with([("dir", dir.display())])),
            Self::Store(StoreError::DiskFull { path }) => ("error-disk-full", with([("path", path.display())])),
            Self::Store(error) => match StoreFault::from(error) {
                StoreFault::ReadOnly { path } => ("error-read-only-path", with([("path", path)])),
                _ => ("error-store", with([("detail", error)])),
            },
            Self::State(detail) => ("error-store", with([("detail", detail)])),
            Self::Roster(detail) => ("error-roster-saved", with([("detail", detail)])),
            Self::Bulk(error) => ("error-port", with([("detail", error)])),
            Self::Control(error) => ("error-port", with([("detail", error)])),
            Self::Gateway { address, source } => {
                ("error-gateway-port", with([("address", address.to_string()), ("detail", source.to_string())]))
            }
            Self::Api(detail) => ("error-control-socket", with([("detail", detail)])),
        }
    }
}
