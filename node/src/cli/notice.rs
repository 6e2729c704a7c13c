//! What was noticed about files, in the user's language.

use super::context::Context;
use crate::handle::view::NoticeView;
use karez_content_tools::package::{self, Code};

/// A heading and the notices below it, on standard error.
pub(super) fn notices(context: &Context, heading: &str, notices: &[NoticeView], more: u64) {
    if notices.is_empty() {
        return;
    }
    context.tell(&context.text(heading, &[("count", (notices.len() as u64 + more).into())]));
    for notice in notices {
        context.tell(&format!("  {}", notice.path));
        context.tell(&format!("    {}", said(context, notice)));
    }
    if more > 0 {
        context.tell(&format!("  {}", context.text("notices-more", &[("count", more.into())])));
    }
}

/// A notice in the user's language; one that only a newer node knows, in the node's own words.
fn said(context: &Context, notice: &NoticeView) -> String {
    match Code::ALL.iter().find(|code| code.name() == notice.code) {
        Some(code) => package::said(&context.texts, *code, &notice.detail),
        None => notice.text.clone(),
    }
}
