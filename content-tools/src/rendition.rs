//! Renditions: smaller copies of a film, made once where it is published, for sites with narrow links and old screens.
//!
//! What must stay true: the source folder is never written to; a finished rendition appears under its final name in one
//! step, so an interrupted run leaves nothing half; the same film with the same settings is made once (key: BLAKE3 of the
//! film's bytes and the settings); one encoder runs at a time, niced, and dies with this process where `setpriv` exists.
//!
//! Rejected: keys from path and time of change, because a touched or moved archive would be encoded again for days, and
//! hashing reads at a hundred times the speed of encoding.

mod ffmpeg;

pub use ffmpeg::FfmpegError;

use crate::package::Film;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Lowest and highest picture that may be asked for, in lines.
const HEIGHTS: std::ops::RangeInclusive<u32> = 120..=1080;
/// Changes whenever the settings of the encoder do, so that old results are not taken for new ones.
const SETTINGS: &str = "karez rendition 1";
/// Ending of an unfinished rendition.
const PART: &str = "part";

/// One encoder at a time: it uses all cores by itself, and two would write the same part.
static ENCODER: Mutex<()> = Mutex::new(());

/// A height asked for, such as `360p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Height(u32);

impl From<Height> for String {
    fn from(height: Height) -> Self {
        height.to_string()
    }
}

impl TryFrom<String> for Height {
    type Error = HeightError;

    fn try_from(text: String) -> Result<Self, HeightError> {
        text.parse()
    }
}

impl Height {
    /// Lines of the picture.
    pub const fn lines(self) -> u32 {
        self.0
    }

    /// Most bits a second of the pictures. Lectures are still: slides, a board, a speaker. 0.07 bits a pixel at 25
    /// frames a second, as for 16:9: 400 kbit/s for 360p, 720 for 480p, 1 600 for 720p.
    fn video_bits_max(self) -> u64 {
        let pixels = u64::from(self.0) * u64::from(self.0) * 16 / 9;
        pixels * 25 * 7 / 100
    }
}

/// Not a height.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{found}' is not a rendition: give heights from 120p to 1080p such as 360p,480p")]
pub struct HeightError {
    /// What was given.
    pub found: String,
}

impl std::str::FromStr for Height {
    type Err = HeightError;

    fn from_str(text: &str) -> Result<Self, HeightError> {
        let lines = text.strip_suffix('p').and_then(|number| number.parse().ok());
        // H.264 with half the colour needs even heights.
        let fits = lines.filter(|lines| HEIGHTS.contains(lines) && lines % 2 == 0);
        fits.map(Self).ok_or_else(|| HeightError { found: text.into() })
    }
}

impl std::fmt::Display for Height {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}p", self.0)
    }
}

/// Path of a rendition inside the collection: `第1课/v.mp4` -> `第1课/v.360p.mp4`.
pub(crate) fn path_of(film: &str, height: Height) -> String {
    let name = film.rfind('/').map_or(0, |at| at + 1);
    let stem = film[name..].rfind('.').filter(|at| *at > 0).map_or(film.len(), |at| name + at);
    format!("{}.{height}.mp4", &film[..stem])
}

/// Where renditions are kept, and the programs that make them.
#[derive(Debug)]
pub(crate) struct Studio {
    folder: PathBuf,
    programs: ffmpeg::Programs,
}

impl Studio {
    /// Needs `ffmpeg` and `ffprobe` on the path; keeps results in a store's folder.
    pub(crate) fn open(store: &Path) -> Result<Self, FfmpegError> {
        let programs = ffmpeg::Programs::find(std::env::var_os("PATH").unwrap_or_default().as_os_str())?;
        let folder = store.join("renditions");
        fs::create_dir_all(&folder).map_err(|source| FfmpegError::Folder { path: folder.clone(), source })?;
        Ok(Self { folder, programs })
    }

    /// Height of a film: what its index says, or else what `ffprobe` says; `None` without pictures.
    pub(crate) fn height(&self, film: &Path, known: Option<&Film>) -> Option<u32> {
        known.map(|known| known.height).or_else(|| self.programs.height(film)).filter(|height| *height > 0)
    }

    /// A film at another height, from the folder of finished ones or made now. `progress` gets milliseconds done.
    pub(crate) fn rendition(
        &self,
        film: &Path,
        height: Height,
        progress: &mut dyn FnMut(u64),
    ) -> Result<PathBuf, FfmpegError> {
        let unreadable = |source| FfmpegError::Film { path: film.into(), source };
        let done = self.folder.join(format!("{}-{height}.mp4", key(film).map_err(unreadable)?));
        let _turn = ENCODER.lock().unwrap_or_else(PoisonError::into_inner);
        if done.is_file() {
            return Ok(done);
        }
        let part = done.with_extension(PART);
        let log = done.with_extension("log");
        self.programs.encode(&ffmpeg::Order { film, height, part: &part, log: &log }, progress)?;
        let finished = File::open(&part).and_then(|file| file.sync_all()).and_then(|()| fs::rename(&part, &done));
        finished.map_err(|source| FfmpegError::Folder { path: part, source })?;
        // The log of a success is of no use; one that stays is overwritten by the next run.
        let _ = fs::remove_file(log);
        Ok(done)
    }
}

fn key(film: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(SETTINGS.as_bytes());
    io::copy(&mut File::open(film)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

#[cfg(test)]
mod tests;
