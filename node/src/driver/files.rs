//! Files outside the store that it refers to: published in place, or copies that were linked. Which of them were changed, and
//! which are not there.
//!
//! What must stay true: the loop never touches these files itself, as their disk may hang; looks are made elsewhere, one at a
//! time. What is missing from a file that was changed is fetched again like any damaged chunk; what is on a disk that is not
//! attached is refused to peers until it is, and fetched from nobody.

use super::{Driver, Outcome, Topic};
use crate::trouble::{Problem, StoreFault};
use karez_content_tools::store::Store;
use karez_protocol::content::chunk::ChunkIndex;
use karez_protocol::content::hash::ReleaseId;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files named in one problem.
const NAMED_MAX: u32 = 3;
/// How often a disk that is away is looked for.
const AWAY_RETRY: Duration = Duration::from_secs(10);

/// The state of looking.
#[derive(Debug, Default)]
pub(super) struct Files {
    look: Look,
    /// A file whose disk was not there, and when to look again.
    away: Option<(PathBuf, Instant)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Look {
    #[default]
    None,
    Running,
    /// Something happened since it began.
    Outdated,
}

/// What a look found.
#[derive(Debug)]
pub(super) struct Found {
    /// Files that were changed, with the chunks missing from each; one more than is shown when there are more.
    changed: Vec<(PathBuf, u64)>,
    /// Whether the file that was away is back.
    is_back: bool,
}

/// Blocking.
fn look(store: &Store, away: Option<&Path>) -> Found {
    let changed = store.changed_files(NAMED_MAX + 1).unwrap_or_else(|cause| {
        tracing::warn!(%cause, "cannot list changed files");
        Vec::new()
    });
    Found { changed, is_back: away.is_some_and(Path::exists) }
}

impl Driver {
    /// Looks which files were changed; what it finds is a problem in `status`, until they are published again, or their
    /// chunks have come back.
    pub(super) fn look_at_files(&mut self) {
        if self.files.look != Look::None {
            self.files.look = Look::Outdated;
            return;
        }
        self.files.look = Look::Running;
        let (store, away) = (self.parts.store.clone(), self.files.away.as_ref().map(|(path, _)| path.clone()));
        self.spawn(async move {
            let found = tokio::task::spawn_blocking(move || look(&store, away.as_deref())).await;
            Outcome::LookedAtFiles(found.unwrap_or(Found { changed: Vec::new(), is_back: false }))
        });
    }

    pub(super) fn on_files(&mut self, found: Found) {
        if found.is_back {
            self.files.away = None;
            self.problems.solved(&Topic::AwayFiles);
        }
        match changed(&found.changed) {
            Some(problem) => self.problems.report(Topic::ChangedFiles, problem),
            None => self.problems.solved(&Topic::ChangedFiles),
        }
        if std::mem::take(&mut self.files.look) == Look::Outdated {
            self.look_at_files();
        }
    }

    /// A peer could not be served: the chunk is lost, or on a disk that is not there.
    pub(super) fn on_unservable(&mut self, release: &ReleaseId, chunk: ChunkIndex, away: Option<PathBuf>) {
        let Some(path) = away else {
            return self.on_lost(release, chunk);
        };
        if self.files.away.is_none() {
            let fault = StoreFault::Away { path: path.to_string_lossy().into_owned() };
            self.problems.report(Topic::AwayFiles, Problem::store(None, fault));
            self.files.away = Some((path, Instant::now() + AWAY_RETRY));
        }
    }

    /// Looks for a disk that was away.
    pub(super) fn look_for_disk(&mut self, now: Instant) {
        if let Some((_, due)) = self.files.away.as_mut().filter(|(_, due)| *due <= now) {
            *due = now + AWAY_RETRY;
            self.look_at_files();
        }
    }
}

fn changed(changed: &[(PathBuf, u64)]) -> Option<Problem> {
    let shown = &changed[..changed.len().min(NAMED_MAX as usize)];
    let names: Vec<String> = shown.iter().map(|(path, chunks)| format!("{} ({chunks})", path.display())).collect();
    let more = if changed.len() > shown.len() { ", …" } else { "" };
    (!shown.is_empty()).then(|| Problem::ChangedFiles { files: format!("{}{more}", names.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_files() {
        assert_eq!(changed(&[]), None);
        let files =
            |count: u64| (0..count).map(|n| (PathBuf::from(format!("/srv/{n}.mp4")), n + 1)).collect::<Vec<_>>();
        let text = changed(&files(2)).unwrap().to_string();
        assert!(text.contains("/srv/0.mp4 (1), /srv/1.mp4 (2).") && !text.contains('…'), "{text}");
        let text = changed(&files(4)).unwrap().to_string();
        assert!(text.contains("/srv/2.mp4 (3), …") && !text.contains("/srv/3.mp4"), "{text}");
    }
}
