//! How `verify`, `scrub` and `damaged` tell what versions have lost, and what helps.

use karez_content_tools::shortfall::{Shortfall, Survey};
use karez_content_tools::speech::{Texts, Voice};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Adds what was found to a document.
pub(super) fn add_json(survey: &Survey, english: &Texts, document: &mut Map<String, Value>) {
    let rows =
        |rows: &mut dyn Iterator<Item = &Shortfall>| -> Value { rows.map(|short| row(short, english)).collect() };
    document.insert("lost".into(), rows(&mut survey.lost()));
    document.insert("to_come".into(), rows(&mut survey.to_come()));
    document.insert("unreadable".into(), json!(survey.unreadable));
}

fn row(short: &Shortfall, english: &Texts) -> Value {
    json!({
        "collection": short.version.collection.to_string(),
        "version": short.version.version,
        "draft": short.version.draft,
        "superseded": short.superseded,
        "chunks": short.chunks,
        "bytes": short.bytes,
        "unknown_chunks": short.unknown_chunks,
        "items": short.items,
        "items_total": short.items_total,
        "advice": short.was_whole.then(|| english.say(advice(short), &[])),
    })
}

/// Prints it: what is lost with what helps, then what is still to come.
pub(super) fn print(survey: &Survey, voice: &Voice, out: &mut impl Write) -> io::Result<()> {
    for path in &survey.unreadable {
        super::line(out, &voice.text("lost-unreadable", &[("path", path.display().to_string().into())]))?;
    }
    for short in survey.lost() {
        let arguments = [("name", name(short, voice).into()), ("figures", figures(short, voice).into())];
        super::line(out, &voice.text("lost", &arguments))?;
        super::line(out, &format!("    {}", voice.text(advice(short), &[])))?;
    }
    for short in survey.to_come() {
        let arguments = [("name", name(short, voice).into()), ("figures", figures(short, voice).into())];
        super::line(out, &voice.text("lost-to-come", &arguments))?;
    }
    Ok(())
}

fn name(short: &Shortfall, voice: &Voice) -> String {
    let draft = if short.version.draft { format!(" ({})", voice.text("gc-draft", &[])) } else { String::new() };
    format!("{}@{}{draft}", short.version.collection, short.version.version)
}

fn figures(short: &Shortfall, voice: &Voice) -> String {
    let sizes = [("chunks", short.chunks.into()), ("bytes", short.bytes.into())];
    let mut text = voice.text("lost-chunks", &sizes);
    if short.unknown_chunks > 0 {
        text += &voice.text("lost-pages", &[("chunks", short.unknown_chunks.into())]);
    }
    if !short.items.is_empty() {
        text += &voice.text("lost-items", &[("items", short.items.join(", ").into())]);
    }
    match short.items_total.saturating_sub(short.items.len() as u64) {
        0 => text,
        more => text + &voice.text("lost-items-more", &[("count", more.into())]),
    }
}

/// What brings it back.
fn advice(short: &Shortfall) -> &'static str {
    match (short.version.draft, short.superseded) {
        (_, true) => "lost-superseded",
        (true, false) => "lost-draft",
        (false, false) => "lost-release",
    }
}
