//! Small XML documents as a bounded tree of names, attributes and texts.
//!
//! What must stay true: no entity but the five of XML and character references is known; nothing outside the file is read;
//! bytes, depth, and nodes are bounded before memory is used. Old Chinese courseware declares GB2312, so encodings are
//! honoured.

use encoding_rs::Encoding;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::io::Read;

/// Largest document read. The biggest course manifests seen are a few MB.
const BYTES_MAX: u64 = 16 << 20;
/// Deepest element.
const DEPTH_MAX: usize = 64;
/// Most elements.
const NODES_MAX: usize = 200_000;
/// Most attributes looked at for each element.
const ATTRIBUTES_MAX: usize = 32;

/// An element. Names are without their namespace prefix.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// An attribute by its local name.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Children of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub(super) fn one(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first text of this element and what lies in it.
    pub(super) fn first_text(&self) -> Option<&str> {
        let own = self.text.trim();
        if own.is_empty() { self.children.iter().find_map(Node::first_text) } else { Some(own) }
    }
}

/// Reads a document; `None` when it is too large, or not one.
pub(super) fn read(source: impl Read) -> Option<Node> {
    let mut bytes = Vec::new();
    source.take(BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > BYTES_MAX {
        return None;
    }
    let text = decode(&bytes);
    tree(&text)
}

/// The text in the encoding of its byte order mark or declaration; UTF-8 otherwise.
fn decode(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    let declared = head.split_once("encoding=").and_then(|(_, rest)| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        Encoding::for_label(rest[1..].split(quote).next()?.as_bytes())
    });
    let encoding = Encoding::for_bom(bytes).map(|(encoding, _)| encoding).or(declared);
    encoding.unwrap_or(encoding_rs::UTF_8).decode(bytes).0.into_owned()
}

fn tree(text: &str) -> Option<Node> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Node::default()];
    let mut nodes = 0;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => open.push(node(&tag)),
            Event::Empty(tag) => open.last_mut()?.children.push(node(&tag)),
            Event::End(_) => {
                let closed = open.pop()?;
                open.last_mut()?.children.push(closed);
                continue;
            }
            Event::Text(text) => open.last_mut()?.text.push_str(text.as_ref()),
            Event::CData(text) => open.last_mut()?.text.push_str(text.as_ref()),
            Event::GeneralRef(name) => {
                let known = entity(name.as_ref());
                open.last_mut()?.text.extend(known);
            }
            Event::Eof => break,
            _ => continue,
        }
        nodes += 1;
        if nodes > NODES_MAX * 2 || open.len() > DEPTH_MAX {
            return None;
        }
    }
    // Anything still open was cut off.
    if open.len() == 1 { open.pop()?.children.into_iter().next() } else { None }
}

fn node(tag: &BytesStart<'_>) -> Node {
    let mut attributes = tag.attributes();
    let attributes = attributes
        .with_checks(false)
        .take(ATTRIBUTES_MAX)
        .filter_map(Result::ok)
        .map(|attribute| (attribute.key.local_name().as_ref().to_owned(), unescape(&attribute.value)));
    let name = tag.local_name().as_ref().to_owned();
    Node { name, attributes: attributes.collect(), ..Node::default() }
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after.split_once(';').filter(|(name, _)| name.len() <= 10);
        match known.and_then(|(name, behind)| Some((entity(name)?, behind))) {
            Some((c, behind)) => {
                out.push(c);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
