//! The command line's own description, in Chinese where that is the language. The English is in `flags`.

use super::flags::Flags;
use super::language::Lang;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use clap_complete::Shell;
use std::io;

/// Chinese help by command and argument: `name`, `name.argument`; the arguments of all commands stand under `karez`.
const CHINESE: &str = include_str!("../../locales/help.zh.ftl");
/// Headings are Chinese as well; clap's own template has them in English.
const TEMPLATE: &str = "{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}";

/// The command line in a language.
pub(super) fn command(lang: Lang) -> Command {
    match lang {
        Lang::En => Flags::command(),
        Lang::Zh => translate(Flags::command(), true),
    }
}

/// Writes a completion script to stdout.
pub(super) fn completions(lang: Lang, shell: Shell) {
    clap_complete::generate(shell, &mut command(lang), "karez", &mut io::stdout());
}

/// The Chinese text of a key in the help file: `key = text`.
pub(super) fn chinese(key: &str) -> Option<&'static str> {
    CHINESE.lines().filter_map(|line| line.split_once(" = ")).find(|(name, _)| *name == key).map(|(_, text)| text)
}

/// Key of an argument.
pub(super) fn key_of(command: &str, argument: &str) -> String {
    format!("{command}-{}", argument.replace('_', "-"))
}

fn translate(command: Command, root: bool) -> Command {
    let name = command.get_name().to_owned();
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help("显示帮助").help_heading("选项");
    let mut command = command.disable_help_flag(true).help_template(TEMPLATE).subcommand_help_heading("命令").arg(help);
    if let Some(about) = chinese(&name) {
        command = command.about(about).long_about(chinese(&format!("{name}-long")).unwrap_or(about));
    }
    if root {
        let version = Arg::new("version").short('V').long("version").action(ArgAction::Version).help("显示版本");
        command = command.disable_version_flag(true).arg(version.help_heading("选项")).disable_help_subcommand(true);
    }
    command = command.mut_args(|argument| {
        let heading = if argument.is_positional() { "参数" } else { "选项" };
        let text = chinese(&key_of(&name, argument.get_id().as_str()));
        let argument = argument.help_heading(heading);
        text.map_or(argument.clone(), |text| argument.help(text))
    });
    command.mut_subcommands(|sub| translate(sub, false))
}
