//! A command line's own description in Chinese. The English is in its flags.
//!
//! The texts lie in a file of lines `key = text`: `name` for a command, `name-long` for what `--help` says beyond `-h`, and
//! `name-argument` for an argument; arguments of all commands stand under the program's name.

use super::layout;
use clap::error::Error;
use clap::{Arg, ArgAction, Command};
use std::io::{self, IsTerminal as _, Write as _};

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

/// Most cells of a line, as clap has it.
const CELLS_MAX: usize = 100;

/// Prints help in Chinese, as wide as the terminal.
pub(super) fn print(help: &Error) {
    let text = help.render();
    let text = if io::stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() };
    let cells = terminal_size::terminal_size().map_or(CELLS_MAX, |(width, _)| usize::from(width.0));
    // Nothing can be done about a terminal that is gone.
    let _ = io::stdout().write_all(layout::wrapped(&chinese_marks(&text), cells.min(CELLS_MAX)).as_bytes());
}

/// What clap writes by itself.
fn chinese_marks(text: &str) -> String {
    let line = |line: &str| match line.starts_with("用法：") {
        true => line.replace("[OPTIONS]", "[选项]").replace("<COMMAND>", "<命令>"),
        false => ["选项", "参数", "命令"].iter().fold(line.to_owned(), |line, name| match line.contains(name) {
            true if !line.starts_with(' ') => line.replace(&format!("{name}:"), &format!("{name}：")),
            _ => line,
        }),
    };
    text.lines().map(|text| line(text) + "\n").collect()
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
    // Lines are broken when they are printed: clap knows no Chinese.
    let command = command.term_width(usize::MAX);
    let mut command = command.disable_help_flag(true).help_template(TEMPLATE).subcommand_help_heading("命令").arg(help);
    if let Some(about) = chinese(source, &name) {
        command = command.about(about).long_about(chinese(source, &format!("{name}-long")).unwrap_or(about));
    }
    let mut position = 0;
    command = command.mut_args(|argument| {
        // Under a heading of their own, arguments would be sorted by name.
        let argument = match argument.is_positional() {
            true => argument.display_order(position),
            false => argument,
        };
        position += 1;
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

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "prog = 程序\ncopy = 复制\ncopy-second = 较旧的\ncopy-first = 较新的\n";

    #[test]
    fn arguments_keep_their_order_and_marks_are_chinese() {
        let copy = Command::new("copy").args([Arg::new("second").required(true), Arg::new("first").required(true)]);
        let program = translate(Command::new("prog").version("1").subcommand(copy), SOURCE);
        let help = program.try_get_matches_from(["prog", "copy", "--help"]).unwrap_err();
        let text = chinese_marks(&help.render().to_string());
        assert!(text.contains("用法：prog copy <second> <first>") && text.contains("\n选项：\n"), "{text}");
        assert!(text.find("较旧的") < text.find("较新的"), "{text}");
        assert_eq!(chinese_marks("用法：x [OPTIONS] <COMMAND>\n"), "用法：x [选项] <命令>\n");
    }
}
