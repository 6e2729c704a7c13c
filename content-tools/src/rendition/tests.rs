//! Renditions with a stand-in for ffmpeg that writes down what it was asked, and with the real one where it is installed.

use super::*;
use crate::export::layout;
use crate::pack::{PackError, PackOptions, Packed, pack};
use crate::store::{Store, StoreOptions};
use karez_protocol::content::manifest::Role;
use std::os::unix::fs::PermissionsExt as _;

struct Bench {
    dir: tempfile::TempDir,
}

const GOOD: &str = "for last; do :; done\nprintf '%s\\n' \"$@\" >> \"$0.calls\"\necho out_time_us=1500000\n\
    printf rendition > \"${last#file:}\"\n";

impl Bench {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("ffmpeg", script), ("ffprobe", "echo 720\n")] {
            let path = dir.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir(dir.path().join("renditions")).unwrap();
        fs::write(dir.path().join("film.mkv"), "film").unwrap();
        Self { dir }
    }

    fn studio(&self) -> Studio {
        let programs = ffmpeg::Programs::find(self.dir.path().as_os_str()).unwrap();
        Studio { folder: self.dir.path().join("renditions"), programs }
    }

    fn make(&self, seen: &mut Vec<u64>) -> Result<PathBuf, FfmpegError> {
        self.studio().rendition(&self.dir.path().join("film.mkv"), Height(360), &mut |ms| seen.push(ms))
    }

    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("renditions")).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_by_key(|name| name.rsplit('.').next().map(str::to_owned));
        names
    }
}

#[test]
fn heights_and_names() {
    for (text, fits) in
        [("360p", true), ("1080p", true), ("361p", false), ("360", false), ("2160p", false), ("p", false)]
    {
        assert_eq!(text.parse::<Height>().is_ok(), fits, "{text}");
    }
    for (film, path) in [("课/v.mp4", "课/v.360p.mp4"), ("a.b/v", "a.b/v.360p.mp4"), ("v.x.MKV", "v.x.360p.mp4")] {
        assert_eq!(path_of(film, Height(360)), path);
    }
}

#[test]
fn a_film_is_encoded_once() {
    let bench = Bench::new(GOOD);
    let mut seen = Vec::new();
    let done = bench.make(&mut seen).unwrap();
    assert_eq!((fs::read(&done).unwrap(), seen), (b"rendition".to_vec(), vec![1500]));
    assert_eq!(bench.make(&mut Vec::new()).unwrap(), done);
    let calls = fs::read_to_string(bench.dir.path().join("ffmpeg.calls")).unwrap();
    assert_eq!(calls.matches("libx264").count(), 1);
    for word in ["scale=-2:360", "+faststart", "expr:gte(t,n_forced*2)", "aac", "main", "-protocol_whitelist"] {
        assert!(calls.lines().any(|line| line == word), "{word}");
    }
    assert!(calls.lines().any(|line| line.starts_with("file:/") && line.ends_with("/film.mkv")));
    assert_eq!(bench.left().len(), 1, "{:?}", bench.left());
    fs::write(bench.dir.path().join("film.mkv"), "another").unwrap();
    assert_ne!(bench.make(&mut Vec::new()).unwrap(), done);
    assert_eq!(bench.studio().height(Path::new("x"), None), Some(720));
}

#[test]
fn a_failure_names_the_last_line_and_leaves_nothing_half() {
    let bench =
        Bench::new("for last; do :; done\necho half > \"${last#file:}\"\necho a >&2\necho no such codec >&2\nexit 1\n");
    let error = bench.make(&mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("no such codec") && error.contains(".log"), "{error}");
    assert_eq!(bench.left().iter().filter(|name| !name.ends_with(".log")).count(), 0);
}

#[test]
fn a_killed_encoder_is_a_failure() {
    let bench = Bench::new("kill -9 $$\n");
    let error = bench.make(&mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("signal: 9"), "{error}");
    assert_eq!(bench.left().iter().filter(|name| !name.ends_with(".log")).count(), 0);
}

#[test]
fn a_missing_program_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let error = ffmpeg::Programs::find(empty.path().as_os_str()).unwrap_err().to_string();
    assert!(error.contains("apt install ffmpeg"), "{error}");
}

fn packed(dir: &Path, store: &Store) -> Result<Packed, PackError> {
    let renditions = vec![Height(360), Height(120)];
    pack(dir, &PackOptions { renditions, ..PackOptions::default() }, store, &mut |_| {})
}

/// The real encoder. Debian's `ffmpeg` makes the film as well.
#[test]
fn renditions_travel_with_their_film() {
    let (dir, store_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let film = dir.path().join("课/v.mp4");
    fs::create_dir(dir.path().join("课")).unwrap();
    let source = ["-v", "error", "-f", "lavfi", "-i", "testsrc=s=320x180:d=3", "-pix_fmt", "yuv420p"];
    let made = std::process::Command::new("ffmpeg").args(source).arg(&film).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no ffmpeg with x264 on this machine");
        return;
    }
    let store = Store::open(store_dir.path(), StoreOptions::default()).unwrap();
    let first = packed(dir.path(), &store).unwrap();
    assert_eq!(first.renditions, 1, "360p would be larger than the film");
    let layout = layout(&first.root_bytes, &store).unwrap();
    let files: Vec<_> = layout.files().iter().map(|file| (file.head.path.to_string(), file.head.role)).collect();
    assert_eq!(files, [("课/v.120p.mp4".into(), Role::Rendition), ("课/v.mp4".into(), Role::Main)]);
    let facts = layout.items().next().unwrap().ext["film:课/v.120p.mp4"].clone();
    assert!(facts.contains("height=120 video=h264"), "{facts}");
    let warned: Vec<_> =
        first.warnings.list.iter().map(|warning| (warning.path.as_str(), warning.code.name())).collect();
    assert_eq!(warned, [("课/v.mp4", "not_faststart")], "the film made above; the rendition is fine");
    assert_eq!(packed(dir.path(), &store).unwrap().manifest, first.manifest);
    fs::write(dir.path().join("课/v.120p.mp4"), "mine").unwrap();
    assert!(matches!(packed(dir.path(), &store), Err(PackError::Collision { path }) if path == "课/v.120p.mp4"));
}
