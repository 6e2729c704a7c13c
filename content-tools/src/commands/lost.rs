//! How `verify`, `scrub` and `damaged` tell what versions have lost, and what helps.

use karez_content_tools::shortfall::{Shortfall, Survey};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Adds what was found to a document.
pub(super) fn add_json(survey: &Survey, document: &mut Map<String, Value>) {
    let rows = |rows: &mut dyn Iterator<Item = &Shortfall>| -> Value { rows.map(row).collect() };
    document.insert("lost".into(), rows(&mut survey.lost()));
    document.insert("to_come".into(), rows(&mut survey.to_come()));
    document.insert("unreadable".into(), json!(survey.unreadable));
}

fn row(short: &Shortfall) -> Value {
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
        "advice": short.was_whole.then(|| advice(short)),
    })
}

/// Prints it: what is lost with what helps, then what is still to come.
pub(super) fn print(survey: &Survey, out: &mut impl Write) -> io::Result<()> {
    for path in &survey.unreadable {
        let path = path.display();
        writeln!(out, "{path} cannot be read, nobody knows what it named: remove it, then pull or publish that again")?;
    }
    for short in survey.lost() {
        writeln!(out, "{} has lost {}", name(short), figures(short))?;
        writeln!(out, "    {}", advice(short))?;
    }
    for short in survey.to_come() {
        writeln!(out, "{} is being pulled, no damage: {} to come", name(short), figures(short))?;
    }
    Ok(())
}

fn name(short: &Shortfall) -> String {
    let draft = if short.version.draft { " (draft)" } else { "" };
    format!("{}@{}{draft}", short.version.collection, short.version.version)
}

fn figures(short: &Shortfall) -> String {
    let mut text = format!("{} chunks ({} bytes)", short.chunks, short.bytes);
    if short.unknown_chunks > 0 {
        text += &format!(", pages among them that name {} chunks", short.unknown_chunks);
    }
    if !short.items.is_empty() {
        text += &format!(", of {}", short.items.join(", "));
    }
    match short.items_total.saturating_sub(short.items.len() as u64) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// What brings it back.
fn advice(short: &Shortfall) -> &'static str {
    match (short.version.draft, short.superseded) {
        (_, true) => "a newer version is here: `gc` drops this one, or it comes back as the newest would",
        (true, false) => "pack or publish the folder again: what is missing is stored again",
        (false, false) => {
            "start the node and run `karez scrub`: it is fetched from other nodes; where it was published, publish the \
             folder again"
        }
    }
}
