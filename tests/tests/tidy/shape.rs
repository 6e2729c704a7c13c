//! Size, header and name of files and functions.

use crate::report;
use crate::source::{Source, rust};

/// Hard limits; the aim is 200 and 10.
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Names that say nothing: a module is named after a thing in the domain.
const FORBIDDEN_STEMS: [&str; 7] = ["mod", "util", "utils", "common", "types", "helpers", "misc"];

#[test]
fn files_open_with_a_module_comment() {
    let bare = rust().into_iter().filter(|file| !file.text.starts_with("//!"));
    report("a file opens with `//!`: what lives here and what must stay true", bare.map(|f| f.at(0)).collect());
}

#[test]
fn files_are_short() {
    let long = rust().into_iter().map(|file| (file.text.lines().count(), file.path));
    let long = long.filter(|(lines, _)| *lines > FILE_LINES_MAX);
    report("files past 500 lines are split by noun", long.map(|(lines, path)| format!("{path}: {lines}")).collect());
}

#[test]
fn functions_are_short() {
    let files = rust();
    let long = files.iter().flat_map(functions).filter(|function| function.lines > FUNCTION_LINES_MAX);
    report("functions past 70 lines are split", long.map(|f| format!("{}: {} lines", f.place, f.lines)).collect());
}

#[test]
fn file_names_are_nouns_of_the_domain() {
    let offends = |path: &str| {
        let mut parts = path.trim_end_matches(".rs").split('/');
        parts.any(|part| FORBIDDEN_STEMS.contains(&part))
    };
    let bad = rust().into_iter().map(|file| file.path).filter(|path| offends(path));
    report("no util, common, types, helpers, misc, and `swarm.rs` beside `swarm/` for mod.rs", bad.collect());
}

#[test]
fn tests_leave_nothing_among_the_sources() {
    let known = ["Cargo.toml", "lab", "linkem", "sim", "src", "tests"];
    let here = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).expect("the package's folder");
    let names = here.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    report("what is in tests/ was put there by hand", names.filter(|name| !known.contains(&&**name)).collect());
}

struct Function {
    place: String,
    lines: usize,
}

/// Functions with a body, from `fn` to the closing brace. Nested functions count for themselves and for the outer one.
fn functions(file: &Source) -> Vec<Function> {
    file.find("fn ").filter(|at| starts_word(&file.code, *at)).filter_map(|at| body(file, at)).collect()
}

fn starts_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn body(file: &Source, start: usize) -> Option<Function> {
    let (mut braces, mut brackets) = (0, 0);
    for (offset, byte) in file.code.bytes().enumerate().skip(start) {
        match byte {
            b'{' => braces += 1,
            b'}' => braces -= 1,
            b'(' | b'[' => brackets += 1,
            b')' | b']' if brackets == 0 => return None, // a `fn` pointer type inside something larger
            b')' | b']' => brackets -= 1,
            b';' if braces == 0 && brackets == 0 => return None,
            _ => {}
        }
        if byte == b'}' && braces <= 0 {
            let lines = file.code[start..=offset].lines().count();
            return (braces == 0).then(|| Function { place: file.at(start), lines });
        }
    }
    None
}

#[test]
fn counts_the_lines_of_functions() {
    let code = "trait T { fn a(&self); fn b() -> [u8; 2] {\n}\n}\nfn c<F: Fn()>(f: fn(u8) -> u8) {\n if x {\n }\n}\n"
        .to_string();
    let file = Source { path: "x.rs".into(), text: code.clone(), code };
    let found: Vec<_> = functions(&file).into_iter().map(|f| (f.place, f.lines)).collect();
    assert_eq!(found, [("x.rs:1".to_string(), 2), ("x.rs:4".to_string(), 4)]);
}
