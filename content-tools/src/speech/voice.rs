//! Printing for people or for programs, and errors as sentences.

use super::harmless::{harmless, one_line};
use super::language::{Argument, Texts};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::process::ExitCode;

/// A sentence: its key in the locales, and its arguments.
pub type Sentence = (&'static str, Vec<Argument<'static>>);

/// Arguments of a sentence.
pub fn with<T: ToString, const N: usize>(arguments: [(&'static str, T); N]) -> Vec<Argument<'static>> {
    arguments.into_iter().map(|(name, value)| (name, value.to_string().into())).collect()
}

/// Names below one another, indented as in the locales; the last line stands for those that are not among them.
pub fn listed<'a>(names: impl Iterator<Item = &'a str>, more: u64) -> String {
    let lines = names.map(|name| one_line(name).into_owned());
    let more = (more > 0).then(|| format!("… +{more}"));
    lines.chain(more).collect::<Vec<_>>().join("\n    ")
}

/// Something that has a sentence in every language.
pub trait Spoken {
    /// The sentence.
    fn sentence(&self) -> Sentence;

    /// The same for programs: `error` names it, `message` explains it in English.
    fn json(&self, english: &Texts) -> Value {
        let (key, arguments) = self.sentence();
        json!({ "error": key.trim_start_matches("error-").replace('-', "_"), "message": english.say(key, &arguments) })
    }
}

impl Texts {
    /// The sentence with the word that marks an error.
    pub fn complain(&self, error: &impl Spoken) -> String {
        let (key, arguments) = error.sentence();
        self.say("error", &[("text", self.say(key, &arguments).into())])
    }
}

/// How a command speaks.
#[derive(Debug)]
pub struct Voice {
    /// Whether results are printed as JSON.
    pub json: bool,
    /// The texts of the chosen language.
    pub texts: Texts,
    /// The English ones, for programs.
    pub english: Texts,
}

impl Voice {
    /// The text of a key.
    pub fn text(&self, key: &str, arguments: &[Argument<'_>]) -> String {
        self.texts.say(key, arguments)
    }

    /// Prints a result on stdout.
    pub fn print(&self, text: &str) {
        put(&harmless(text));
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
            self.print_json(&error.json(&self.english));
        }
        self.warn(error)
    }

    /// Says what went wrong beside a result that was printed. Exit code 1.
    pub fn warn(&self, error: &impl Spoken) -> ExitCode {
        self.tell(&self.texts.complain(error));
        ExitCode::FAILURE
    }
}

fn put(text: &str) {
    // A reader that has seen enough (`| head`) is not an error.
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
}
