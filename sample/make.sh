#!/usr/bin/env bash
# Makes the sample course from sample/lessons/*.txt: course/v1 whole, course/v2 as an overlay of the files that change.
# Usage: make.sh [FOLDER]   FOLDER is replaced; it is sample/course when left out. About 2 minutes.
# Needs (Debian): ffmpeg espeak-ng fonts-noto-cjk. The same versions of these give the same bytes.
#
# A lesson is a list of slides. Each slide is encoded on its own and the slides are joined by stream copy, so a slide
# replaced for version 2 leaves the samples of all others bit-identical. Slide lengths are multiples of 0.16 s, which is a
# whole number of video frames (25/s) and of AAC frames (1024 samples at 32 kHz).
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/course}")
cd "$(dirname "$0")"
export LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in ffmpeg espeak-ng fc-match; do
  command -v "$tool" >/dev/null || { echo "make.sh: $tool is missing (apt-get install ffmpeg espeak-ng fonts-noto-cjk)" >&2; exit 1; }
done
fc-match "Noto Sans CJK SC" | grep -q NotoSansCJK || { echo "make.sh: fonts-noto-cjk is missing" >&2; exit 1; }

ff() { ffmpeg -nostdin -hide_banner -loglevel error -y "$@"; }
exact=(-map_metadata -1 -fflags +bitexact -flags +bitexact)

# split LESSON VERSION DIR: one folder per slide of that version (seconds, zh, en, slide.ass), and meta files.
split() {
  mkdir -p "$3"
  awk -v version="$2" -v dir="$3" -v styles="slides.ass" '
    function clock(s) { return sprintf("%d:%02d:%05.2f", s / 3600, s / 60 % 60, s % 60) }
    function begin(seconds) {
      path = sprintf("%s/%02d", dir, n); system("mkdir -p " path)
      print seconds > (path "/seconds"); length_s = seconds
      while ((getline line < styles) > 0) print line > (path "/slide.ass")
      close(styles)
    }
    # A slide marked v2 follows the slide it replaces.
    $1 == "slide" && $3 == "" { n++; skip = 0; replaced = 0; begin($2); next }
    $1 == "slide" { skip = (version != "v2"); if (!skip) { system("rm -rf " path); close(path "/zh"); close(path "/en"); close(path "/seconds"); close(path "/slide.ass"); begin($2) } next }
    $1 == "folder" || $1 == "name" || $1 == "title" || $1 == "background" { key = $1; sub(/^[a-z]+ /, ""); print > (dir "/" key); next }
    skip { next }
    $1 == "zh" || $1 == "en" { key = $1; sub(/^[a-z]+ /, ""); print > (path "/" key); next }
    $1 == "draw" {
      style = $2; from = $3; text = $0; sub(/^draw [A-Za-z]+ [0-9.]+ /, "", text)
      if (style == "Shape") sub(/\{/, "{\\p1", text); else sub(/\{/, "{\\fad(300,0)", text)
      layer = (style == "Shape") ? 0 : 1
      printf "Dialogue: %d,%s,%s,%s,,0,0,0,,%s\n", layer, clock(from), clock(length_s), style, text > (path "/slide.ass")
    }
  ' "$1"
}

# slide DIR BACKGROUND: video.mp4 (H.264) and voice.wav (exactly the slide's seconds) of one slide.
slide() {
  local seconds; seconds=$(cat "$1/seconds")
  espeak-ng -v cmn -s 210 -a 90 -w "$1/zh.wav" -f "$1/zh"
  espeak-ng -v en-gb -s 170 -a 90 -w "$1/en.wav" -f "$1/en"
  ff -i "$1/zh.wav" -i "$1/en.wav" -filter_complex \
    "[0:a]aresample=32000,adelay=300[a];[1:a]aresample=32000,adelay=250[b];[a][b]concat=n=2:v=0:a=1[o]" \
    -map "[o]" -ac 1 "${exact[@]}" "$1/spoken.wav"
  local spoken; spoken=$(( $(stat -c %s "$1/spoken.wav") / 64 )) # milliseconds: 32 kHz, 16 bit, mono
  awk -v a="$spoken" -v b="$seconds" 'BEGIN { exit !(a <= b * 1000) }' ||
    { echo "make.sh: $1: $spoken ms of speech in a slide of $seconds s" >&2; cat "$1/zh" >&2; exit 1; }
  ff -i "$1/spoken.wav" -af "apad=whole_dur=$seconds" -t "$seconds" "${exact[@]}" "$1/voice.wav"
  ff -f lavfi -i "gradients=size=960x540:rate=25:duration=$seconds:seed=7:speed=0.008:nb_colors=2:c0=$2:c1=0x20262e" \
    -vf "subtitles=$1/slide.ass,format=yuv420p" -c:v libx264 -preset slow -crf 20 -threads 1 -g 250 -bf 2 \
    -video_track_timescale 12800 "${exact[@]}" "$1/video.mp4"
}

# join DIR OUT: the slides' video by stream copy; the sound in two encodings, intro and rest, joined likewise.
join() {
  local slides=("$1"/[0-9][0-9])
  printf "file '%s/video.mp4'\n" "${slides[@]}" >"$1/videos"
  printf "file '%s/voice.wav'\n" "${slides[@]:1}" >"$1/voices"
  local sound=(-c:a aac -b:a 56k -ac 1 "${exact[@]}" -f adts)
  ff -i "${slides[0]}/voice.wav" "${sound[@]}" "$1/intro.aac"
  ff -f concat -safe 0 -i "$1/voices" "${sound[@]}" "$1/rest.aac"
  cat "$1/intro.aac" "$1/rest.aac" >"$1/sound.aac"
  ff -f concat -safe 0 -i "$1/videos" -i "$1/sound.aac" -map 0:v -map 1:a -c copy -movflags +faststart \
    -metadata title="$(cat "$1/title")" -fflags +bitexact "$2"
}

# subtitles DIR LANGUAGE OUT
subtitles() {
  for s in "$1"/[0-9][0-9]; do printf '%s\t%s\n' "$(cat "$s/seconds")" "$(cat "$s/$2")"; done | awk -F '\t' '
    function clock(s) { return sprintf("%02d:%02d:%06.3f", s / 3600, s / 60 % 60, s % 60) }
    BEGIN { print "WEBVTT" }
    { printf "\n%d\n%s --> %s\n%s\n", NR, clock(at + 0.2), clock(at + $1 - 0.1), $2; at += $1 }
  ' >"$3"
}

# handout DIR OUT
handout() {
  local title; title=$(cat "$1/title")
  {
    printf '<!DOCTYPE html>\n<html lang="zh">\n<meta charset="utf-8">\n<title>%s</title>\n' "$title"
    printf '<style>body{font:18px/1.6 sans-serif;max-width:40em;margin:2em auto}li{margin:.6em 0}i{color:#555}</style>\n'
    printf '<h1>%s</h1>\n<ol>\n' "$title"
    for s in "$1"/[0-9][0-9]; do printf '<li>%s<br><i lang="en">%s</i></li>\n' "$(cat "$s/zh")" "$(cat "$s/en")"; done
    printf '</ol>\n<p>姓名 Name ____________ 　 日期 Date ____________</p>\n</html>\n'
  } >"$2"
}

# lesson FILE VERSION ROOT: everything of one lesson into ROOT.
lesson() {
  local dir; dir="$work/$2/$(basename "$1" .txt)"
  split "$1" "$2" "$dir"
  for s in "$dir"/[0-9][0-9]; do slide "$s" "$(cat "$dir/background")"; done
  local into name; into="$3/$(cat "$dir/folder")"; name=$(cat "$dir/name")
  mkdir -p "$into"
  join "$dir" "$into/$name.mp4"
  subtitles "$dir" zh "$into/$name.zh.vtt"
  subtitles "$dir" en "$into/$name.en.vtt"
  handout "$dir" "$into/讲义.html"
}

made="$work/course"
for version in v1 v2; do
  mkdir -p "$made/$version"
  cp collection.toml "$made/$version/"
  for file in lessons/*.txt; do
    # Lessons without a v2 slide are the same files in both versions.
    if [ "$version" = v2 ] && ! grep -q '^slide .* v2$' "$file"; then continue; fi
    lesson "$file" "$version" "$made/$version"
  done
done
ff -ss 4 -i "$made/v1/02-坎儿井/坎儿井.mp4" -frames:v 1 -q:v 3 "${exact[@]}" "$made/v1/cover.jpg"

# The handout is printed once a term, so version 2 keeps version 1's; the overlay holds what differs.
rm "$made"/v2/*/讲义.html
(cd "$made/v2" && find . -type f) | while read -r file; do
  if cmp -s "$made/v1/$file" "$made/v2/$file"; then rm "$made/v2/$file"; fi
done
if [ -e "$out" ] && [ ! -f "$out/v1/collection.toml" ]; then
  echo "make.sh: $out exists and is not a sample course" >&2
  exit 1
fi
rm -rf "$out"
mkdir -p "$(dirname "$out")"
cp -r "$made" "$out"
find "$out" -type f -exec du -b {} +
