//! How a command speaks: where its output goes, and in which form.

use super::complaint::Spoken;
use super::harmless::harmless;
use super::language::{Argument, Texts};
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Home, language and form of the output.
#[derive(Debug)]
pub struct Context {
    /// The node's folder.
    pub home: PathBuf,
    /// Whether results are printed as JSON.
    pub json: bool,
    /// The texts of the chosen language.
    pub texts: Texts,
}

/// Clears the terminal and its scrolled-back lines, cursor to the corner.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

impl Context {
    /// The text of a key.
    pub fn text(&self, key: &str, arguments: &[Argument<'_>]) -> String {
        self.texts.say(key, arguments)
    }

    /// Prints a result on stdout.
    pub fn print(&self, text: &str) {
        put(&harmless(text));
    }

    /// Prints a result in the place of what stands on the terminal.
    pub(super) fn print_over(&self, text: &str) {
        put(&format!("{CLEAR}{}", harmless(text)));
    }

    /// Prints a JSON value on stdout, in one line.
    pub fn print_json(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => put(&text),
            Err(cause) => eprintln!("{cause}"),
        }
    }

    /// Tells something that is not the result: on stderr.
    pub fn tell(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", harmless(text));
    }

    /// Says what went wrong, and with `--json` prints it as well. Exit code 1.
    pub fn fail(&self, error: &impl Spoken) -> ExitCode {
        if self.json {
            self.print_json(&error.json());
        }
        self.warn(error)
    }

    /// Says what went wrong beside a result that was printed. Exit code 1.
    pub(super) fn warn(&self, error: &impl Spoken) -> ExitCode {
        self.tell(&self.texts.complain(error));
        ExitCode::FAILURE
    }

    /// Whether somebody watches stderr.
    pub(super) fn watched(&self) -> bool {
        io::stderr().is_terminal()
    }
}

fn put(text: &str) {
    // A reader that has seen enough (`| head`) is not an error.
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
}
