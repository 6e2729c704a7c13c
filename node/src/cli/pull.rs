//! `pull`: fetch, and leave plain files in a folder.

use super::complaint::Complaint;
use super::context::Context;
use super::progress::Progress;
use super::{PullOrder, figure, status};
use crate::api::client::Client;
use crate::api::event::{PullDone, PullEvent, PullPlan, PullProgress, PullRequest};
use crate::trouble::Problem;

pub(super) async fn pull(context: &Context, client: &Client, order: PullOrder) -> Result<(), Complaint> {
    // The daemon has another working directory.
    let to = std::path::absolute(&order.to).map_err(|source| Complaint::Path { path: order.to, source })?;
    let PullOrder { collection, item, overwrite, exact_names, link, .. } = order;
    let collection = collection.to_string();
    let request = PullRequest { collection, item, to: Some(to), exact_names, overwrite, link };
    let mut lines = client.pull(&request).await?;
    let (mut progress, mut version) = (Progress::new(context), None);
    while let Some(event) = lines.next().await? {
        match event {
            PullEvent::Plan(plan) => {
                version = Some(plan.version);
                progress.say(&planned(context, &plan));
            }
            PullEvent::Progress(now) => {
                if version.is_some_and(|version| version < now.version) {
                    version = Some(now.version);
                    progress.say(&context.text("pull-newer", &[("version", now.version.into())]));
                }
                let (figures, sources) = (figures(context, &now), sources(context, &now));
                progress.show(now.have_bytes, now.total_bytes, &figures, &sources);
            }
            PullEvent::Copying { bytes, total } => progress.show(bytes, total, &context.text("pull-copying", &[]), ""),
            PullEvent::Linking { bytes, total } => progress.show(bytes, total, &context.text("pull-linking", &[]), ""),
            PullEvent::Done(done) => {
                progress.end();
                report(context, &done);
                let kept = done.kept.len() as u64;
                return if kept == 0 { Ok(()) } else { Err(Complaint::Kept { files: kept }) };
            }
            PullEvent::Failed(body) => return Err(Complaint::Failed(body)),
        }
    }
    Err(Complaint::CutShort)
}

/// What is going to happen, and how much disk it takes: said before the first byte comes.
fn planned(context: &Context, plan: &PullPlan) -> String {
    let title = match &plan.item {
        Some(item) => format!("{} · {item}", plan.title),
        None => plan.title.clone(),
    };
    let files = context.text("files-count", &[("count", plan.files.into())]);
    let head = context.text(
        "pull-plan",
        &[
            ("title", title.into()),
            ("version", plan.version.into()),
            ("files", files.into()),
            ("plain", figure::bytes(plan.plain_bytes).into()),
            ("wire", figure::bytes(plan.wire_bytes).into()),
            ("framed", figure::bytes(plan.with_headers_bytes).into()),
        ],
    );
    let to = plan.to.as_ref().map(|to| to.to_string_lossy().into_owned()).unwrap_or_default();
    let copy = figure::bytes(plan.copy_bytes);
    let room = match plan.free_bytes {
        Some(free) => {
            let free = figure::bytes(free);
            context.text("pull-copy-free", &[("copy", copy.into()), ("to", to.into()), ("free", free.into())])
        }
        None => context.text("pull-copy", &[("copy", copy.into()), ("to", to.into())]),
    };
    format!("{head}\n{room}")
}

fn figures(context: &Context, now: &PullProgress) -> String {
    let [have, total] = [now.have_bytes, now.total_bytes].map(figure::bytes);
    let mut text = format!("{have} / {total}  {}", figure::rate(now.rate));
    if let Some(seconds) = now.eta_s {
        let eta = figure::duration(&context.texts, seconds);
        text.push_str("  ");
        text.push_str(&context.text("pull-eta", &[("eta", eta.into())]));
    }
    text
}

/// From whom it came; or, when it stands still, what it waits for.
fn sources(context: &Context, now: &PullProgress) -> String {
    if let Some(english) = &now.problem {
        let problem = match &now.stopped_by {
            None | Some(Problem::Unknown) => english.clone(),
            Some(problem) => problem.said(&context.texts),
        };
        return context.text("pull-problem", &[("problem", problem.into())]);
    }
    if now.state == "waiting" {
        let from = status::waiting_for(context, &now.waiting_for);
        return context.text("pull-waiting", &[("from", from.into())]);
    }
    let figures = [
        ("flagship", now.bytes_from_flagship),
        ("peers", now.bytes_from_peers),
        ("group", now.bytes_from_group),
        ("here", now.bytes_already_here),
    ];
    context.text("pull-sources", &figures.map(|(name, bytes)| (name, figure::bytes(bytes).into())))
}

fn report(context: &Context, done: &PullDone) {
    if context.json {
        return context.print_json(done);
    }
    let to = done.to.as_ref().map(|to| to.to_string_lossy().into_owned()).unwrap_or_default();
    context.print(&context.text(
        "pull-done",
        &[
            ("files", context.text("files-count", &[("count", done.files.into())]).into()),
            ("bytes", figure::bytes(done.bytes).into()),
            ("to", to.into()),
            ("wall", figure::duration(&context.texts, done.wall_s as u64).into()),
        ],
    ));
    if let Some(linked) = &done.linked {
        let [bytes, freed] = [linked.bytes, linked.freed_bytes].map(figure::bytes);
        let files = context.text("files-count", &[("count", linked.files.into())]);
        let figures = [("files", files.into()), ("bytes", bytes.into()), ("freed", freed.into())];
        context.print(&context.text("pull-linked", &figures));
        for path in &linked.left {
            context.print(&context.text("pull-not-linked", &[("path", path.as_str().into())]));
        }
    }
    for file in &done.renamed {
        let reason = context.text(reason_key(&file.reason), &[]);
        let (path, exported) = (file.path.as_str(), file.exported.as_str());
        let line = [("path", path.into()), ("exported", exported.into()), ("reason", reason.into())];
        context.print(&context.text("pull-renamed", &line));
    }
    for path in &done.kept {
        context.print(&context.text("pull-kept", &[("path", path.as_str().into())]));
    }
}

fn reason_key(reason: &str) -> &'static str {
    match reason {
        "characters" => "renamed-characters",
        "reserved" => "renamed-reserved",
        "ending" => "renamed-ending",
        "normalised" => "renamed-normalised",
        "length" => "renamed-length",
        _ => "renamed-collision",
    }
}
