//! What the keeper should act on, as `status` shows it; gone when it is solved.

use crate::trouble::{Problem, StoreFault};
use karez_protocol::content::name::CollectionName;
use std::collections::VecDeque;

/// Problems shown at most; the oldest go first.
const PROBLEMS_MAX: usize = 16;

/// What a problem is about; one problem is shown for each topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topic {
    /// The disk is full or fails.
    Disk,
    /// A release made here is not listed by the tracker.
    Listing(CollectionName),
    /// What this node holds of a collection, or its publisher's signatures.
    Content(CollectionName),
    /// The time.
    Clock,
    /// The node's own files.
    Home,
    /// Files outside the store that no longer hold what is published from them.
    ChangedFiles,
    /// Files outside the store whose disk is not there.
    AwayFiles,
}

/// The problems.
#[derive(Debug, Default)]
pub(super) struct Problems(VecDeque<(Topic, Problem)>);

impl Problems {
    /// Shows a problem in place of an older one about the same. The log hears of it when it is new, and not from each of the
    /// many who meet it.
    pub(super) fn report(&mut self, topic: Topic, problem: Problem) {
        if !self.0.iter().any(|(known, shown)| *known == topic && *shown == problem) {
            tracing::warn!(%problem);
        }
        self.solved(&topic);
        self.0.push_back((topic, problem));
        if self.0.len() > PROBLEMS_MAX {
            self.0.pop_front();
        }
    }

    /// The topic is no problem any more.
    pub(super) fn solved(&mut self, topic: &Topic) {
        self.0.retain(|(known, _)| known != topic);
    }

    /// Why the store takes nothing, when it does not.
    pub(super) fn disk(&self) -> Option<StoreFault> {
        self.0.iter().find_map(|(topic, problem)| match (topic, problem) {
            (Topic::Disk, Problem::Store { source, .. }) => Some(source.clone()),
            _ => None,
        })
    }

    /// All of them, oldest first.
    pub(super) fn list(&self) -> Vec<Problem> {
        self.0.iter().map(|(_, problem)| problem.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A full store refuses every chunk that is under way.
    #[test]
    fn the_log_hears_of_a_problem_once_until_it_changes() {
        let (log, mut problems) = (Log::default(), Problems::default());
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let problem = |detail: &str| Problem::Roster { detail: detail.into() };
        tracing::subscriber::with_default(subscriber, || {
            for text in ["full", "full", "full", "fuller", "fuller"] {
                problems.report(Topic::Disk, problem(text));
            }
            problems.solved(&Topic::Disk);
            problems.report(Topic::Disk, problem("full"));
        });
        let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap().lines().count();
        assert_eq!((lines, problems.list()), (3, vec![problem("full")]));
    }
}
