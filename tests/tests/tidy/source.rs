//! The repository's files, as the rules see them.

use std::fs;
use std::path::{Path, PathBuf};

/// One file. `code` has the same length and lines as `text`, with comments, strings and char literals blanked.
pub(crate) struct Source {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: String,
}

impl Source {
    /// `path:line` of a byte offset.
    pub(crate) fn at(&self, offset: usize) -> String {
        format!("{}:{}", self.path, self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1)
    }

    /// Every place in the code where `needle` stands.
    pub(crate) fn find<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(needle).map(|(offset, _)| offset)
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate has a parent folder").to_path_buf()
}

/// Every Rust file of the repository.
pub(crate) fn rust() -> Vec<Source> {
    with_extension(&["rs"])
}

/// Every file with one of these extensions, build output and hidden folders aside, in path order.
pub(crate) fn with_extension(extensions: &[&str]) -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &mut found);
    found.retain(|path| path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted)));
    found.sort();
    found.into_iter().filter_map(|path| load(&root, &path)).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be listed") {
        let entry = entry.expect("a folder entry can be read");
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !hidden && name != "target" {
            collect(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// A file that vanishes between listing and reading (an editor's swap file) is no offence.
fn load(root: &Path, path: &Path) -> Option<Source> {
    let text = fs::read_to_string(path).ok()?;
    let code = blank(&text);
    let path = path.strip_prefix(root).expect("found below the root").to_string_lossy().replace('\\', "/");
    Some(Source { path, text, code })
}

/// Replaces comments and literals by spaces, byte for byte, keeping line breaks.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = opaque_end(bytes, at);
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("whole literals were replaced by ASCII")
}

/// The end of the comment or literal that starts at `at`, or `at` where none starts.
fn opaque_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment(rest),
        [b'"', ..] => at + quoted(rest),
        [b'r', b'"' | b'#', ..] if !after_word => at + raw(rest, 1),
        [b'b', b'r', b'"' | b'#', ..] if !after_word => at + raw(rest, 2),
        [b'\'', ..] => at + char_literal(rest),
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `prefix` is the length of `r` or `br`. `r#name` is an identifier: nothing opaque starts there.
fn raw(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return 0;
    }
    let body = prefix + hashes + 1;
    let closing = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let length = rest[body..].windows(closing.len()).position(|window| window == closing);
    length.map_or(rest.len(), |length| body + length + closing.len())
}

/// A quote that opens no char literal is a lifetime, and code.
fn char_literal(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|byte| *byte == b'\'').map_or(0, |n| n + 4);
    }
    let width = match rest.get(1) {
        Some(0xF0..) => 4,
        Some(0xE0..) => 3,
        Some(0xC0..) => 2,
        _ => 1,
    };
    if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
}

#[test]
fn blanks_what_is_not_code() {
    let check = |text: &str, expected: &str| assert_eq!(blank(text), expected, "{text}");
    check("a // b\nc", "a     \nc");
    check("/* a /* b */ c */ d", "                  d");
    check(r#"f("a\"b", 'x', '\'', b"y")"#, "f(      ,    ,     , b   )");
    check(r##"r#"a"b"# c"##, "         c");
    check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
    check("'{' '分' 1", "          1");
    check("r#type; bar\"x\"", "r#type; bar   ");
}
