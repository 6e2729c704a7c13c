//! Tests of names: a corpus of innocent and hostile ones, each alone; and what happens to several.

use super::*;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

const CORPUS: &str = include_str!("corpus.txt");
/// What proof.md asks for.
const CORPUS_NAMES_MIN: usize = 300;

fn unescaped(text: &str) -> String {
    let text = text.strip_prefix('|').and_then(|text| text.strip_suffix('|')).expect("a name between bars");
    let (mut name, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('\\') {
        name.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('\\') {
            name.push('\\');
            rest = after;
        } else {
            let (code, after) = rest.strip_prefix("u{").and_then(|rest| rest.split_once('}')).expect("an escape");
            name.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
            rest = after;
        }
    }
    name.push_str(rest);
    name
}

/// Published name, exported name, reason.
fn corpus() -> Vec<(String, String, &'static str)> {
    let rows = CORPUS.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let published = unescaped(columns[0]);
        let exported = if columns[1] == "=" { published.clone() } else { unescaped(columns[1]) };
        (published, exported, columns[2])
    };
    rows.map(row).collect()
}

/// Whether every system that people use stores this name as it is.
fn is_portable(name: &str) -> bool {
    let stem = name.split('.').next().unwrap().trim_end_matches(' ').to_ascii_uppercase();
    let devices = ["CON", "PRN", "AUX", "NUL", "COM1", "LPT9"];
    !name.is_empty()
        && name.len() <= NAME_MAX
        && !name.chars().any(|c| "<>:\"\\|?*/".contains(c) || c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c))
        && !name.ends_with(['.', ' '])
        && !devices.contains(&stem.as_str())
        && name.nfc().eq(name.chars())
}

#[test]
fn every_name_of_the_corpus() {
    let corpus = corpus();
    assert!(corpus.len() >= CORPUS_NAMES_MIN, "{}", corpus.len());
    for (published, exported, reason) in corpus {
        let placed = Names::default().file(&published.parse().unwrap());
        let why = placed.change.map_or("-", NameChange::name);
        assert_eq!((placed.path.as_str(), why), (exported.as_str(), reason), "{published:?}");
        assert!(is_portable(placed.path.as_str()), "{published:?} became {:?}", placed.path);
        let exact = Names::exact().file(&published.parse().unwrap());
        assert_eq!((exact.path.as_str(), exact.change), (published.as_str(), None));
    }
}

fn check(published: &[&str], exported: &[(&str, Option<NameChange>)]) {
    let mut names = Names::default();
    let placed: Vec<Placed> = published.iter().map(|path| names.file(&path.parse().unwrap())).collect();
    let shown: Vec<_> = placed.iter().map(|placed| (placed.path.as_str(), placed.change)).collect();
    assert_eq!(shown, exported);
}

#[test]
fn what_differs_in_case_or_normalisation_only_gets_a_number() {
    let collision = Some(NameChange::Collision);
    check(
        &["a.txt", "A.txt", "a.TXT", "e\u{301}", "é", "É"],
        &[
            ("a.txt", None),
            ("A (2).txt", collision),
            ("a (3).TXT", collision),
            ("é", Some(NameChange::Normalised)),
            ("é (2)", collision),
            ("É (3)", collision),
        ],
    );
    check(
        &["a?b", "a*b", "a_b (2)", "a_b"],
        &[
            ("a_b", Some(NameChange::Characters)),
            ("a_b (2)", collision),
            ("a_b (2) (2)", collision),
            ("a_b (3)", collision),
        ],
    );
}

#[test]
fn files_follow_their_folder() {
    let (collision, reserved) = (Some(NameChange::Collision), Some(NameChange::Reserved));
    check(
        &["Aux/x.txt", "aux/y.txt", "课/x", "课/CON", "Aux/X.txt", "_Aux"],
        &[
            ("_Aux/x.txt", reserved),
            ("_aux (2)/y.txt", collision),
            ("课/x", None),
            ("课/_CON", reserved),
            ("_Aux/X (2).txt", collision),
            ("_Aux (3)", collision),
        ],
    );
    let mut names = Names::default();
    assert_eq!(names.folder(&"x.".parse().unwrap()).path.as_str(), "x");
    assert_eq!(names.file(&"x./y".parse().unwrap()).path.as_str(), "x/y");
}

#[test]
fn a_path_that_grows_beyond_what_a_path_may_be_still_gets_a_place() {
    let folder = "\u{958}".repeat(85);
    let path = [folder.as_str(); 4].join("/");
    let placed = Names::default().file(&path.parse().unwrap());
    assert!(placed.path.as_str().len() <= 1024);
}

proptest! {
    /// Whatever is published, what comes out is portable, unique without regard to case, and stable.
    #[test]
    fn any_names(paths in prop::collection::vec("[aA.? \u{301}éñ:课]{1,4}(/[aA. é]{1,3})?", 1..20)) {
        let paths: Vec<ContentPath> = paths.iter().filter_map(|path| path.parse().ok()).collect();
        let run = || { let mut names = Names::default(); paths.iter().map(|path| names.file(path)).collect::<Vec<_>>() };
        let placed = run();
        prop_assert_eq!(&placed, &run());
        let mut seen = HashSet::new();
        for placed in &placed {
            prop_assert!(placed.path.components().all(is_portable), "{:?}", placed);
            prop_assert!(seen.insert(placed.path.as_str().to_lowercase()), "{:?}", placed);
        }
    }
}
