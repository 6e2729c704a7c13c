//! Running `ffmpeg` and `ffprobe`.
//!
//! What must stay true: a film is data: its name cannot be an option or a protocol, and only plain film formats are
//! read, from files only, so that a playlist called `.mp4` reaches nothing. A child never outlives the call.

use super::Height;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What ffmpeg may take a film for.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts";
/// Bits a second of the sound: speech in mono or stereo.
const AUDIO_BITS: &str = "64k";
/// Longest line that is read from the encoder's report.
const LINE_MAX: u64 = 4096;
/// Most of the log that is looked at for its last line.
const LOG_MAX: u64 = 1 << 20;

/// Why a rendition was not made.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    /// A program is missing.
    #[error("renditions need {program}, which is not installed: on Debian and Ubuntu `apt install ffmpeg`")]
    Missing {
        /// `ffmpeg` or `ffprobe`.
        program: &'static str,
    },
    /// It could not be started.
    #[error("ffmpeg cannot be started: {0}")]
    Start(#[source] io::Error),
    /// It failed.
    #[error("ffmpeg failed on {}: {line} (its log is {})", path.display(), log.display())]
    Failed {
        /// The film.
        path: PathBuf,
        /// The last line that it wrote.
        line: String,
        /// All that it wrote.
        log: PathBuf,
    },
    /// The film cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Film {
        /// The film.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder for renditions cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    setpriv: Option<PathBuf>,
    nice: Option<PathBuf>,
}

/// What to encode.
pub(super) struct Order<'a> {
    pub(super) film: &'a Path,
    pub(super) height: Height,
    pub(super) part: &'a Path,
    pub(super) log: &'a Path,
}

/// Ends the child with the call, whatever happens.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It has ended already after a wait; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Programs {
    /// Looks in the folders of a search path.
    pub(super) fn find(search: &OsStr) -> Result<Self, FfmpegError> {
        let find = |name: &str| std::env::split_paths(search).map(|dir| dir.join(name)).find(|path| path.is_file());
        Ok(Self {
            ffmpeg: find("ffmpeg").ok_or(FfmpegError::Missing { program: "ffmpeg" })?,
            ffprobe: find("ffprobe").ok_or(FfmpegError::Missing { program: "ffprobe" })?,
            setpriv: find("setpriv"),
            nice: find("nice"),
        })
    }

    /// Height of the first pictures of a film.
    pub(super) fn height(&self, film: &Path) -> Option<u32> {
        let mut command = Command::new(&self.ffprobe);
        command.args(["-v", "error", "-protocol_whitelist", "file", "-format_whitelist", FORMATS]);
        command.args(["-select_streams", "v:0", "-show_entries", "stream=height", "-of", "csv=p=0"]);
        command.arg(input(film)).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
        let mut child = Guard(command.spawn().ok()?);
        let mut text = String::new();
        child.0.stdout.take()?.take(LINE_MAX).read_to_string(&mut text).ok()?;
        text.lines().next()?.trim_end_matches(',').parse().ok()
    }

    /// Writes the part, or says why not and leaves none.
    pub(super) fn encode(&self, order: &Order<'_>, progress: &mut dyn FnMut(u64)) -> Result<(), FfmpegError> {
        let result = self.run(order, progress);
        if result.is_err() {
            // A leftover is overwritten by the next run in any case.
            let _ = std::fs::remove_file(order.part);
        }
        result
    }

    fn run(&self, order: &Order<'_>, progress: &mut dyn FnMut(u64)) -> Result<(), FfmpegError> {
        let log = File::create(order.log).map_err(|source| FfmpegError::Folder { path: order.log.into(), source })?;
        let mut command = self.polite(&self.ffmpeg);
        command.args(arguments(order)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = Guard(command.spawn().map_err(FfmpegError::Start)?);
        let report = child.0.stdout.take().expect("standard output is piped");
        follow(report, progress);
        let status = child.0.wait().map_err(FfmpegError::Start)?;
        if status.success() {
            return Ok(());
        }
        let line = last_line(order.log).unwrap_or_else(|| status.to_string());
        Err(FfmpegError::Failed { path: order.film.into(), line, log: order.log.into() })
    }

    /// Niced, and killed by the kernel when this process dies: after SIGKILL nothing else could do it.
    fn polite(&self, program: &Path) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(setpriv) = &self.setpriv {
            words.extend([setpriv.into(), "--pdeathsig".into(), "KILL".into()]);
        }
        if let Some(nice) = &self.nice {
            words.extend([nice.into(), "-n".into(), "15".into()]);
        }
        words.push(program.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }
}

fn input(film: &Path) -> OsString {
    let mut input = OsString::from("file:");
    input.push(film);
    input
}

fn arguments(order: &Order<'_>) -> Vec<OsString> {
    let lines = order.height.lines();
    let bits = order.height.video_bits_max();
    let (rate, buffer) = (bits.to_string(), (bits * 2).to_string());
    let scale = format!("scale=-2:{lines}");
    let before = ["-nostdin", "-hide_banner", "-loglevel", "error", "-progress", "pipe:1", "-y"];
    let source = ["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i"];
    let streams = ["-map", "0:v:0", "-map", "0:a:0?", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"];
    // Quality is constant up to the cap; old classroom computers decode the main profile.
    let video = ["-vf", &scale, "-c:v", "libx264", "-profile:v", "main", "-pix_fmt", "yuv420p", "-preset", "medium"];
    let quality = ["-crf", "25", "-maxrate", &rate, "-bufsize", &buffer, "-force_key_frames", "expr:gte(t,n_forced*2)"];
    let rest =
        ["-c:a", "aac", "-b:a", AUDIO_BITS, "-ac", "2", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4"];
    let first = before.iter().chain(&source).map(OsString::from).chain([input(order.film)]);
    let second = streams.iter().chain(&video).chain(&quality).chain(&rest).map(OsString::from);
    first.chain(second).chain([input(order.part)]).collect()
}

/// Reads `out_time_us=` lines until the report ends.
fn follow(report: impl Read, progress: &mut dyn FnMut(u64)) {
    let mut report = BufReader::new(report);
    let mut line = Vec::new();
    loop {
        line.clear();
        match report.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let micros = text.strip_prefix("out_time_us=").and_then(|number| number.trim().parse::<u64>().ok());
        micros.map(|micros| progress(micros / 1000)).unwrap_or_default();
    }
}

fn last_line(log: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(log).ok()?.take(LOG_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
}
