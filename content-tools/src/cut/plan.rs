//! What a container's structure adds to cutting.
//!
//! What must stay true: a plan never changes what a file is, only where it is cut; the extents of a plan, one behind the
//! other, are the whole file, so putting it together again cannot lose or invent a byte.

use super::fallback::Fallback;
use super::window::{ReadAt, Window};
use super::{dicom, mkv, mp4, zip};
use karez_protocol::content::cut_profile::CutProfile;
use karez_protocol::content::recipe::Extent;
use std::sync::Arc;

/// Below this, streams of a file would be a few chunks each, and their ragged ends cost more than they save.
const STREAMS_SIZE_MIN: u64 = 1 << 20;

/// How a file is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// In file order; chunks also end at these offsets, which ascend.
    Linear {
        /// Offsets from the first byte of the file.
        cuts: Vec<u64>,
    },
    /// Taken apart into streams, each cut on its own. The file is its extents, one behind the other.
    Streams {
        /// In file order, each the next bytes of its stream.
        extents: Arc<[Extent]>,
    },
}

impl Plan {
    /// Content alone decides.
    pub fn plain() -> Self {
        Self::Linear { cuts: Vec::new() }
    }
}

/// A format whose structure is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// MP4, MOV.
    Mp4,
    /// Matroska, WebM.
    Mkv,
    /// ZIP, EPUB, DOCX, PPTX.
    Zip,
    /// DICOM.
    Dicom,
}

impl Container {
    /// Its name in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mkv => "mkv",
            Self::Zip => "zip",
            Self::Dicom => "dicom",
        }
    }

    /// The container of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Mp4, Self::Mkv, Self::Zip, Self::Dicom].into_iter().find(|container| container.name() == name)
    }

    /// By the first 132 bytes: names lie more often than these.
    fn of(head: &[u8]) -> Option<Self> {
        let boxes: [&[u8]; 6] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"styp"];
        if head.get(4..8).is_some_and(|name| boxes.contains(&name)) {
            return Some(Self::Mp4);
        }
        match head {
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Some(Self::Mkv),
            [b'P', b'K', 3, 4, ..] => Some(Self::Zip),
            _ if head.get(128..132) == Some(b"DICM") => Some(Self::Dicom),
            _ => None,
        }
    }
}

/// A plan and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// How the file is cut.
    pub plan: Plan,
    /// What the file is, if it is a container.
    pub container: Option<Container>,
    /// Why a container is cut like any other file.
    pub fallback: Option<Fallback>,
}

impl Planned {
    /// A file that is cut like any other, for a reason that showed after it had been planned.
    pub fn given_up(container: Option<Container>, reason: Fallback) -> Self {
        Self { plan: Plan::plain(), container, fallback: Some(reason) }
    }

    /// Its name in `--json`: `linear`, `streams` or `plain`.
    pub fn name(&self) -> &'static str {
        match &self.plan {
            Plan::Streams { .. } => "streams",
            Plan::Linear { cuts } if cuts.is_empty() => "plain",
            Plan::Linear { .. } => "linear",
        }
    }
}

/// Plans how a file of a size is cut. Anything strange is cut by its content alone.
pub fn plan(file: &dyn ReadAt, size: u64, profile: &CutProfile) -> Planned {
    let mut window = Window::new(file, size);
    let Some(container) = window.short(0, 132).ok().and_then(Container::of) else {
        return Planned { plan: Plan::plain(), container: None, fallback: None };
    };
    let (plan, fallback) = match structure(&mut window, container, profile) {
        Ok(plan) => (plan, None),
        Err(reason) => (Plan::plain(), Some(reason)),
    };
    Planned { plan, container: Some(container), fallback }
}

fn structure(file: &mut Window<'_>, container: Container, profile: &CutProfile) -> Result<Plan, Fallback> {
    let size = file.size();
    if matches!(container, Container::Mp4 | Container::Mkv) && size < STREAMS_SIZE_MIN {
        return Err(Fallback::TooSmall);
    }
    Ok(match container {
        Container::Mp4 => Plan::Streams { extents: mp4::samples(file)?.extents(size)?.into() },
        Container::Mkv => Plan::Streams { extents: mkv::samples(file)?.extents(size)?.into() },
        Container::Zip => Plan::Linear { cuts: zip::cuts(file, profile.normal.into())? },
        Container::Dicom => Plan::Linear { cuts: dicom::cuts(file)? },
    })
}
