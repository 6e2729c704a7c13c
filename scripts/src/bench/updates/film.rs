//! A film of moving, noisy pictures with sound, and what editors do to films.
//!
//! What must stay true: files are multiplexed by ffmpeg as it does by default; only what an edit is about is encoded anew.

use super::Edit;
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Part of the film that its intro takes.
const INTRO_PART: u32 = 4;

/// Runs ffmpeg on words and files in `dir`; the last is the file it makes.
fn ffmpeg(dir: &Path, words: &str) -> Result<PathBuf> {
    let mut command = Command::new("ffmpeg");
    command.current_dir(dir).args(["-nostdin", "-loglevel", "error", "-y", "-fflags", "+bitexact"]);
    let output = command.args(words.split_whitespace()).output()?;
    if !output.status.success() {
        bail!("ffmpeg {words}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(dir.join(words.split_whitespace().next_back().unwrap_or_default()))
}

/// Encodes a part of about 1 Mbit/s; `scene` and `tone` make it different from others.
fn part(dir: &Path, name: &str, seconds: u32, scene: &str, tone: u32) -> Result<PathBuf> {
    let words = format!(
        "-f lavfi -i {scene}=size=1280x720:rate=25,noise=alls=6:allf=t:all_seed={tone} \
         -f lavfi -i anoisesrc=color=pink:amplitude=0.3:sample_rate=48000:seed={tone} \
         -t {seconds} -c:v libx264 -preset ultrafast -b:v 1M -maxrate 1M -bufsize 2M -g 50 -pix_fmt yuv420p \
         -c:a aac -b:a 96k {name}"
    );
    ffmpeg(dir, &words)
}

/// Joins parts by stream copy.
fn join(dir: &Path, parts: &[&str], name: &str) -> Result<PathBuf> {
    let list: String = parts.iter().map(|part| format!("file '{part}'\n")).collect();
    fs::write(dir.join("parts.txt"), list)?;
    ffmpeg(dir, &format!("-f concat -i parts.txt -c copy {name}"))
}

pub(super) fn edits(dir: &Path, seconds: u32) -> Result<Vec<Edit>> {
    let dir = dir.join("film");
    fs::create_dir(&dir)?;
    let intro = seconds / INTRO_PART;
    part(&dir, "intro.mp4", intro, "testsrc2", 1)?;
    part(&dir, "intro2.mp4", intro, "mandelbrot", 2)?;
    part(&dir, "lesson.mp4", seconds - intro, "testsrc2", 3)?;
    // `joined` has the seams of its parts; `film` is what an editor exports.
    let joined = join(&dir, &["intro.mp4", "lesson.mp4"], "joined.mp4")?;
    let film = part(&dir, "film.mp4", seconds, "testsrc2", 4)?;
    fs::write(dir.join("film.srt"), subtitles(seconds))?;
    let sound = format!("-f lavfi -i anoisesrc=seed=9:amplitude=0.3 -t {seconds} -c:a aac -b:a 96k sound.m4a");
    ffmpeg(&dir, &sound)?;
    let replaced = join(&dir, &["intro2.mp4", "lesson.mp4"], "v2.mp4")?;
    let kept = ideal(&dir.join("lesson.mp4"), &replaced)?;
    let dubbed = ffmpeg(&dir, "-i film.mp4 -i sound.m4a -map 0:v -map 1:a -c copy dubbed.mp4")?;
    let silent = ideal(&ffmpeg(&dir, "-i film.mp4 -an -c copy silent.mp4")?, &dubbed)?;
    let edit = |name: &str, words: &str| -> Result<Edit> {
        Ok(Edit::file(name, &film, ffmpeg(&dir, &format!("-i film.mp4 {words}"))?))
    };
    Ok(vec![
        edit("moov moved to front (faststart)", "-c copy -movflags +faststart faststart.mp4")?,
        edit("title tag edited", "-c copy -metadata title=Fractions title.mp4")?,
        Edit::file("re-mux of a concatenated mp4", &joined, ffmpeg(&dir, "-i joined.mp4 -c copy remux.mp4")?),
        Edit::file(format!("intro replaced, stream copy (ideal {kept:.1})"), &joined, replaced),
        Edit::file("first 30 s trimmed", &film, ffmpeg(&dir, "-ss 30 -i film.mp4 -c copy trimmed.mp4")?),
        edit("subtitle track added", "-i film.srt -c copy -c:s mov_text subtitled.mp4")?,
        Edit::file(format!("audio replaced, video copied (ideal {silent:.1})"), &film, dubbed),
        edit("mp4 to mkv", "-c copy film.mkv")?,
        edit("mp4 to fragmented mp4", "-c copy -movflags +frag_keyframe+empty_moov fragmented.mp4")?,
        edit("re-encoded", "-c:v libx264 -preset ultrafast -b:v 800k -c:a copy again.mp4")?,
    ])
}

/// Percent of a film that a part of it, which has not changed, can save at most.
fn ideal(part: &Path, film: &Path) -> Result<f64> {
    Ok(100.0 * fs::metadata(part)?.len() as f64 / fs::metadata(film)?.len() as f64)
}

/// A line every three seconds.
fn subtitles(seconds: u32) -> String {
    let line = |number: u32| {
        let clock = |second: u32| format!("00:{:02}:{:02},000", second / 60, second % 60);
        let at = number * 3;
        format!("{}\n{} --> {}\nline {number} of the lesson\n\n", number + 1, clock(at), clock(at + 2))
    };
    (0..seconds / 3).map(line).collect()
}
