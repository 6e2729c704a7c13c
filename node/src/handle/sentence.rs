//! What the driver refuses, as a sentence in the user's language that says what to do next.

use super::{HandleError, PackFailure};
use crate::trouble::StoreFault;
use karez_content_tools::speech::{Sentence, Spoken, listed, with};

impl Spoken for HandleError {
    fn sentence(&self) -> Sentence {
        match self {
            Self::UnknownCollection { collection } => ("error-unknown-collection", with([("collection", collection)])),
            Self::UnknownItem { collection, item } => {
                ("error-unknown-item", with([("collection", collection), ("item", item)]))
            }
            Self::UnknownFile { collection, path } => {
                ("error-unknown-file", with([("collection", collection), ("path", path)]))
            }
            Self::NotReady { stopped: Some(fault), .. } => fault.sentence(),
            Self::NotReady { collection, stopped: None } => ("error-not-ready", with([("collection", collection)])),
            Self::GivenUp { collection } => ("error-given-up", with([("collection", collection)])),
            Self::NotPublisher { publisher, owned } if owned.is_empty() => {
                ("error-no-publisher", with([("publisher", publisher)]))
            }
            Self::NotPublisher { publisher, owned } => {
                ("error-not-publisher", with([("publisher", publisher), ("owned", owned)]))
            }
            Self::Pack(failure) => failure.sentence(),
            Self::CompressedTar { path, can_unpack } => {
                let key = if *can_unpack { "error-compressed-tar" } else { "error-compressed-tar-by-hand" };
                (key, with([("path", path.to_string_lossy())]))
            }
            Self::NoFfmpeg { program } => ("error-no-ffmpeg", with([("program", program)])),
            Self::Ffmpeg { path, line, log } => {
                let [path, log] = [path, log].map(|path| path.to_string_lossy().into_owned());
                ("error-ffmpeg", with([("path", path), ("line", line.clone()), ("log", log)]))
            }
            Self::Sensitivity { found } => ("error-sensitivity", with([("found", found)])),
            Self::Refused { .. } => ("error-refused", Vec::new()),
            Self::Busy { work } => (busy_key(work), Vec::new()),
            Self::DamagedRelease { path } => ("error-damaged-release", with([("path", path)])),
            Self::Fault { fault } => fault.sentence(),
            Self::Store { detail } => ("error-store", with([("detail", detail)])),
            Self::Stopping => ("error-stopping", Vec::new()),
        }
    }
}

impl Spoken for PackFailure {
    fn sentence(&self) -> Sentence {
        let at = |key, path: &String| (key, with([("path", path)]));
        match self {
            Self::UnderWay { collection } => ("error-publishing", with([("collection", collection)])),
            Self::CollectionName { found } => ("error-collection-name", with([("found", found)])),
            Self::NoFolder { path } => at("error-pack-no-folder", path),
            Self::NotAFolder { path } => at("error-pack-not-a-folder", path),
            Self::Empty { path, first: None, .. } => at("error-pack-empty", path),
            Self::Empty { path, skipped, first: Some(first) } => {
                let about = with([("path", path), ("first", &first.path), ("reason", &first.reason)]);
                ("error-pack-empty-skipped", [about, vec![("count", (*skipped).into())]].concat())
            }
            Self::OwnFolder { path } => at("error-pack-own-folder", path),
            Self::NotReadable { path } => at("error-pack-not-readable", path),
            Self::Unreadable { path, detail } => ("error-pack-unreadable", with([("path", path), ("detail", detail)])),
            Self::Changing { path } => at("error-pack-changing", path),
            Self::NameEncoding { path } => at("error-pack-name-encoding", path),
            Self::Name { path, rule } => ("error-pack-name", with([("path", path), ("rule", rule)])),
            Self::Names { names, more } => {
                let count = (names.len() as u64 + more).to_string();
                let lines = listed(names.iter().map(|name| name.path.as_str()), *more);
                ("error-pack-names", with([("count", count), ("lines", lines)]))
            }
            Self::Description { path, detail } => ("error-pack-description", with([("path", path), ("lines", detail)])),
            Self::UnknownItem { path, key } => ("error-pack-unknown-item", with([("path", path), ("key", key)])),
            Self::ItemLeftOut { path, key, why } => {
                ("error-pack-item-left-out", with([("path", path), ("key", key), ("reason", why)]))
            }
            Self::Unpack { path, cause, member, detail } => {
                let arguments = [("path", &**path), ("cause", &**cause), ("member", &**member), ("detail", &**detail)];
                ("error-pack-unpack", with(arguments))
            }
            Self::Collision { path } => at("error-pack-collision", path),
            Self::TooLarge { detail } => ("error-pack-too-large", with([("detail", detail)])),
            Self::DiskFull { path } => at("error-pack-disk-full", path),
            Self::QuotaReached { .. } => ("error-pack-quota", Vec::new()),
            Self::Store { fault } => pack_failed(fault),
            Self::Other { detail } => ("error-pack", with([("detail", detail)])),
        }
    }
}

/// A publication that failed, by what the store's disk refused.
fn pack_failed(fault: &StoreFault) -> Sentence {
    let (key, arguments) = fault.sentence();
    let key = match key {
        "fault-read-only" => "error-pack-read-only",
        "fault-not-allowed" => "error-pack-not-allowed",
        "fault-away" => "error-pack-away",
        "fault-damaged" => "error-pack-damaged",
        "fault-other" => "error-pack",
        _ => "error-pack-system",
    };
    (key, arguments)
}

/// What has to end first.
fn busy_key(work: &str) -> &'static str {
    match work {
        "publish" => "error-busy-publish",
        "import" => "error-busy-import",
        _ => "error-busy-use",
    }
}
