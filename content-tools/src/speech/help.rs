//! A command line's own description in Chinese. The English is in its flags.
//!
//! The texts lie in a file of lines `key = text`: `name` for a command, `name-long` for what `--help` says beyond `-h`, and
//! `name-argument` for an argument; arguments of all commands stand under the program's name.

use clap::{Arg, ArgAction, Command};

/// Headings are Chinese as well; clap's own template has them in English.
const TEMPLATE: &str = "{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}";

/// The Chinese text of a key in a help file.
pub fn chinese(source: &'static str, key: &str) -> Option<&'static str> {
    source.lines().filter_map(|line| line.split_once(" = ")).find(|(name, _)| *name == key).map(|(_, text)| text)
}

/// Key of an argument.
pub fn key_of(command: &str, argument: &str) -> String {
    format!("{command}-{}", argument.replace('_', "-"))
}

/// A program's command line, described by a help file.
pub fn translate(command: Command, source: &'static str) -> Command {
    let version = Arg::new("version").short('V').long("version").action(ArgAction::Version).help("显示版本");
    let command = command.disable_version_flag(true).disable_help_subcommand(true);
    translate_one(command.arg(version.help_heading("选项")), source)
}

fn translate_one(command: Command, source: &'static str) -> Command {
    let name = command.get_name().to_owned();
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help("显示帮助").help_heading("选项");
    let mut command = command.disable_help_flag(true).help_template(TEMPLATE).subcommand_help_heading("命令").arg(help);
    if let Some(about) = chinese(source, &name) {
        command = command.about(about).long_about(chinese(source, &format!("{name}-long")).unwrap_or(about));
    }
    command = command.mut_args(|argument| {
        let heading = if argument.is_positional() { "参数" } else { "选项" };
        let text = chinese(source, &key_of(&name, argument.get_id().as_str()));
        let argument = argument.help_heading(heading);
        let Some(text) = text else { return argument };
        if argument.get_default_values().is_empty() || !argument.get_action().takes_values() {
            return argument.help(text);
        }
        let default: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let text = format!("{text} [默认：{}]", default.join(","));
        argument.help(text).hide_default_value(true)
    });
    command.mut_subcommands(|sub| translate_one(sub, source))
}
