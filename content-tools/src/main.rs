//! `karez-content`: look after content on one machine, without a network.
//!
//! Flags are parsed here and understood in `commands`. Exit codes: 0 done, 1 failed or damage found, 2 wrong usage.

mod commands;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Pack folders into a chunk store, look into packed collections, and check stores. Never uses the network.
#[derive(Debug, Parser)]
#[command(name = "karez-content", version, propagate_version = true)]
struct Flags {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    json: bool,
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
    let flags = Flags::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).without_time().init();
    let done = match flags.command {
        Command::Pack(pack) => commands::pack::run(&pack, flags.json),
        Command::Inspect(inspect) => commands::inspect::run(&inspect, flags.json),
        Command::Verify(verify) => commands::verify::run(&verify, flags.json),
        Command::Scrub(scrub) => commands::scrub::run(&scrub, flags.json),
        Command::Gc(gc) => commands::gc::run(&gc, flags.json),
        Command::Quota(quota) => commands::quota::run(&quota, flags.json),
        Command::Damaged(list) => commands::quota::run_damaged(&list, flags.json),
        Command::Pin(pin) => commands::pin::run(&pin, flags.json),
        Command::Unpin(pin) => commands::pin::run_unpin(&pin, flags.json),
        Command::Pins(list) => commands::pin::run_list(&list, flags.json),
        Command::Diff(diff) => commands::diff::run(&diff, flags.json),
        Command::Quote(quote) => commands::diff::run_quote(&quote, flags.json),
        Command::Chunk(chunk) => commands::chunk::run(&chunk, flags.json),
    };
    match done {
        Ok(code) => code,
        Err(error) if commands::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("karez-content: {error}");
            ExitCode::FAILURE
        }
    }
}
