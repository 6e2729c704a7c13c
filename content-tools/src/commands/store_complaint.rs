//! What goes wrong in a store, and in reading a collection out of it, as sentences.

use karez_content_tools::export::LoadError;
use karez_content_tools::speech::{Sentence, with};
use karez_content_tools::store::StoreError;
use karez_protocol::content::DocumentError;
use std::path::Path;

/// The sentence for a store that fails.
pub(super) fn storing(error: &StoreError) -> Sentence {
    let at = |key, path: &Path| (key, with([("path", path.display())]));
    let in_dir = |key, dir: &Path| (key, with([("dir", dir.display())]));
    let detail = |key, detail: &dyn std::fmt::Display| (key, with([("detail", detail)]));
    match error {
        StoreError::Locked { dir } => in_dir("error-locked", dir),
        StoreError::Io { path, .. } if error.is_read_only() => in_dir("error-read-only", path),
        StoreError::ReadOnly { dir } => in_dir("error-read-only", dir),
        StoreError::Io { path, source, .. } => {
            ("error-system", with([("path", path.display().to_string()), ("detail", source.to_string())]))
        }
        StoreError::DiskFull { path } => at("error-disk-full", path),
        StoreError::QuotaReached { dir, quota_bytes } => {
            ("error-quota", with([("dir", dir.display().to_string()), ("bytes", quota_bytes.to_string())]))
        }
        StoreError::Damaged { file: Some(path), .. } => at("error-file-changed", path),
        StoreError::Damaged { chunk, file: None, .. } => ("error-chunk-damaged", with([("chunk", chunk)])),
        StoreError::SourceAway { path } => at("error-away", path),
        StoreError::Missing { chunk } => ("error-chunk-gone", with([("chunk", chunk)])),
        StoreError::Poisoned { dir } => in_dir("error-poisoned", dir),
        StoreError::UnknownFormat { path, .. } => at("error-newer-format", path),
        StoreError::Index(source) => detail("error-index", source),
        StoreError::DamagedRelease { path } => at("error-damaged-release", path),
        StoreError::UnknownContents { collection, version } => {
            ("error-not-whole", with([("name", format!("{collection}@{version}"))]))
        }
        StoreError::DamagedPins { path } => at("error-damaged-pins", path),
        other => detail("error-other", other),
    }
}

/// The sentence for a collection that cannot be read.
pub(super) fn loading(error: &LoadError) -> Sentence {
    match error {
        LoadError::Store(error) => storing(error),
        LoadError::MissingPage { .. } => ("error-missing-page", Vec::new()),
        LoadError::Document(DocumentError::UnknownSuite { .. } | DocumentError::UnknownCritical { .. }) => {
            ("error-no-collection", with([("fault", "newer")]))
        }
        LoadError::Document(_) | LoadError::Layout(_) => ("error-no-collection", with([("fault", "other")])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts;
    use karez_content_tools::speech::Lang;
    use std::io;

    #[test]
    fn a_store_is_said_in_chinese() {
        let path = || "/仓".into();
        for (error, chinese) in [
            (StoreError::DamagedRelease { path: path() }, "删除"),
            (StoreError::DamagedPins { path: path() }, "固定"),
            (StoreError::Poisoned { dir: path() }, "检查磁盘"),
            (StoreError::UnknownFormat { path: path(), found: 9, known: 1 }, "升级"),
            (StoreError::SourceAway { path: path() }, "接上"),
            (StoreError::Io { action: "open", path: path(), source: io::Error::from_raw_os_error(5) }, "读写出错"),
            (StoreError::Io { action: "open", path: path(), source: io::Error::from_raw_os_error(30) }, "只读"),
        ] {
            let (key, arguments) = storing(&error);
            let said = texts(Lang::Zh).say(key, &arguments);
            assert!(said.contains(chinese) && said.contains("/仓"), "{said}");
            let foreign = said.replace("karez", "").replace("gc", "").replace("Karez", "");
            assert!(!foreign.chars().any(|c| c.is_ascii_alphabetic()), "{said}");
        }
    }
}
