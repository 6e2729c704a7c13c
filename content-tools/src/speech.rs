//! How Karez's programs speak to people: the language, its texts, the command line's help and what they complain about.
//!
//! What must stay true: every text exists in every language with the same arguments (each program's tests say so); nothing that
//! is printed for people makes a terminal act; with `--json` every failure is one JSON value on standard output, wrong
//! usage included. It lies here because both programs with commands stand on this crate.

mod harmless;
pub mod help;
pub mod language;
mod layout;
mod system;
pub mod usage;
mod voice;

pub(crate) use harmless::is_invisible;
pub use harmless::{harmless, one_line};
pub use language::{Argument, Lang, Texts};
pub use layout::cut;
pub use voice::{Sentence, Spoken, Voice, listed, with};
