//! `collection.toml`: what the people of the flagship say about their folder.
//!
//! What must stay true: a key this program does not know is an error with its line, because a typing error must not
//! publish a collection without its licence.

use super::PackOptions;
use super::error::PackError;
use karez_protocol::content::manifest::{Kind, Metadata};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Name of the file.
pub(crate) const FILE_NAME: &str = "collection.toml";

/// The file's contents.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Description {
    #[serde(deserialize_with = "kind")]
    kind: Option<Kind>,
    pub(super) title: Option<String>,
    creators: Vec<String>,
    languages: Vec<String>,
    subject: Option<String>,
    grade: Option<String>,
    term: Option<String>,
    edition: Option<String>,
    licence: Option<String>,
    rights: Option<String>,
    description: Option<String>,
    pub(super) sensitivity: Option<String>,
    pub(super) items: BTreeMap<String, ItemDescription>,
}

/// What the file says about one item.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ItemDescription {
    pub(super) title: Option<String>,
}

fn kind<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Kind>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Kind::from_name(&name).map(Some).ok_or_else(|| {
        let known = Kind::ALL.map(|(_, name)| name).join(", ");
        serde::de::Error::custom(format!("unknown kind '{name}', expected one of {known}"))
    })
}

impl Description {
    /// Reads the file of a folder, if there is one. A link or a special file of that name counts as none.
    pub(super) fn read(dir: &Path) -> Result<Self, PackError> {
        let path = dir.join(FILE_NAME);
        let unreadable = |source| PackError::Unreadable { path: path.clone(), source };
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(Self::default()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(error)),
        }
        let bytes = fs::read(&path).map_err(unreadable)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| unreadable(io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text")))?;
        toml::from_str(&text).map_err(|source| PackError::Description { path, source: Box::new(source) })
    }

    /// Whether the file gives an item its title.
    pub(super) fn gives_title(&self, key: &str) -> bool {
        let stem = key.rsplit_once('.').map_or(key, |(stem, _)| stem);
        [key, stem].iter().any(|name| self.items.get(*name).is_some_and(|item| item.title.is_some()))
    }

    /// The collection's metadata: options first, then the file, then the folder's name.
    pub(super) fn metadata(&self, dir: &Path, options: &PackOptions) -> Metadata {
        let named = || dir.canonicalize().ok()?.file_name()?.to_str().map(str::to_owned);
        Metadata {
            kind: options.kind.or(self.kind).unwrap_or(Kind::Course),
            title: options.title.clone().or_else(|| self.title.clone()).or_else(named).unwrap_or_default(),
            creators: self.creators.clone(),
            languages: self.languages.clone(),
            subject: self.subject.clone(),
            grade: self.grade.clone(),
            term: self.term.clone(),
            edition: self.edition.clone(),
            licence: self.licence.clone(),
            rights: self.rights.clone(),
            sensitivity: None,
            ext: BTreeMap::new(),
            description: self.description.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_the_line() {
        for (text, said) in [("titel = \"x\"", "unknown field `titel`"), ("kind = \"film\"", "unknown kind 'film'")] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FILE_NAME), format!("# a comment\n{text}\n")).unwrap();
            let error = Description::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn options_win_over_the_file_and_the_file_over_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("初一数学");
        fs::create_dir(&folder).unwrap();
        let title = |options: &PackOptions| Description::read(&folder).unwrap().metadata(&folder, options).title;
        let options = PackOptions { title: Some("from the option".into()), ..PackOptions::default() };
        assert_eq!(title(&PackOptions::default()), "初一数学");
        fs::write(folder.join(FILE_NAME), "title = '代数'\nkind = 'library'\n[items.'第1课']\ntitle = '导入'").unwrap();
        assert_eq!(title(&PackOptions::default()), "代数");
        assert_eq!(title(&options), "from the option");
        assert_eq!(Description::read(&folder).unwrap().items["第1课"].title.as_deref(), Some("导入"));
    }
}
