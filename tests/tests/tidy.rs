//! House rules as tests: sizes, headers, names, bans and who may import whom (docs/architecture.md draws the picture).
//! Each rule is one test that lists every offending `file:line`. Rules about code look at text whose comments and
//! literals are blanked, so a rule may be quoted in a comment; changing an allowed list is its own commit with the reason.

#[path = "tidy/bans.rs"]
mod bans;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;

/// Fails with the rule and one line per offence.
#[track_caller]
fn report(rule: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}
