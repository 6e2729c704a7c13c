//! `search`, `show`, `ls`, `follow`, `unfollow`: what there is, and what is here.

use super::complaint::Complaint;
use super::context::Context;
use super::figure;
use crate::api::client::Client;
use crate::handle::view::{CollectionView, SearchRow};
use comfy_table::{ContentArrangement, Table};
use karez_content_tools::speech::{cut, one_line};
use karez_protocol::content::name::CollectionName;
use std::ops::RangeInclusive;

/// A table without lines that fits the terminal; CJK characters take two cells.
pub(super) fn table(context: &Context, headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.iter().map(|key| context.text(key, &[])).collect::<Vec<_>>());
    table
}

/// Cells of the columns beside titles and keys.
const OTHER_CELLS: usize = 40;
/// A name is cut to no less on the narrowest terminal, and to no more on a wide one or in a file.
const NAME_CELLS: RangeInclusive<usize> = 16..=60;

/// A title or key in its share of a row: a table of lines that are broken cannot be read.
pub(super) fn cell(table: &Table, text: &str, columns: usize) -> String {
    let (least, most) = NAME_CELLS.into_inner();
    let cells = table.width().map_or(most, |width| usize::from(width).saturating_sub(OTHER_CELLS) / columns);
    cut(&one_line(text), cells.clamp(least, most))
}

pub(super) async fn search(context: &Context, client: &Client, query: &str) -> Result<(), Complaint> {
    let rows = client.search(query).await?;
    if context.json {
        context.print_json(&rows);
    } else if rows.is_empty() {
        let key = if query.is_empty() { "search-empty" } else { "search-nothing" };
        context.tell(&context.text(key, &[("query", query.into())]));
    } else {
        context.print(&search_table(context, &rows));
    }
    Ok(())
}

fn search_table(context: &Context, rows: &[SearchRow]) -> String {
    let headings = ["column-collection", "column-title", "column-kind", "column-items", "column-size", "column-here"];
    let mut table = table(context, &headings);
    for row in rows {
        let here = match row.held_version {
            Some(held) if held >= row.version => context.text("here-yes", &[]),
            Some(held) => context.text("here-older", &[("version", held.into())]),
            None => context.text("here-no", &[]),
        };
        table.add_row([
            row.collection.clone(),
            cell(&table, &row.title, 1),
            kind(context, &row.kind),
            row.items.to_string(),
            figure::bytes(row.plain_bytes),
            here,
        ]);
    }
    table.to_string()
}

/// A kind in the user's language.
fn kind(context: &Context, name: &str) -> String {
    let key = match name {
        "course" => "kind-course",
        "consultation" => "kind-consultation",
        "care" => "kind-care",
        "library" => "kind-library",
        "culture" => "kind-culture",
        "sport" => "kind-sport",
        _ => return name.to_owned(),
    };
    context.text(key, &[])
}

pub(super) async fn show(context: &Context, client: &Client, collection: &CollectionName) -> Result<(), Complaint> {
    let view = client.show(&collection.to_string()).await?;
    if context.json {
        context.print_json(&view);
    } else {
        context.print(&shown(context, &view));
    }
    Ok(())
}

fn shown(context: &Context, view: &CollectionView) -> String {
    let row = &view.row;
    let mut lines = vec![
        one_line(&row.title).into_owned(),
        format!("{}  v{}  {}", row.collection, view.shown_version, kind(context, &row.kind)),
    ];
    // Its own lines are no lines of ours.
    let description = row.description.iter().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.extend(description.map(|text| one_line(&text).into_owned()));
    for (key, value) in [("show-creators", view.creators.join(", ")), ("show-languages", row.languages.join(", "))] {
        if !value.is_empty() {
            lines.push(context.text(key, &[("value", value.into())]));
        }
    }
    lines.extend(view.licence.as_ref().map(|text| context.text("show-licence", &[("value", text.as_str().into())])));
    let figures = [
        ("plain", row.plain_bytes),
        ("wire", view.wire_bytes),
        ("framed", view.with_headers_bytes),
        ("copy", view.copy_bytes),
    ];
    let mut figures = figures.map(|(name, bytes)| (name, figure::bytes(bytes).into())).to_vec();
    figures.push(("bound", view.bound.as_str().into()));
    lines.push(context.text("show-sizes", &figures));
    if view.following {
        lines.push(context.text("show-following", &[]));
    }
    lines.push(String::new());
    lines.push(items_table(context, view));
    if view.items_more > 0 {
        lines.push(context.text("show-more-items", &[("count", view.items_more.into())]));
    }
    lines.join("\n")
}

fn items_table(context: &Context, view: &CollectionView) -> String {
    let mut table = table(context, &["column-number", "column-title", "column-key", "column-size", "column-here"]);
    for item in &view.items {
        let here = if item.have_bytes >= item.bytes {
            context.text("here-yes", &[])
        } else {
            format!("{} %", figure::percent(item.have_bytes, item.bytes))
        };
        let size = figure::bytes(item.bytes);
        let [title, key] = [&item.title, &item.key].map(|text| cell(&table, text, 2));
        table.add_row([item.number.to_string(), title, key, size, here]);
    }
    table.to_string()
}

pub(super) async fn list(context: &Context, client: &Client) -> Result<(), Complaint> {
    let collections = client.status().await?.collections;
    if context.json {
        context.print_json(&collections);
    } else if collections.is_empty() {
        context.tell(&context.text("list-empty", &[]));
    } else {
        context.print(&super::status::collections_table(context, &collections));
    }
    Ok(())
}

pub(super) async fn follow(
    context: &Context,
    client: &Client,
    collection: &CollectionName,
    on: bool,
) -> Result<(), Complaint> {
    let named = client.follow(&collection.to_string(), on).await?;
    if context.json {
        context.print_json(&serde_json::json!({ "collection": named.collection, "following": on }));
        return Ok(());
    }
    let key = if on { "follow-on" } else { "follow-off" };
    context.print(&context.text(key, &[("collection", named.collection.into())]));
    Ok(())
}
