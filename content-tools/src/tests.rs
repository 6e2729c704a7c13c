//! Every text exists in every language, is used, and all help is in Chinese too.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Keys with the arguments that each text uses.
fn keys(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in source.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some((key, _)) = line.split_once(" =").filter(|(key, _)| !key.starts_with(' ')) {
            current = key.to_owned();
            assert!(keys.insert(current.clone(), BTreeSet::new()).is_none(), "{current} twice");
        }
        let arguments = line.split("{ $").skip(1).filter_map(|rest| rest.split([' ', '}']).next());
        keys.entry(current.clone()).or_default().extend(arguments.map(str::to_owned));
    }
    keys
}

fn all(lang: Lang) -> BTreeMap<String, BTreeSet<String>> {
    keys(&[source(lang), lang.shared()].join("\n"))
}

#[test]
fn both_languages_have_the_same_texts_with_the_same_arguments() {
    assert_eq!(all(Lang::Zh), all(Lang::En));
}

#[test]
fn every_text_used_exists_and_every_text_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut code = read(&root.join("main.rs"));
    for entry in std::fs::read_dir(root.join("commands")).unwrap() {
        code += &read(&entry.unwrap().path());
    }
    let known = all(Lang::En);
    for call in ["text(\"", "(\"error-"] {
        for (at, _) in code.match_indices(call) {
            let key = code[at + call.find('"').unwrap() + 1..].split('"').next().unwrap();
            assert!(known.contains_key(key) || key.ends_with('-'), "no text '{key}'");
        }
    }
    for key in keys(source(Lang::En)).keys() {
        assert!(code.contains(&format!("\"{key}\"")), "'{key}' is never said");
    }
}

#[test]
fn all_help_is_in_chinese_too() {
    let root = Flags::command();
    root.clone().debug_assert();
    for command in std::iter::once(&root).chain(root.get_subcommands()) {
        let name = command.get_name();
        assert!(help::chinese(HELP, name).is_some(), "{name}");
        for argument in command.get_arguments().filter(|a| !a.is_global_set() || name == "karez-content") {
            let key = help::key_of(name, argument.get_id().as_str());
            assert!(help::chinese(HELP, &key).is_some(), "{key}");
        }
        let line = ["karez-content", name, "--help"];
        let line = if name == "karez-content" { &line[1..] } else { &line[..] };
        let shown = command_line(line);
        assert!(shown.contains("用法：") && !shown.contains("Print"), "{shown}");
    }
}

fn command_line(words: &[&str]) -> String {
    command(Lang::Zh).try_get_matches_from(words).unwrap_err().to_string()
}
