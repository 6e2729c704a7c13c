//! Things that stand nowhere in the repository.

use crate::report;
use crate::source::{Source, rust, with_extension};

/// Places of any of `needles` in files that `keep` holds.
fn places(needles: &[&str], keep: impl Fn(&Source) -> bool) -> Vec<String> {
    let files: Vec<Source> = rust().into_iter().filter(keep).collect();
    let hits =
        |file: &Source| needles.iter().flat_map(|needle| file.find(needle)).map(|at| file.at(at)).collect::<Vec<_>>();
    files.iter().flat_map(hits).collect()
}

#[test]
fn lints_are_expected_not_allowed() {
    let places = places(&["#[allow(", "#![allow("], |_| true);
    report("write `#[expect(lint, reason = \"..\")]`: it complains when it is no longer needed", places);
}

#[test]
fn nothing_is_left_to_do() {
    report("unfinished code is not merged", places(&["todo!(", "unimplemented!("], |_| true));
}

#[test]
fn no_test_is_ignored() {
    report("a test runs or says in one line why it cannot", places(&["#[ignore"], |_| true));
}

#[test]
fn tests_never_sleep() {
    let tests = |file: &Source| file.path.split('/').any(|part| part == "tests");
    report(
        "tests wait for an event or a virtual clock, with a deadline",
        places(&["thread::sleep", "time::sleep(", "time::sleep;", "time::{sleep"], tests),
    );
}

#[test]
fn every_channel_is_bounded() {
    report("a channel names its bound", places(&["unbounded_channel", "mpsc::channel()", "mpsc::unbounded"], |_| true));
}

#[test]
fn no_path_of_one_machine() {
    let needles = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let mut found = Vec::new();
    for file in with_extension(&["rs", "toml", "md", "sh", "txt", "html", "css", "js", "ftl", "yml"]) {
        let hits = needles.iter().flat_map(|needle| file.text.match_indices(needle));
        found.extend(hits.map(|(at, _)| file.at(at)));
    }
    report("paths of one machine do not belong in the repository", found);
}
