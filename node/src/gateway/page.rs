//! The two plain pages of the gateway: the collections that are here, and the files of one. No scripts; every text that
//! comes from a collection is escaped.

use super::refusal::Refusal;
use crate::handle::view::Status;
use crate::handle::{HandleError, Pull};
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse as _, Response};
use karez_content_tools::export::LoadError;
use karez_content_tools::pages::File;
use std::fmt::Write as _;

/// The pages load nothing but their own inline style.
const POLICY: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-cache"),
    (header::REFERRER_POLICY, "no-referrer"),
];

const STYLE: &str = "body{font:16px/1.6 sans-serif;margin:2em auto;max-width:50em;padding:0 1em}\
     td{padding:.2em 1em .2em 0;vertical-align:top}th{padding-top:.6em;text-align:left}.n{text-align:right;white-space:nowrap;color:#555}";

/// The collections of this node.
pub(super) fn front(status: &Status) -> Response {
    let mut body = String::from("<h1>本机内容 · Collections here</h1>\n");
    if status.collections.is_empty() {
        body.push_str("<p>还没有内容。No collection is here yet: <code>karez pull PUBLISHER/NAME</code></p>\n");
    }
    body.push_str("<table>\n");
    for row in &status.collections {
        let share = if row.complete { "✓".to_owned() } else { percent(row.have_bytes, row.stored_bytes) };
        let (name, title) = (escape(&row.collection), escape(&row.title));
        row_of(&mut body, &format!("/c/{name}/"), &title, &name, &share);
    }
    body.push_str("</table>\n");
    page("Karez", &body)
}

/// Files in one listing: a browser shows 2 MB of table and not more. A library has a million files.
const LISTED_MAX: usize = 10_000;

/// The files of a collection. Reads its pages: blocks.
pub(super) fn listing(pull: &Pull) -> Result<Response, Refusal> {
    let metadata = &pull.pages.root().metadata;
    let (title, name) = (escape(&metadata.title), pull.collection.to_string());
    let mut body = format!("<p><a href=\"/\">← 全部 · All</a></p>\n<h1>{title}</h1>\n");
    let _ = writeln!(body, "<p>{name} · v{}</p>\n<h2>文件 · Files</h2>\n<table>", pull.version);
    let failed = |cause: LoadError| HandleError::Store { detail: cause.to_string() };
    let course = pull.pages.course().map_err(failed)?;
    let (mut item, mut number) = (None, 0);
    for file in pull.pages.files_in_course(&course).take(LISTED_MAX) {
        let file = file.map_err(failed)?;
        if file.is_description() {
            continue;
        }
        if item.as_ref() != Some(&file.item) {
            number += 1;
            heading(&mut body, number, &file);
        }
        let path = file.head.path.as_str();
        let target = format!("/c/{name}/{}", encode(path));
        // The heading says in which item it is.
        let inside = path.strip_prefix(&file.item).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
        row_of(&mut body, &target, &escape(inside), file.head.role.name(), &size(file.head.size));
        item = Some(file.item);
    }
    body.push_str("</table>\n");
    let more = pull.pages.root().files.saturating_sub(LISTED_MAX as u64);
    if more > 0 {
        let _ = writeln!(body, "<p>还有 {more} 个文件没有列出 · {more} more files are not listed</p>");
    }
    Ok(page(&title, &body))
}

/// An item's title, or its key where it has none.
fn heading(body: &mut String, number: u64, file: &File) {
    let title = if file.title.is_empty() { &file.item } else { &file.title };
    let _ = writeln!(body, "<tr><th colspan=\"3\">{number}. {}</th></tr>", escape(title));
}

fn row_of(body: &mut String, target: &str, text: &str, note: &str, figure: &str) {
    let link = format!("<a href=\"{target}\">{text}</a>");
    let _ = writeln!(body, "<tr><td>{link}</td><td>{note}</td><td class=\"n\">{figure}</td></tr>");
}

fn page(title: &str, body: &str) -> Response {
    let head = format!("<meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>");
    (POLICY, Html(format!("<!doctype html>\n<html><head>{head}</head>\n<body>\n{body}</body></html>\n")))
        .into_response()
}

fn percent(have: u64, total: u64) -> String {
    let share = have.saturating_mul(100).checked_div(total).unwrap_or(0);
    format!("{}%", share.min(99))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// Text inside an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Percent-encodes all of a path but its slashes and what RFC 3986 calls unreserved.
fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_collections_stay_texts() {
        assert_eq!(escape("<a href='x'>&\"课"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;课");
        assert_eq!(encode("01-课/a b?#\".mp4"), "01-%E8%AF%BE/a%20b%3F%23%22.mp4");
    }

    #[test]
    fn figures() {
        assert_eq!([size(0), size(1), size(999_999), size(1_234_567)], ["0 kB", "1 kB", "1000 kB", "1.2 MB"]);
        assert_eq!([percent(1, 0), percent(1, 2), percent(2, 2)], ["0%", "50%", "99%"]);
    }
}
