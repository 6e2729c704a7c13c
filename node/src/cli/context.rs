//! How a command speaks: where its output goes, and in which form.

use karez_content_tools::speech::{Voice, harmless};
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::Deref;
use std::path::PathBuf;

/// Home, language and form of the output.
#[derive(Debug)]
pub struct Context {
    /// The node's folder.
    pub home: PathBuf,
    /// Language and form.
    pub voice: Voice,
}

impl Deref for Context {
    type Target = Voice;

    fn deref(&self) -> &Voice {
        &self.voice
    }
}

/// Clears the terminal and its scrolled-back lines, cursor to the corner.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

impl Context {
    /// Prints a result in the place of what stands on the terminal.
    pub(super) fn print_over(&self, text: &str) {
        // A reader that has seen enough is not an error.
        let _ = writeln!(io::stdout(), "{CLEAR}{}", harmless(text).trim_end());
    }

    /// Whether somebody watches stderr.
    pub(super) fn watched(&self) -> bool {
        io::stderr().is_terminal()
    }
}
