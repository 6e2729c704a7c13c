//! Who may import whom inside a crate, and where foreign types stop.

use crate::report;
use crate::source::{Source, rust};

/// Modules of `protocol` and the modules each may name.
const PROTOCOL: [(&str, &[&str]); 5] = [
    ("content", &[]),
    ("trust", &["content"]),
    ("wire", &["content", "trust"]),
    ("plan", &[]),
    ("swarm", &["content", "trust", "wire", "plan"]),
];

/// Siblings in `protocol::swarm` that never meet: the scheduler joins them.
const SWARM_SIBLINGS: [&str; 3] = ["picker", "importer", "peers"];

/// Shells of `node` that never meet: the driver introduces them.
const NODE_SHELLS: [&str; 3] = ["control", "bulk", "gateway"];

/// What `identity` takes from libp2p: the key pair is shared by both planes.
const IDENTITY_MAY_USE: [&str; 2] = ["identity", "PeerId"];

/// The files of `crate/src`, each with its module path: `src/a/b.rs` is `["a", "b"]`, `lib.rs` is `[]`.
fn modules(krate: &str) -> Vec<(Vec<String>, Source)> {
    let prefix = format!("{krate}/src/");
    let files = rust().into_iter().filter(|file| file.path.starts_with(&prefix));
    files.map(|file| (module_path(&file.path[prefix.len()..]), file)).collect()
}

fn module_path(path: &str) -> Vec<String> {
    let parts = path.trim_end_matches(".rs").split('/').map(str::to_string);
    parts.filter(|part| part != "lib" && part != "main").collect()
}

/// Every path in `file` that begins at `from` (written `crate::a::b`, `super::b` or in braces), as (offset, first name).
fn names_after(file: &Source, from: &str) -> Vec<(usize, String)> {
    let prefix = format!("{from}::");
    let whole = |at: &usize| !file.code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let starts = file.find(&prefix).filter(whole);
    starts.flat_map(|at| first_names(&file.code[at + prefix.len()..]).into_iter().map(move |n| (at, n))).collect()
}

/// The first name of a path tail: `a::b` gives `a`; `{a::b, c}` gives `a` and `c`.
fn first_names(tail: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = tail.strip_prefix('{') else { return vec![word(tail)] };
    let mut names: Vec<String> = vec![word(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(word(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Names below `parent` that a file of that crate reaches, whether from `crate` or by `super`.
fn reaches(module: &[String], file: &Source, parent: &[&str]) -> Vec<(usize, String)> {
    let from_root = ["crate"].iter().chain(parent).copied().collect::<Vec<_>>().join("::");
    let mut found = names_after(file, &from_root);
    if let Some(up) = module.len().checked_sub(parent.len()).filter(|up| *up > 0) {
        found.extend(names_after(file, &vec!["super"; up].join("::")));
    }
    found
}

/// Offences of files in `modules` against `may(own module, named module)`, both direct children of `parent`.
fn offences(krate: &str, parent: &[&str], may: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (module, file) in modules(krate) {
        let inside = module.len() > parent.len() && module.iter().zip(parent).all(|(own, wanted)| own == wanted);
        let Some(own) = module.get(parent.len()).filter(|_| inside) else { continue };
        for (at, named) in reaches(&module, &file, parent) {
            if *own != named && !may(own, &named) {
                found.push(format!("{}: {own} names {named}", file.at(at)));
            }
        }
    }
    found
}

#[test]
fn protocol_modules_point_down() {
    let is_module = |name: &str| PROTOCOL.iter().any(|(module, _)| *module == name);
    let may = |own: &str, named: &str| {
        let allowed = PROTOCOL.iter().find(|(module, _)| *module == own).map_or(&[][..], |(_, allowed)| allowed);
        !is_module(named) || allowed.contains(&named)
    };
    report("imports in protocol point down", offences("protocol", &[], may));
}

#[test]
fn protocol_has_no_other_modules() {
    let known = |module: &[String]| module.first().is_none_or(|first| PROTOCOL.iter().any(|(name, _)| name == first));
    let strange = modules("protocol").into_iter().filter(|(module, _)| !known(module));
    report("a new module of protocol gets its row in the list of imports", strange.map(|(_, f)| f.path).collect());
}

#[test]
fn swarm_siblings_never_meet() {
    let sibling = |name: &str| SWARM_SIBLINGS.contains(&name);
    let may = |own: &str, named: &str| !(sibling(own) && sibling(named));
    report("picker, importer and peers meet only in the scheduler", offences("protocol", &["swarm"], may));
}

#[test]
fn node_shells_never_meet() {
    let shell = |name: &str| NODE_SHELLS.contains(&name);
    let may = |own: &str, named: &str| !(shell(own) && shell(named));
    report("control, bulk and gateway are strangers: the driver introduces them", offences("node", &[], may));
}

/// Files of `node` that name the foreign crate and do not live in `home`.
fn strays<'a>(foreign: &str, home: &[&str], may: impl Fn(&[String], &str) -> bool + 'a) -> Vec<String> {
    let mut found = Vec::new();
    for (module, file) in modules("node") {
        if module.first().is_some_and(|first| home.iter().any(|prefix| first.starts_with(prefix))) {
            continue;
        }
        let bad = names_after(&file, foreign).into_iter().filter(|(_, name)| !may(&module, name));
        found.extend(bad.map(|(at, name)| format!("{}: {foreign}::{name}", file.at(at))));
    }
    found
}

#[test]
fn libp2p_stays_in_control() {
    let identity = |module: &[String], name: &str| {
        module.first().is_some_and(|first| first == "identity") && IDENTITY_MAY_USE.contains(&name)
    };
    report("libp2p types stop at node::control (keys at node::identity)", strays("libp2p", &["control"], identity));
}

#[test]
fn quinn_stays_in_bulk() {
    let mut found = strays("quinn", &["bulk"], |_, _| false);
    found.extend(strays("quinn_proto", &["bulk"], |_, _| false));
    found.extend(strays("libp2p_tls", &["bulk"], |_, _| false));
    report("quinn types stop at node::bulk", found);
}

#[test]
fn reads_import_paths() {
    let check = |tail: &str, expected: &[&str]| assert_eq!(first_names(tail), expected, "{tail}");
    check("content::Hash;", &["content"]);
    check("{content::{Hash, Chunk}, trust::Key, self};", &["content", "trust", "self"]);
    check("{\n    a,\n    b,\n};", &["a", "b"]);
    assert_eq!(module_path("control/codec.rs"), ["control", "codec"]);
    assert!(module_path("lib.rs").is_empty());
}
