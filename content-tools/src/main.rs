//! `karez-content`: look after content on one machine, without a network.
//!
//! Flags are parsed here and understood in `commands`. Exit codes: 0 done, 1 failed or damage found, 2 wrong usage.

mod commands;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use commands::Complaint;
use karez_content_tools::package;
use karez_content_tools::speech::{Lang, Texts, Voice, help, language, usage};
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Chinese help by command and argument.
const HELP: &str = include_str!("../locales/help.zh.ftl");

/// Pack folders into a chunk store, look into packed collections, and check stores; never uses the network
///
/// Exit codes: 0 ok, 1 failed or damage found, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "karez-content", version, propagate_version = true)]
struct Flags {
    /// Print one JSON value instead of text
    #[arg(long, global = true, display_order = 1000)]
    json: bool,
    /// Language of messages [default: KAREZ_LANG, else the system's]
    #[arg(long, global = true, display_order = 1001, value_name = "zh|en", hide_possible_values = true)]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Pack a folder: one sub-folder or one film per lesson, subtitles beside the film, `cover.*`, `collection.toml`.
    Pack(commands::pack::Flags),
    /// Show what a packed collection holds.
    Inspect(commands::inspect::Flags),
    /// Read every chunk of a store again and report damage (exit code 1 if there is any).
    Verify(commands::verify::Flags),
    /// Read a store again at a pace of your choice, and go on where it was stopped (exit code 1 if there is damage).
    Scrub(commands::scrub::Flags),
    /// Give back the space of versions that are neither the newest nor pinned.
    Gc(commands::gc::Flags),
    /// Show or set how many bytes the store may take.
    Quota(commands::quota::Flags),
    /// List the chunks that were found damaged and have not come back, and what versions have lost (exit code 1 if there is any).
    Damaged(commands::quota::ListFlags),
    /// Pin a collection or a version of it: compaction leaves it alone.
    Pin(commands::pin::Flags),
    /// Take a pin away.
    Unpin(commands::pin::Flags),
    /// List the pins.
    Pins(commands::pin::ListFlags),
    /// Compare two packed collections and tell what the update puts on the wire.
    Diff(commands::diff::Flags),
    /// Tell how many bytes a collection puts on the wire, for a site that has nothing or an older version.
    Quote(commands::diff::QuoteFlags),
    /// Show where a file is cut.
    Chunk(commands::chunk::Flags),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let lang = language::choose(&arguments, |name| std::env::var(name).ok(), sys_locale::get_locale());
    let mut voice = Voice { json: usage::wants_json(&arguments), texts: texts(lang), english: texts(Lang::En) };
    let command = command(lang);
    let matched = command.clone().try_get_matches_from(arguments);
    let flags = match matched.and_then(|matches: ArgMatches| Flags::from_arg_matches(&matches)) {
        Ok(flags) => flags,
        Err(error) => return usage::end(&error, &command, &voice.texts, voice.json),
    };
    voice.json = flags.json;
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    log.with_target(false).without_time().init();
    match run(flags.command, &voice) {
        Ok(code) => code,
        Err(error) if commands::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&voice, &Complaint(&error)),
    }
}

/// The command line in a language.
fn command(lang: Lang) -> clap::Command {
    match lang {
        Lang::En => Flags::command(),
        Lang::Zh => help::translate(Flags::command(), HELP),
    }
}

/// The texts of this program.
fn texts(lang: Lang) -> Texts {
    Texts::new(lang, source(lang))
}

const fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => include_str!("../locales/content.zh.ftl"),
        Lang::En => include_str!("../locales/content.en.ftl"),
    }
}

fn run(command: Command, voice: &Voice) -> anyhow::Result<ExitCode> {
    match command {
        Command::Pack(pack) => commands::pack::run(&pack, voice),
        Command::Inspect(inspect) => commands::inspect::run(&inspect, voice),
        Command::Verify(verify) => commands::verify::run(&verify, voice),
        Command::Scrub(scrub) => commands::scrub::run(&scrub, voice),
        Command::Gc(gc) => commands::gc::run(&gc, voice),
        Command::Quota(quota) => commands::quota::run(&quota, voice),
        Command::Damaged(list) => commands::quota::run_damaged(&list, voice),
        Command::Pin(pin) => commands::pin::run(&pin, voice),
        Command::Unpin(pin) => commands::pin::run_unpin(&pin, voice),
        Command::Pins(list) => commands::pin::run_list(&list, voice),
        Command::Diff(diff) => commands::diff::run(&diff, voice),
        Command::Quote(quote) => commands::diff::run_quote(&quote, voice),
        Command::Chunk(chunk) => commands::chunk::run(&chunk, voice),
    }
}

/// Says what went wrong; what must not become public file by file.
fn fail(voice: &Voice, complaint: &Complaint<'_>) -> ExitCode {
    if let Some(refusals) = complaint.refusals() {
        for refusal in &refusals.list {
            let text = package::said(&voice.texts, refusal.code, &refusal.detail);
            let arguments = [("path", refusal.path.as_str().into()), ("text", text.into())];
            voice.tell(&voice.text("pack-refused-file", &arguments));
        }
        if refusals.more > 0 {
            voice.tell(&voice.text("pack-warnings-more", &[("count", refusals.more.into())]));
        }
    }
    voice.fail(complaint)
}

#[cfg(test)]
mod tests;
