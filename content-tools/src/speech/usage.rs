//! Command lines that cannot be understood, in the user's language.
//!
//! In English clap speaks for itself. In Chinese the sentence, what is expected and the usage line are ours; names and values
//! are shown as typed. With `--json` the same comes as a value, whatever the language.

use super::harmless::harmless;
use super::language::{Argument, Lang, Texts};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use serde_json::json;
use std::ffi::OsString;
use std::process::ExitCode;

/// Exit code for a command line that cannot be understood.
pub const USAGE: u8 = 2;

/// Whether a command line asks for JSON: it must be known before it is understood.
pub fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// Says what is wrong with a command line, or shows the help that it asked for.
pub fn end(error: &Error, command: &Command, texts: &Texts, json: bool) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        match (texts.lang(), error.kind()) {
            (Lang::Zh, ErrorKind::DisplayHelp) => super::help::print(error),
            // Nothing can be done about a terminal that is gone.
            _ => drop(error.print()),
        }
        return ExitCode::SUCCESS;
    }
    if json {
        println!("{}", json!({ "error": "usage", "message": english(error) }));
    }
    if texts.lang() == Lang::Zh {
        eprintln!("{}", harmless(&chinese(error, command, texts)));
    } else {
        let text = error.render().to_string();
        match harmless(&text) == text {
            true => drop(error.print()),
            false => eprint!("{}", harmless(&text)),
        }
    }
    ExitCode::from(USAGE)
}

/// The sentence of clap, on one line.
pub fn english(error: &Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing: see --help".into();
    }
    let text = error.render().to_string();
    let sentence = text.split("\n\nUsage:").next().unwrap_or_default();
    let words: Vec<&str> = sentence.trim_start_matches("error: ").split_whitespace().collect();
    words.join(" ")
}

/// The whole message in Chinese.
pub fn chinese(error: &Error, command: &Command, texts: &Texts) -> String {
    let sentence = texts.say("error", &[("text", sentence(error, command, texts).into())]);
    let see = texts.say("usage-see-help", &[]);
    match found(error, ContextKind::Usage) {
        Some(usage) => {
            let usage = usage.trim_start_matches("Usage:").trim().replace("[OPTIONS]", "[选项]");
            let usage = usage.replace("<COMMAND>", "<命令>").replace("[COMMAND]", "[命令]");
            format!("{sentence}\n\n{}\n\n{see}", texts.say("usage-line", &[("usage", usage.into())]))
        }
        None => format!("{sentence}\n\n{see}"),
    }
}

fn sentence(error: &Error, command: &Command, texts: &Texts) -> String {
    let of = |kind| found(error, kind).unwrap_or_default();
    let argument = of(ContextKind::InvalidArg);
    let say = |key: &str, arguments: &[Argument<'_>]| texts.say(key, arguments);
    let text = match error.kind() {
        ErrorKind::UnknownArgument => say("usage-unknown-argument", &[("found", argument.into())]),
        ErrorKind::InvalidSubcommand => {
            say("usage-unknown-command", &[("found", of(ContextKind::InvalidSubcommand).into())])
        }
        ErrorKind::MissingRequiredArgument => say("usage-missing", &[("missing", argument.into())]),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let known: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
            say("usage-missing-command", &[("known", known.join("、").into())])
        }
        ErrorKind::ArgumentConflict => {
            say("usage-conflict", &[("found", argument.into()), ("other", of(ContextKind::PriorArg).into())])
        }
        ErrorKind::InvalidValue if of(ContextKind::InvalidValue).is_empty() => {
            say("usage-no-value", &[("argument", argument.into())])
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let expected = match of(ContextKind::ValidValue) {
                known if known.is_empty() => {
                    let mut whole = command.clone();
                    whole.build();
                    described(&whole, &argument)
                }
                known => known,
            };
            let found = of(ContextKind::InvalidValue);
            let arguments = [("found", found.into()), ("argument", argument.into()), ("expected", expected.into())];
            say("usage-value", &arguments)
        }
        _ => say("usage-other", &[("detail", english(error).into())]),
    };
    let near = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    match near.into_iter().find_map(|kind| found(error, kind)) {
        Some(near) => text + &say("usage-near", &[("near", near.into())]),
        None => text,
    }
}

/// What clap noted about an error.
fn found(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join("、")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        ContextValue::StyledStrs(texts) => Some(texts.iter().map(ToString::to_string).collect::<Vec<_>>().join("、")),
        ContextValue::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What the help says about an argument, wherever it belongs.
fn described(command: &Command, argument: &str) -> String {
    let own = command.get_arguments().find(|known| known.to_string() == argument);
    let help = own.and_then(|known| known.get_help()).map(ToString::to_string);
    help.or_else(|| command.get_subcommands().map(|sub| described(sub, argument)).find(|text| !text.is_empty()))
        .unwrap_or_default()
}
