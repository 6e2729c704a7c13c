//! `karez-content pin`, `unpin`, `pins`: what compaction leaves alone.

use karez_content_tools::speech::{Argument, Voice};
use karez_content_tools::store::Pin;
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `pin` and `unpin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// The collection, with all its versions (PUBLISHER/NAME) or one of them (PUBLISHER/NAME@VERSION).
    pin: Pin,
    /// The store.
    #[arg(long)]
    store: PathBuf,
}

/// Flags of `pins`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListFlags {
    /// The store.
    #[arg(long)]
    store: PathBuf,
}

/// Pins. What is not here may still come, so it is pinned and said to be missing: a typing error must not look like
/// protection.
pub(crate) fn run(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let store = super::open_existing(&flags.store)?;
    let changed = store.pin(flags.pin.clone())?;
    let here = store.has_pinned(&flags.pin)?;
    let key = if changed { "pin-on" } else { "pin-was-on" };
    if voice.json {
        super::print_json(&json!({"pin": flags.pin.to_string(), "changed": changed, "here": here}))?;
    } else {
        let absent = if here { String::new() } else { voice.text("pin-absent", &[]) };
        super::line(&mut io::stdout().lock(), &(voice.text(key, &[pin_name(flags)]) + &absent))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes a pin away.
pub(crate) fn run_unpin(flags: &Flags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let changed = super::open_existing(&flags.store)?.unpin(&flags.pin)?;
    let key = if changed { "pin-off" } else { "pin-was-off" };
    if voice.json {
        super::print_json(&json!({"pin": flags.pin.to_string(), "changed": changed}))?;
    } else {
        super::line(&mut io::stdout().lock(), &voice.text(key, &[pin_name(flags)]))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn pin_name(flags: &Flags) -> Argument<'static> {
    ("pin", flags.pin.to_string().into())
}

/// Lists the pins.
pub(crate) fn run_list(flags: &ListFlags, voice: &Voice) -> anyhow::Result<ExitCode> {
    let json = voice.json;
    let pins = super::open_to_look(&flags.store)?.pins()?;
    let pins: Vec<String> = pins.iter().map(ToString::to_string).collect();
    if json {
        super::print_json(&json!({"pins": pins}))?;
    } else {
        let mut out = io::stdout().lock();
        pins.iter().try_for_each(|pin| super::line(&mut out, pin))?;
    }
    Ok(ExitCode::SUCCESS)
}
