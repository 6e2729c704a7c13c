//! `--unpack`: the members of a compressed tar as files in a folder of ours.
//!
//! What must stay true: members lie on disk under numbers, so no name in the archive can lead anywhere; links that point
//! by name, devices and pipes are passed over, a hard link is the member that it names; count and bytes are bounded, and so are the bytes between two members, where long names hide.

use super::{Archive, BadName, BadNames};
use karez_protocol::content::path::{ContentPath, PathError};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tar::EntryType;

/// Most members of an archive.
const MEMBERS_MAX: usize = 200_000;
/// Most bytes of an archive once unpacked.
const BYTES_MAX: u64 = 256 << 30;
/// Most bytes of headers and long names before a member.
const HEAD_BYTES_MAX: u64 = 1 << 20;

/// A member, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) on_disk: PathBuf,
    pub(crate) size: u64,
}

/// An unpacked archive.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    /// Path inside the archive -> file.
    pub(crate) members: BTreeMap<ContentPath, Member>,
    /// Path inside the archive -> what it is.
    pub(crate) passed: BTreeMap<String, Passed>,
    /// Members whose names cannot travel; they are not among the others.
    pub(crate) bad_names: BadNames,
}

/// What is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// A symbolic link, or a hard link to one.
    Link,
    /// A named pipe.
    Pipe,
    /// A device, or what only its own system can read.
    Device,
}

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It cannot be read, or its members cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A hard link to something that the archive does not hold before it.
    #[error("its member '{name}' is a hard link to '{target}', which is not in the archive")]
    Link {
        /// The member, with unreadable bytes replaced.
        name: String,
        /// What it names.
        target: String,
    },
    /// A member that tar packed as a map of holes and what is between them.
    #[error("its member '{name}' is a sparse file: pack it without --sparse")]
    Sparse {
        /// The member, with unreadable bytes replaced.
        name: String,
    },
    /// It holds no file: most likely it is no tar at all.
    #[error("it holds no files, or is no tar archive")]
    Nothing,
    /// Too many members or bytes.
    #[error("it holds more than 200 000 files or 256 GiB")]
    TooLarge,
}

impl UnpackError {
    /// Its name in `--json` and for the locales.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Nothing => "empty",
            Self::TooLarge => "large",
            Self::Link { .. } => "link",
            Self::Sparse { .. } => "sparse",
            Self::Io(_) => "broken",
        }
    }

    /// The member that it is about, or nothing.
    pub fn member(&self) -> &str {
        match self {
            Self::Link { name, .. } | Self::Sparse { name } => name,
            _ => "",
        }
    }
}

/// Lets so many bytes through as were allowed.
pub(super) struct Metered<R> {
    source: R,
    allowed: Rc<Cell<u64>>,
}

impl<R: Read> Metered<R> {
    pub(super) fn new(source: R, allowed: Rc<Cell<u64>>) -> Self {
        Self { source, allowed }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowed.get();
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a header or the whole archive is too long"));
        }
        let limit = buffer.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        let read = self.source.read(&mut buffer[..limit])?;
        self.allowed.set(allowed - read as u64);
        Ok(read)
    }
}

/// Unpacks an archive into an empty folder.
pub(crate) fn unpack(archive: &Path, kind: Archive, into: &Path) -> Result<Unpacked, UnpackError> {
    let file = BufReader::new(File::open(archive)?);
    let source: Box<dyn Read> = match kind {
        Archive::TarZstd => Box::new(zstd::Decoder::new(file)?),
        _ => Box::new(flate2::read::MultiGzDecoder::new(file)),
    };
    let allowed = Rc::new(Cell::new(HEAD_BYTES_MAX));
    let mut tar = tar::Archive::new(Metered::new(source, allowed.clone()));
    let (mut unpacked, mut bytes) = (Unpacked::default(), 0_u64);
    let mut entries = tar.entries()?;
    for number in 0.. {
        allowed.set(HEAD_BYTES_MAX);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry?;
        bytes = bytes.saturating_add(entry.size());
        if number >= MEMBERS_MAX || bytes > BYTES_MAX {
            return Err(UnpackError::TooLarge);
        }
        let raw = entry.path_bytes().into_owned();
        let name = String::from_utf8_lossy(&raw);
        allowed.set(entry.size().saturating_add(HEAD_BYTES_MAX));
        if is_sparse(&mut entry)? {
            return Err(UnpackError::Sparse { name: shortened(&name) });
        }
        match entry.header().entry_type() {
            // These say something about others.
            EntryType::Directory | EntryType::XGlobalHeader => {}
            EntryType::Regular | EntryType::Continuous | EntryType::Link if let Err(fault) = check_name(&raw) => {
                // Joined by hand: a name that begins with `/` would stand alone.
                let mut path = archive.as_os_str().to_owned();
                path.push(format!("/{}", shortened(plain(&name))));
                let path = PathBuf::from(path);
                unpacked.bad_names.add(BadName { path, fault });
            }
            EntryType::Regular | EntryType::Continuous => {
                let member = write_member(&mut entry, into.join(format!("{number:06}")))?;
                unpacked.insert(&name, member);
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                bytes = bytes.saturating_add(unpacked.hard_link(&name, &String::from_utf8_lossy(&target))?);
                if bytes > BYTES_MAX {
                    return Err(UnpackError::TooLarge);
                }
            }
            EntryType::Symlink => unpacked.pass(&name, Passed::Link),
            EntryType::Fifo => unpacked.pass(&name, Passed::Pipe),
            _ => unpacked.pass(&name, Passed::Device),
        }
        // What nobody has read of it is its own bytes, not the next header's.
        io::copy(&mut entry, &mut io::sink())?;
    }
    // Zeros are the end of a tar, so that a file of nothing else reads as an archive of nothing.
    match unpacked.members.is_empty() && unpacked.bad_names.list.is_empty() {
        true => Err(UnpackError::Nothing),
        false => Ok(unpacked),
    }
}

/// Holes cost an archive nothing and a disk their size; in the newer form the member's own bytes begin with their map.
fn is_sparse(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<bool> {
    if entry.header().entry_type().is_gnu_sparse() {
        return Ok(true);
    }
    let Some(mut extensions) = entry.pax_extensions()? else { return Ok(false) };
    Ok(extensions.any(|extension| extension.is_ok_and(|it| it.key_bytes().starts_with(b"GNU.sparse."))))
}

fn write_member(entry: &mut tar::Entry<'_, impl Read>, on_disk: PathBuf) -> Result<Member, UnpackError> {
    let mut member = File::create_new(&on_disk)?;
    let size = io::copy(entry, &mut member)?;
    if entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0) {
        // The packer looks at the file, as at any other.
        member.set_permissions(Permissions::from_mode(0o700))?;
    }
    Ok(Member { on_disk, size })
}

impl Unpacked {
    /// As with tar itself, of two members with one name the later one stays.
    fn insert(&mut self, name: &str, member: Member) {
        // Bad names do not come here.
        if let Ok(path) = plain(name).parse::<ContentPath>() {
            self.passed.remove(path.as_str());
            self.members.insert(path, member);
        }
    }

    fn pass(&mut self, name: &str, what: Passed) {
        if let Ok(path) = plain(name).parse::<ContentPath>() {
            self.members.remove(&path);
        }
        self.passed.insert(plain(name).to_owned(), what);
    }

    /// Another name for an earlier member, as it is now. Returns the bytes that it adds: it is packed like a copy.
    fn hard_link(&mut self, name: &str, target: &str) -> Result<u64, UnpackError> {
        let found = plain(target).parse::<ContentPath>().ok().and_then(|path| self.members.get(&path).cloned());
        if let Some(member) = found {
            let size = member.size;
            self.insert(name, member);
            return Ok(size);
        }
        match self.passed.get(plain(target)) {
            Some(what) => self.pass(name, *what),
            None => return Err(UnpackError::Link { name: shortened(name), target: shortened(target) }),
        }
        Ok(0)
    }
}

/// Whether a name can travel; if not, the rule that it breaks, or `None` when it is not UTF-8.
fn check_name(raw: &[u8]) -> Result<(), Option<PathError>> {
    let name = str::from_utf8(raw).map_err(|_| None)?;
    plain(name).parse::<ContentPath>().map(drop).map_err(Some)
}

fn plain(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

fn shortened(name: &str) -> String {
    name.chars().take(200).collect()
}
