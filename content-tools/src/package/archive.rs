//! Which files are compressed archives, by name and content.

use flate2::read::GzDecoder;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archive {
    /// A tar in gzip.
    TarGz,
    /// A tar in zstd.
    TarZstd,
    /// A tar in something that this program does not read.
    TarOther,
    /// A single file in gzip.
    Gzip,
    /// None of these.
    None,
}

/// Looks at a file; where it lies is asked only when its name does not tell.
pub(crate) fn archive(path: &str, on_disk: impl FnOnce() -> PathBuf) -> Archive {
    let lower = path.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    if ends(&[".tar.gz", ".tgz"]) {
        Archive::TarGz
    } else if ends(&[".tar.zst", ".tzst"]) {
        Archive::TarZstd
    } else if ends(&[".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz", ".tar.lzma"]) {
        Archive::TarOther
    } else if ends(&[".gz"]) {
        if holds_tar(&on_disk()) { Archive::TarGz } else { Archive::Gzip }
    } else {
        Archive::None
    }
}

/// POSIX and GNU tar both write `ustar` into the first header.
fn holds_tar(on_disk: &Path) -> bool {
    let mut head = [0; 512];
    let read = File::open(on_disk).and_then(|file| GzDecoder::new(file).read_exact(&mut head));
    read.is_ok() && head[257..262] == *b"ustar"
}
