//! One file of a collection as an HTTP response: which bytes, under which headers.

use super::etag;
use super::range::{self, Wanted};
use super::refusal::Refusal;
use crate::handle::{HandleError, Pull};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use karez_content_tools::export::LoadError;
use karez_content_tools::pages::File;
use std::ops::Range;

/// For documents that a browser would run: no scripts, no forms, no other origins, an origin of their own.
const SANDBOX: &str = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self' 'unsafe-inline'";
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a request comes to.
pub(super) enum Described {
    /// The answer: the client knows the content.
    Known(Response),
    /// The head of the answer, and the bytes that are to follow.
    Content { response: Response, file: Box<File>, range: Range<u64> },
}

/// Looks at a request for the file at `path`. Reads the pages that describe it: blocks.
pub(super) fn describe(pull: &Pull, path: String, headers: &HeaderMap) -> Result<Described, Refusal> {
    let unknown = || HandleError::UnknownFile { collection: pull.collection.to_string(), path: path.clone() };
    let failed = |cause: LoadError| HandleError::Store { detail: cause.to_string() };
    let file = pull.pages.file(&path).map_err(failed)?.ok_or_else(unknown)?;
    let tag = etag::of(&pull.pages, &file).map_err(failed)?;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|named| etag::is_named(named, &tag)) {
        return Ok(Described::Known(fixed(StatusCode::NOT_MODIFIED, &tag, "").into_response()));
    }
    let size = file.head.size;
    // A changed file must not be glued together from two versions: then the whole is sent.
    let fresh = text(header::IF_RANGE).is_none_or(|named| named == tag);
    let wanted = match text(header::RANGE).filter(|_| fresh) {
        Some(asked) => range::parse(asked, size),
        None => Wanted::Whole,
    };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Unsatisfiable => return Err(Refusal::Range { size }),
    };
    let mut response = fixed(status, &tag, &file.head.media_type);
    measure(response.headers_mut(), status, &range, size);
    Ok(Described::Content { response, file: Box::new(file), range })
}

fn measure(headers: &mut HeaderMap, status: StatusCode, range: &Range<u64>, size: u64) {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        headers.insert(header::CONTENT_RANGE, text.try_into().expect("digits and slashes are a header value"));
    }
}

/// The headers that do not depend on the range.
fn fixed(status: StatusCode, tag: &str, media_type: &str) -> Response {
    let mut response = (status, Body::empty()).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::ETAG, tag.try_into().expect("hex digits in quotes are a header value"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // The version behind a path may change: ask again, which costs a 304.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, SAME_ORIGIN);
    if !media_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, content_type(media_type));
    }
    if !plays_without_sandbox(media_type) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    }
    response
}

/// The manifest's type; text without a charset is UTF-8, as old browsers would guess otherwise.
fn content_type(media_type: &str) -> HeaderValue {
    let unmarked = media_type.starts_with("text/") && !media_type.contains(';');
    let charset = if unmarked { "; charset=utf-8" } else { "" };
    let fallback = HeaderValue::from_static("application/octet-stream");
    format!("{media_type}{charset}").try_into().unwrap_or(fallback)
}

/// Types that a browser shows by a viewer of its own, which a sandbox would break, and never runs.
fn plays_without_sandbox(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let picture = essence.starts_with("image/") && !essence.contains("svg");
    picture || essence.starts_with("video/") || essence.starts_with("audio/") || essence == "application/pdf"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_could_run_is_sandboxed() {
        for (media_type, plays) in [
            ("video/mp4", true),
            ("audio/mpeg", true),
            ("image/png", true),
            ("application/pdf", true),
            ("text/html", false),
            ("Text/HTML; charset=gbk", false),
            ("application/xhtml+xml", false),
            ("image/svg+xml", false),
            ("Image/SVG+xml", false),
            ("application/octet-stream", false),
            ("", false),
        ] {
            assert_eq!(plays_without_sandbox(media_type), plays, "{media_type}");
        }
    }

    #[test]
    fn types_from_manifests_cannot_break_the_head() {
        for (media_type, sent) in [
            ("text/vtt", "text/vtt; charset=utf-8"),
            ("text/html; charset=gbk", "text/html; charset=gbk"),
            ("video/mp4", "video/mp4"),
            ("text/html\r\nX: y", "application/octet-stream"),
        ] {
            assert_eq!(content_type(media_type), sent, "{media_type}");
        }
    }
}
