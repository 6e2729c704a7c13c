//! The command line's own description, in Chinese where that is the language. The English is in `flags`.

use super::flags::Flags;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use karez_content_tools::speech::{Lang, help};
use std::io;

/// Chinese help by command and argument.
pub(super) const CHINESE: &str = include_str!("../../locales/help.zh.ftl");

/// The command line in a language.
pub(super) fn command(lang: Lang) -> Command {
    match lang {
        Lang::En => Flags::command(),
        Lang::Zh => help::translate(Flags::command(), CHINESE),
    }
}

/// Writes a completion script to stdout.
pub(super) fn completions(lang: Lang, shell: Shell) {
    clap_complete::generate(shell, &mut command(lang), "karez", &mut io::stdout());
}
