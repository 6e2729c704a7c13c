//! `imsmanifest.xml`: the table of contents of SCORM 1.2, SCORM 2004 and IMS Common Cartridge packages.
//!
//! Source: IMS Content Packaging 1.1.4 (organizations, items, resources), which the three share. Only local names are
//! compared, so namespaces and their versions do not matter.

use super::tidy_title;
use super::xml::{self, Node};
use std::collections::BTreeMap;
use std::io::Read;

/// Deepest item that counts.
const DEPTH_MAX: usize = 32;

/// A course as its table of contents tells it.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) title: Option<String>,
    entries: Vec<Entry>,
}

/// A line of the table of contents that opens a file.
#[derive(Debug)]
struct Entry {
    path: String,
    /// Titles from the outermost item to this one.
    titles: Vec<(usize, Option<String>)>,
}

/// Whether a path is that of a package's table of contents: of the collection, or of an item.
pub(super) fn is_manifest(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    !folder.contains('/') && name.eq_ignore_ascii_case("imsmanifest.xml")
}

/// Reads it; `None` when it is none.
pub(super) fn read(source: impl Read) -> Option<Course> {
    let root = xml::read(source).filter(|root| root.name == "manifest")?;
    let organization = root.one("organizations").and_then(|all| {
        let default = all.attribute("default");
        let chosen = all.all("organization").find(|one| default.is_some() && one.attribute("identifier") == default);
        chosen.or_else(|| all.one("organization"))
    });
    let title = organization.and_then(title_of).or_else(|| described(&root));
    let resources = root.one("resources").map(hrefs).unwrap_or_default();
    let mut course = Course { title, entries: Vec::new() };
    if let Some(organization) = organization {
        let mut number = 0;
        collect(organization, &resources, &mut Vec::new(), &mut number, &mut course.entries);
    }
    Some(course)
}

fn title_of(node: &Node) -> Option<String> {
    node.one("title").and_then(Node::first_text).and_then(tidy_title)
}

/// Title in LOM metadata: `metadata/lom/general/title`.
fn described(root: &Node) -> Option<String> {
    let title = root.one("metadata")?.one("lom")?.one("general")?.one("title")?;
    // LOM 1.0 says `string`, IMS 1.2 `langstring`; both hold the text itself.
    title.first_text().and_then(tidy_title)
}

/// Resource identifier -> path in the package.
fn hrefs(resources: &Node) -> BTreeMap<&str, String> {
    let base = resources.attribute("base").unwrap_or("");
    let resource = |node: &Node| {
        let href = node.attribute("href").or_else(|| node.one("file")?.attribute("href"))?;
        let own = node.attribute("base").unwrap_or("");
        Some(plain_path(&format!("{base}{own}{href}")))
    };
    resources.all("resource").filter_map(|node| Some((node.attribute("identifier")?, resource(node)?))).collect()
}

/// A path out of a reference: no query, no fragment, percent signs decoded.
fn plain_path(href: &str) -> String {
    let end = href.find(['?', '#']).unwrap_or(href.len());
    let mut bytes = Vec::new();
    let mut rest = href[..end].bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).trim_start_matches("./").to_owned()
}

type Titles = Vec<(usize, Option<String>)>;

fn collect(
    node: &Node,
    resources: &BTreeMap<&str, String>,
    above: &mut Titles,
    number: &mut usize,
    entries: &mut Vec<Entry>,
) {
    if above.len() >= DEPTH_MAX {
        return;
    }
    for item in node.all("item") {
        *number += 1;
        above.push((*number, title_of(item)));
        if let Some(path) = item.attribute("identifierref").and_then(|id| resources.get(id)) {
            entries.push(Entry { path: path.clone(), titles: above.clone() });
        }
        collect(item, resources, above, number, entries);
        above.pop();
    }
}

impl Course {
    /// The items of a collection that the table of contents names, in its order, each with a title: that of the innermost
    /// line above all files of the item, so a folder with one lesson takes the lesson's, one with a chapter the chapter's.
    pub(super) fn places<'a>(&self, files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, Option<String>)> {
        let keys: BTreeMap<&str, &str> = files.collect();
        let mut places: Vec<(String, Titles)> = Vec::new();
        let mut at: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in &self.entries {
            let Some(key) = keys.get(entry.path.as_str()) else { continue };
            match at.get(key) {
                Some(at) => {
                    let titles = &mut places[*at].1;
                    let shared = titles.iter().zip(&entry.titles).take_while(|(a, b)| a.0 == b.0).count();
                    titles.truncate(shared);
                }
                None => {
                    at.insert(key, places.len());
                    places.push(((*key).to_owned(), entry.titles.clone()));
                }
            }
        }
        places.into_iter().map(|(key, mut titles)| (key, titles.pop().and_then(|(_, title)| title))).collect()
    }
}
