//! What goes wrong with a stick, as sentences.

use super::figure;
use crate::api::error::CourierError;
use karez_content_tools::speech::{Sentence, Spoken, with};
use std::path::Path;

impl Spoken for CourierError {
    fn sentence(&self) -> Sentence {
        let at = |key, path: &Path| (key, with([("path", path.display())]));
        match self {
            Self::NoRequest { path } => at("error-no-request", path),
            Self::NotARequest { path } => at("error-not-a-request", path),
            Self::NewerRequest { path } => at("error-newer-request", path),
            Self::ForeignRequest { path } => at("error-foreign-request", path),
            Self::NoFolder { path } => at("error-no-stick-folder", path),
            Self::NoSource { path } => at("error-no-source-folder", path),
            Self::NotAFolder { path } => at("error-not-a-folder", path),
            Self::NotWritable { path } => at("error-not-writable", path),
            Self::NotReadable { path } => at("error-not-readable", path),
            Self::NoBundle { path } => at("error-no-bundle", path),
            Self::Unfinished { path, parts } => {
                ("error-unfinished-bundle", with([("path", path.display().to_string()), ("parts", parts.to_string())]))
            }
            Self::NotPlain { path } => at("error-not-plain", path),
            Self::DamagedBundle { path } => at("error-damaged-bundle", path),
            Self::ForeignBundle { path } => at("error-foreign-bundle", path),
            Self::Incomplete { collection, version } => {
                ("error-incomplete", with([("collection", collection.clone()), ("version", version.to_string())]))
            }
            Self::NotHere { collection } => ("error-not-here", with([("collection", collection)])),
            Self::NoSpace { needed, free, path } => {
                let [needed, free] = [*needed, *free].map(figure::bytes);
                ("error-small-stick", with([("needed", needed), ("free", free), ("path", path.display().to_string())]))
            }
            Self::Full { path } => at("error-full-stick", path),
            Self::ReadBack { path } => at("error-read-back", path),
            Self::TooMuch => ("error-too-much", Vec::new()),
            Self::Store { detail } => ("error-store", with([("detail", detail)])),
            Self::System { path, detail } => {
                ("error-path", with([("path", path.display().to_string()), ("detail", detail.clone())]))
            }
            Self::Other { detail } => ("error-courier", with([("detail", detail)])),
        }
    }
}
