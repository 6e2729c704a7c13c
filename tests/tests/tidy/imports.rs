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

/// One key pair serves both planes: these files may name it, the second because libp2p-tls makes quinn's certificates.
const IDENTITY_FILES: [&[&str]; 2] = [&["identity"], &["bulk", "tls"]];
const SHARED_IDENTITY: [&str; 2] = ["identity", "PeerId"];

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

/// Every path in `file` that begins at `from` (`crate`, `super`, a foreign crate), as (offset, the names after it).
fn paths_from(file: &Source, from: &str) -> Vec<(usize, Vec<String>)> {
    let prefix = format!("{from}::");
    let whole = |at: &usize| !file.code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let starts = file.find(&prefix).filter(whole);
    starts.flat_map(|at| expand(&file.code[at + prefix.len()..]).into_iter().map(move |path| (at, path))).collect()
}

/// The paths of a use tree: `a::{b::c, d}` is `a::b::c` and `a::d`. Stops where the path ends; `as` names are ignored.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim_start();
    if let Some(group) = tree.strip_prefix('{') {
        return branches(group).into_iter().flat_map(expand).collect();
    }
    let name: String = tree.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    match tree[name.len()..].strip_prefix("::") {
        _ if name.is_empty() => vec![],
        None => vec![vec![name]],
        Some(rest) => {
            let rest = expand(rest);
            let below = rest.into_iter().map(|path| [vec![name.clone()], path].concat()).collect::<Vec<_>>();
            if below.is_empty() { vec![vec![name]] } else { below }
        }
    }
}

/// The parts between the commas of a group whose opening brace is gone.
fn branches(group: &str) -> Vec<&str> {
    let (mut depth, mut start) = (1, 0);
    let mut found = Vec::new();
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (c == ',' && depth == 1) {
            found.push(&group[start..at]);
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// Every path of its own crate that a file names, from the crate's root, whether written from `crate` or by `super`.
fn own_paths(module: &[String], file: &Source) -> Vec<(usize, Vec<String>)> {
    let mut found = paths_from(file, "crate");
    for up in 1..=module.len() {
        let above = &module[..module.len() - up];
        let relative = paths_from(file, &vec!["super"; up].join("::"));
        found.extend(relative.into_iter().map(|(at, path)| (at, [above, &path].concat())));
    }
    found
}

/// Offences of files in `krate` against `may(own module, named module)`, both direct children of `parent`.
fn offences(krate: &str, parent: &[&str], may: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let child = |path: &[String]| {
        let below = path.len() > parent.len() && path.iter().zip(parent).all(|(own, wanted)| own == wanted);
        below.then(|| path[parent.len()].clone())
    };
    let mut found = Vec::new();
    for (module, file) in modules(krate) {
        let Some(own) = child(&module) else { continue };
        for (at, path) in own_paths(&module, &file) {
            if let Some(named) = child(&path).filter(|named| *named != own && !may(&own, named)) {
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
fn strays(foreign: &str, home: &str, may: impl Fn(&[String], &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (module, file) in modules("node") {
        if module.first().is_some_and(|first| first.starts_with(home)) {
            continue;
        }
        let bad = paths_from(&file, foreign).into_iter().filter(|(_, path)| !may(&module, &path[0]));
        found.extend(bad.map(|(at, path)| format!("{}: {foreign}::{}", file.at(at), path.join("::"))));
    }
    found
}

#[test]
fn libp2p_stays_in_control() {
    let may = |module: &[String], name: &str| {
        SHARED_IDENTITY.contains(&name) && IDENTITY_FILES.iter().any(|file| module == *file)
    };
    report("libp2p types stop at node::control, keys and peer ids aside", strays("libp2p", "control", may));
}

#[test]
fn quinn_stays_in_bulk() {
    let mut found = strays("quinn", "bulk", |_, _| false);
    found.extend(strays("quinn_proto", "bulk", |_, _| false));
    found.extend(strays("libp2p_tls", "bulk", |_, _| false));
    report("quinn types stop at node::bulk", found);
}

#[test]
fn reads_import_paths() {
    let check = |tree: &str, expected: &[&str]| {
        let found: Vec<String> = expand(tree).iter().map(|path| path.join("::")).collect();
        assert_eq!(found, expected, "{tree}");
    };
    check("content::Hash;", &["content::Hash"]);
    check("{content::{Hash, Chunk as C}, trust, self};", &["content::Hash", "content::Chunk", "trust", "self"]);
    check("{\n    a::*,\n    b,\n};", &["a", "b"]);
    check("now(crate::x)", &["now"]);
    assert_eq!(module_path("control/codec.rs"), ["control", "codec"]);
    assert!(module_path("lib.rs").is_empty());
}
