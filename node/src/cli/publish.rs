//! `publish`: a folder becomes the next version of a collection.

use super::complaint::Complaint;
use super::context::Context;
use super::figure;
use super::notice::notices;
use super::progress::Progress;
use crate::api::client::Client;
use crate::api::error::{ApiError, ErrorBody};
use crate::api::event::PublishLine;
use crate::handle::view::Published;
use crate::handle::{HandleError, PublishRequest};
use karez_content_tools::speech::one_line;

pub(super) async fn publish(context: &Context, client: &Client, order: PublishRequest) -> Result<(), Complaint> {
    let path = order.dir;
    if !path.exists() {
        return Err(Complaint::NoFolder { path });
    }
    let dir = path.canonicalize().map_err(|source| Complaint::Path { path, source })?;
    let mut lines = client.publish(&PublishRequest { dir, ..order }).await?;
    let mut progress = Progress::new(context);
    while let Some(line) = lines.next().await? {
        match line {
            PublishLine::Packing { files, bytes, total } => {
                let count = context.text("files-count", &[("count", files.into())]);
                progress.show(bytes, total, &context.text("publish-packing", &[("files", count.into())]), "");
            }
            PublishLine::Rendering { height, done, renditions, ms, total_ms } => {
                let named = [("height", height.into()), ("number", (done + 1).into()), ("count", renditions.into())];
                progress.show(ms, total_ms, &context.text("publish-rendering", &named), "");
            }
            PublishLine::Done(published) => {
                progress.end();
                report(context, &published);
                return Ok(());
            }
            PublishLine::Failed(body) => {
                progress.end();
                refusals(context, &body);
                return Err(Complaint::Failed(body));
            }
        }
    }
    Err(Complaint::CutShort)
}

fn report(context: &Context, published: &Published) {
    if context.json {
        return context.print_json(published);
    }
    let named = [("collection", published.collection.as_str().into()), ("version", published.version.into())];
    if published.unchanged {
        context.print(&context.text("publish-unchanged", &named));
    } else {
        context.print(&context.text("publish-done", &named));
        let files = context.text("files-count", &[("count", published.files.into())]);
        let [plain, stored, new] =
            [published.plain_bytes, published.stored_bytes, published.new_bytes].map(figure::bytes);
        let sizes = [("plain", plain), ("stored", stored), ("new", new)].map(|(name, text)| (name, text.into()));
        let figures: Vec<_> = [("files", files.into())].into_iter().chain(sizes).collect();
        let sizes = match published.version {
            1 => context.text("publish-sizes-first", &figures),
            _ => context.text("publish-sizes", &figures),
        };
        context.print(&sizes);
    }
    if !published.title.is_empty() {
        context.print(&context.text("publish-title", &[("title", published.title.as_str().into())]));
    }
    if published.renditions > 0 {
        context.print(&context.text("publish-renditions", &[("count", published.renditions.into())]));
    }
    if published.in_place_bytes > 0 {
        let bytes = figure::bytes(published.in_place_bytes);
        context.print(&context.text("publish-in-place", &[("bytes", bytes.into())]));
    }
    if published.plans.given_up() > 0 {
        context.tell(&context.text("publish-plain", &[("count", published.plans.given_up().into())]));
    }
    if !published.listed {
        context.tell(&context.text("publish-unlisted", &[]));
    }
    skipped(context, published);
    notices(context, "publish-warnings", &published.warnings, published.warnings_more);
}

/// What must not become public, file by file; the sentence behind it says that nothing was published.
fn refusals(context: &Context, body: &ErrorBody) {
    if let ApiError::Handle(HandleError::Refused { refusals, more }) = &body.error
        && !context.json
    {
        notices(context, "publish-refused", refusals, *more);
    }
}

/// What was left out: links one by one, what systems and programs left in one line.
fn skipped(context: &Context, published: &Published) {
    let (leftovers, others): (Vec<_>, Vec<_>) = published.skipped.iter().partition(|skipped| skipped.leftover);
    let more = published.skipped_more - (published.leftovers - leftovers.len() as u64);
    let count = others.len() as u64 + more;
    if count > 0 {
        context.tell(&context.text("publish-skipped", &[("count", count.into())]));
    }
    for skipped in &others {
        let reason = context.text("skip-reason", &[("reason", skipped.reason.as_str().into())]);
        context.tell(&format!("  {}  ({reason})", one_line(&skipped.path)));
    }
    if more > 0 {
        context.tell(&context.text("skipped-more", &[("count", more.into())]));
    }
    if let Some(first) = leftovers.first() {
        let named = [("count", published.leftovers.into()), ("path", first.path.as_str().into())];
        context.tell(&context.text("skipped-leftovers", &named));
    }
}
