//! Which language, and the texts in it.

use super::harmless::one_line;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use std::ffi::OsString;
use std::fmt;
use unic_langid::LanguageIdentifier;

/// The texts that all programs have.
const SHARED: [&str; 2] = [include_str!("../../locales/shared.zh.ftl"), include_str!("../../locales/shared.en.ftl")];

/// A language this program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Lang {
    /// The texts that all programs have in this language.
    pub const fn shared(self) -> &'static str {
        let [zh, en] = SHARED;
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The language of a locale: `zh`, `zh-CN`, `zh_CN.UTF-8`, `en-US`; `None` for others.
    pub fn of(locale: &str) -> Option<Self> {
        let primary = locale.split(['-', '_', '.', '@']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" | "c" | "posix" => Some(Self::En),
            _ => None,
        }
    }
}

/// The language by `--lang`, else `KAREZ_LANG`, else the system's; English when none of them is one of ours. Looks at the
/// arguments before they are parsed, because `--help` must speak it as well.
pub fn choose(arguments: &[OsString], env: impl Fn(&str) -> Option<String>, system: Option<String>) -> Lang {
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let after = texts.iter().zip(texts.iter().skip(1)).find(|(flag, _)| *flag == "--lang").map(|(_, value)| &**value);
    let joined = texts.iter().find_map(|argument| argument.strip_prefix("--lang="));
    let flag = after.or(joined).map(str::to_owned);
    [flag, env("KAREZ_LANG"), system].into_iter().flatten().find_map(|name| Lang::of(&name)).unwrap_or(Lang::En)
}

/// An argument of a text, by name.
pub type Argument<'a> = (&'static str, FluentValue<'a>);

/// The texts of one language.
pub struct Texts {
    lang: Lang,
    bundle: FluentBundle<FluentResource>,
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Texts").field(&self.lang).finish()
    }
}

impl Texts {
    /// The texts of a language: those that all programs have, and a program's own.
    pub fn new(lang: Lang, own: &'static str) -> Self {
        let id = match lang {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        };
        let id: LanguageIdentifier = id.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // Isolation marks are for mixed writing directions; in a terminal they show as dirt around names.
        bundle.set_use_isolating(false);
        for source in [lang.shared(), own] {
            // What does not parse is left out here and found by the tests of the locales.
            let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
            let _ = bundle.add_resource(resource);
        }
        Self { lang, bundle }
    }

    /// Their language.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// The text of a key with its arguments; the key itself where there is none, which a test rules out. Only `text` and
    /// `lines` have lines of their own; in a `detail`, what the operating system said is said in this language.
    pub fn say(&self, key: &str, arguments: &[Argument<'_>]) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else { return key.into() };
        let arguments: FluentArgs<'_> =
            arguments.iter().map(|(name, value)| (*name, self.in_place(name, value))).collect();
        self.bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
    }

    /// Names and titles come from publishers, peers and disks: none of them may look like another line of ours.
    fn in_place<'a>(&self, name: &str, value: &FluentValue<'a>) -> FluentValue<'a> {
        match value {
            FluentValue::String(text) if name == "detail" => {
                one_line(&self.with_system_words(text)).into_owned().into()
            }
            FluentValue::String(text) if !matches!(name, "text" | "lines") => one_line(text).into_owned().into(),
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_chosen_in_order() {
        let check = |arguments: &[&str], env: Option<&str>, system: Option<&str>| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            choose(&arguments, |_| env.map(str::to_owned), system.map(str::to_owned))
        };
        for (arguments, env, system, lang) in [
            (&["karez", "--lang", "zh", "ls"][..], Some("en"), Some("en-US"), Lang::Zh),
            (&["karez", "ls", "--lang=zh"], None, None, Lang::Zh),
            (&["karez"], Some("zh"), Some("en-US"), Lang::Zh),
            (&["karez"], None, Some("zh-CN"), Lang::Zh),
            (&["karez"], None, Some("zh_CN.UTF-8"), Lang::Zh),
            (&["karez"], Some("de"), Some("zh"), Lang::Zh),
            (&["karez"], None, Some("C"), Lang::En),
            (&["karez"], None, Some("fr-FR"), Lang::En),
            (&["karez", "--lang"], None, None, Lang::En),
        ] {
            assert_eq!(check(arguments, env, system), lang, "{arguments:?} {env:?} {system:?}");
        }
    }

    #[test]
    fn texts_take_arguments_without_marks() {
        let count = "count = { $count ->\n    [one] { $count } file\n   *[other] { $count } files\n}\n";
        let say = |lang, n: u64| Texts::new(lang, count).say("count", &[("count", n.into())]);
        assert_eq!([say(Lang::En, 1), say(Lang::En, 2)], ["1 file", "2 files"]);
        let say = |name| {
            Texts::new(Lang::En, "p = { $path }{ $text }")
                .say("p", &[("path", "".into()), ("text", "".into()), (name, "a\nb".into())])
        };
        assert_eq!([say("path"), say("text")], ["a\u{fffd}b", "a\nb"]);
        let say = |lang| Texts::new(lang, "").say("error", &[("text", "x".into())]);
        assert_eq!([say(Lang::En), say(Lang::Zh)], ["error: x", "错误：x"]);
    }
}
