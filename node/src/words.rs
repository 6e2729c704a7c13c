//! The texts of this program in both languages, for the commands and for the gateway's pages.

use karez_content_tools::speech::{Lang, Texts};

/// The texts of a language.
pub(crate) fn texts(lang: Lang) -> Texts {
    Texts::new(lang, source(lang))
}

/// Their source.
pub(crate) const fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => include_str!("../locales/zh.ftl"),
        Lang::En => include_str!("../locales/en.ftl"),
    }
}
