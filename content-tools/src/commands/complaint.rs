//! What goes wrong, as a sentence in the user's language that says what to do next.
//!
//! What has no sentence of its own is said in English, in the words of the error.

use super::store_complaint::{loading, storing};
use karez_content_tools::export::LoadError;
use karez_content_tools::pack::{PackError, Skips};
use karez_content_tools::package::{BadName, Notice, Notices};
use karez_content_tools::rendition::FfmpegError;
use karez_content_tools::speech::{Sentence, Spoken, Texts, listed, with};
use karez_content_tools::store::StoreError;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// What the commands themselves find wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("there is no store in {}", dir.display())]
    NoStore { dir: PathBuf },
    #[error("there is no folder {}", dir.display())]
    NoFolder { dir: PathBuf },
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a file", path.display())]
    NotAFile { path: PathBuf },
    #[error("no manifest '{text}'")]
    NoManifest { text: String },
    #[error("no item '{item}' in '{manifest}'")]
    NoItem { manifest: String, item: String },
}

impl Spoken for Wrong {
    fn sentence(&self) -> Sentence {
        match self {
            Self::NoStore { dir } => ("error-no-store", with([("dir", dir.display())])),
            Self::NoFolder { dir } => ("error-no-folder", with([("dir", dir.display())])),
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                ("error-no-file", with([("path", path.display())]))
            }
            Self::Unreadable { path, source } => {
                ("error-unreadable", with([("path", path.display().to_string()), ("detail", source.to_string())]))
            }
            Self::NotAFile { path } => ("error-not-a-file", with([("path", path.display())])),
            Self::NoManifest { text } => ("error-no-manifest", with([("text", text)])),
            Self::NoItem { manifest, item } => ("error-no-item", with([("manifest", manifest), ("item", item)])),
        }
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Complaint<'a>(pub(crate) &'a anyhow::Error);

impl Spoken for Complaint<'_> {
    fn sentence(&self) -> Sentence {
        // A context is not in the chain as what it is, and says more than the error below it.
        let context = self.0.downcast_ref::<StoreError>().map(storing);
        let found = context.or_else(|| {
            self.0.chain().find_map(|cause| {
                let wrong = cause.downcast_ref::<Wrong>().map(Wrong::sentence);
                let packing = || cause.downcast_ref::<PackError>().and_then(packing);
                let storing = || cause.downcast_ref::<StoreError>().map(storing);
                let loading = || cause.downcast_ref::<LoadError>().map(loading);
                wrong.or_else(packing).or_else(storing).or_else(loading)
            })
        });
        found.unwrap_or_else(|| ("error-other", with([("detail", in_words(self.0))])))
    }

    fn json(&self, english: &Texts) -> Value {
        let (key, arguments) = self.sentence();
        let name = key.trim_start_matches("error-").replace('-', "_");
        let mut document = json!({ "error": name, "message": english.say(key, &arguments) });
        if key == "error-no-collection" {
            document["detail"] = in_words(self.0).into();
        }
        if let Some(PackError::Refused(refusals)) = self.0.downcast_ref() {
            document["refusals"] = refusals.list.iter().map(notice_json).collect();
            document["refusals_more"] = refusals.more.into();
        }
        if let Some(PackError::Names(names)) = self.0.downcast_ref() {
            let name = |bad: &BadName| json!({"path": bad.path.to_string_lossy(), "rule": bad.rule()});
            document["names"] = names.list.iter().map(name).collect();
            document["names_more"] = names.more.into();
        }
        document
    }
}

/// An error with its causes, less those that it has named itself.
fn in_words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        match (text.is_empty(), text.contains(&cause)) {
            (true, _) => cause,
            (false, true) => text,
            (false, false) => format!("{text}: {cause}"),
        }
    })
}

impl Complaint<'_> {
    /// What must not become public, if that is why.
    pub(crate) fn refusals(&self) -> Option<&Notices> {
        match self.0.downcast_ref() {
            Some(PackError::Refused(refusals)) => Some(refusals),
            _ => None,
        }
    }
}

pub(crate) fn notice_json(notice: &Notice) -> Value {
    json!({"path": notice.path, "code": notice.code.name(), "detail": notice.detail, "text": notice.text()})
}

fn packing(error: &PackError) -> Option<Sentence> {
    let at = |key, path: &Path| Some((key, with([("path", path.display())])));
    match error {
        PackError::Missing { dir } => Some(("error-no-folder", with([("dir", dir.display())]))),
        PackError::NotAFolder { dir } => at("error-not-a-folder", dir),
        PackError::Empty { dir, skipped } => Some(empty(dir, skipped)),
        PackError::OwnFolder { path } => at("error-store-inside", path),
        PackError::Changing { path } => at("error-changing", path),
        PackError::NameEncoding { path } => at("error-name-encoding", path),
        PackError::CompressedTar { path, can_unpack: true } => at("error-compressed-tar", path),
        PackError::CompressedTar { path, .. } => at("error-compressed-tar-by-hand", path),
        PackError::Unreadable { path, source } => {
            let arguments = [("path", path.display().to_string()), ("detail", source.to_string())];
            Some(("error-unreadable-inside", with(arguments)))
        }
        PackError::Unpack { path, source } => {
            let about = [("cause", source.cause()), ("member", source.member())];
            let words = [("path", path.display().to_string()), ("detail", source.to_string())];
            Some(("error-unpack", [with(about), with(words)].concat()))
        }
        PackError::Name { path, reason } => {
            let name = BadName { path: path.clone(), fault: Some(*reason) };
            Some(("error-name", with([("path", path.display().to_string()), ("rule", name.rule().into())])))
        }
        PackError::Names(names) => {
            let count = names.total().to_string();
            let paths: Vec<_> = names.list.iter().map(|name| name.path.to_string_lossy()).collect();
            let lines = listed(paths.iter().map(|path| &**path), names.more);
            Some(("error-names", with([("count", count), ("lines", lines)])))
        }
        PackError::Description { path, source } => {
            Some(("error-description", with([("path", path.display().to_string()), ("lines", source.to_string())])))
        }
        PackError::UnknownItem { path, key } => {
            Some(("error-unknown-item", with([("path", path.display().to_string()), ("key", key.clone())])))
        }
        PackError::ItemLeftOut { path, key, reason } => {
            let (path, key, reason) = (path.display().to_string(), key.clone(), reason.name().to_owned());
            Some(("error-item-left-out", with([("path", path), ("key", key), ("reason", reason)])))
        }
        PackError::Collision { path } => Some(("error-collision", with([("path", path)]))),
        PackError::Sensitivity { found } => Some(("error-sensitivity", with([("found", found)]))),
        PackError::Refused(_) => Some(("error-refused", Vec::new())),
        PackError::TooLarge(reason) => Some(("error-too-large", with([("detail", reason)]))),
        PackError::Rendition(FfmpegError::Missing { program }) => {
            Some(("error-no-ffmpeg", with([("program", program)])))
        }
        PackError::Rendition(FfmpegError::Start(detail)) => Some(("error-ffmpeg-start", with([("detail", detail)]))),
        PackError::Rendition(FfmpegError::Failed { path, line, log }) => {
            let [path, log] = [path, log].map(|path| path.display().to_string());
            Some(("error-ffmpeg", with([("path", path), ("line", line.clone()), ("log", log)])))
        }
        PackError::Rendition(FfmpegError::Film { path, source } | FfmpegError::Folder { path, source }) => {
            Some(("error-system", with([("path", path.display().to_string()), ("detail", source.to_string())])))
        }
        PackError::Store(error) => Some(storing(error)),
    }
}

/// A folder of nothing, or of what is left out.
fn empty(dir: &Path, skipped: &Skips) -> Sentence {
    let path = with([("path", dir.display())]);
    let Some(first) = skipped.list.first() else { return ("error-empty", path) };
    let about = with([("first", first.path.as_str()), ("reason", first.reason.name())]);
    ("error-empty-skipped", [path, about, vec![("count", skipped.total().into())]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_is_named_twice() {
        let io = || io::Error::from(io::ErrorKind::NotFound);
        let error = StoreError::Io { action: "open", path: "/x".into(), source: io() };
        assert_eq!(in_words(&error.into()), format!("cannot open /x: {}", io()));
        let wrong = Wrong::NoFolder { dir: "/x".into() };
        let said = format!("{wrong}: {}", io());
        assert_eq!(in_words(&anyhow::Error::new(io()).context(wrong)), said);
    }
}
