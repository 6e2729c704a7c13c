//! What a file name says about its content: media type, cut profile, whether compression is worth a try.
//!
//! What must stay true: the answer depends on the name only, so that the same folder packs the same everywhere; the choice
//! of profile is documented in `docs/formats/cut-profile.md` and measured in `docs/decisions/0012-cut-profiles.md`.

use karez_protocol::content::cut_profile::{CutProfile, MEDIA, TEXT};

/// How the bytes of a media type behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grain {
    /// Compressed already: cut coarsely, do not try zstd.
    Packed,
    /// Binary, perhaps compressible: cut coarsely, sample.
    Binary,
    /// Text: cut finely, sample.
    Text,
}

use Grain::{Binary, Packed, Text};

const TYPES: &[(&str, &str, Grain)] = &[
    ("mp4", "video/mp4", Packed),
    ("m4v", "video/mp4", Packed),
    ("mkv", "video/x-matroska", Packed),
    ("webm", "video/webm", Packed),
    ("mov", "video/quicktime", Packed),
    ("avi", "video/x-msvideo", Packed),
    ("flv", "video/x-flv", Packed),
    ("wmv", "video/x-ms-wmv", Packed),
    ("ts", "video/mp2t", Packed),
    ("mpg", "video/mpeg", Packed),
    ("mpeg", "video/mpeg", Packed),
    ("mp3", "audio/mpeg", Packed),
    ("m4a", "audio/mp4", Packed),
    ("aac", "audio/aac", Packed),
    ("ogg", "audio/ogg", Packed),
    ("opus", "audio/ogg", Packed),
    ("flac", "audio/flac", Packed),
    ("wma", "audio/x-ms-wma", Packed),
    ("wav", "audio/wav", Binary),
    ("jpg", "image/jpeg", Packed),
    ("jpeg", "image/jpeg", Packed),
    ("png", "image/png", Packed),
    ("gif", "image/gif", Packed),
    ("webp", "image/webp", Packed),
    ("bmp", "image/bmp", Binary),
    ("tif", "image/tiff", Binary),
    ("tiff", "image/tiff", Binary),
    ("svg", "image/svg+xml", Text),
    ("dcm", "application/dicom", Binary),
    ("zip", "application/zip", Packed),
    ("7z", "application/x-7z-compressed", Packed),
    ("rar", "application/vnd.rar", Packed),
    ("gz", "application/gzip", Packed),
    ("tgz", "application/gzip", Packed),
    ("xz", "application/x-xz", Packed),
    ("zst", "application/zstd", Packed),
    ("epub", "application/epub+zip", Packed),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", Packed),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", Packed),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Packed),
    ("pdf", "application/pdf", Binary),
    ("doc", "application/msword", Binary),
    ("ppt", "application/vnd.ms-powerpoint", Binary),
    ("xls", "application/vnd.ms-excel", Binary),
    ("tar", "application/x-tar", Binary),
    ("vtt", "text/vtt", Text),
    ("srt", "application/x-subrip", Text),
    ("txt", "text/plain", Text),
    ("md", "text/markdown", Text),
    ("html", "text/html", Text),
    ("htm", "text/html", Text),
    ("css", "text/css", Text),
    ("csv", "text/csv", Text),
    ("js", "text/javascript", Text),
    ("json", "application/json", Text),
    ("xml", "application/xml", Text),
    ("toml", "application/toml", Text),
    ("tex", "application/x-tex", Text),
];

/// Everything that a name decides about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) media_type: &'static str,
    pub(super) profile: CutProfile,
    pub(super) may_compress: bool,
}

/// Looks a file up.
pub(super) fn of(name: &str) -> Media {
    let (_, media_type, grain) = lookup(name).copied().unwrap_or(("", "application/octet-stream", Binary));
    Media { media_type, profile: if grain == Text { TEXT } else { MEDIA }, may_compress: grain != Packed }
}

fn lookup(name: &str) -> Option<&'static (&'static str, &'static str, Grain)> {
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    TYPES.iter().find(|(known, ..)| *known == extension)
}

/// Whether a name is that of a film or a recording.
pub(super) fn is_recording(name: &str) -> bool {
    let media_type = lookup(name).map_or("", |(_, media_type, _)| media_type);
    media_type.starts_with("video/") || media_type.starts_with("audio/")
}

/// Whether a name is that of a picture.
pub(super) fn is_picture(name: &str) -> bool {
    lookup(name).is_some_and(|(_, media_type, _)| media_type.starts_with("image/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide() {
        let row = |name| {
            let media = of(name);
            (media.media_type, media.profile.name, media.may_compress)
        };
        assert_eq!(row("课.MP4"), ("video/mp4", "media-16k", false));
        assert_eq!(row("a.txt"), ("text/plain", "text-8k", true));
        assert_eq!(row("noname"), ("application/octet-stream", "media-16k", true));
        assert!(is_recording("x.mkv") && !is_recording("x.vtt") && is_picture("cover.JPG"));
    }
}
