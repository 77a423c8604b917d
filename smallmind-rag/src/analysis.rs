//! From text to the terms of an index.

use rust_stemmers::{Algorithm, Stemmer};
use std::collections::HashSet;
use std::fmt;
use unicode_segmentation::UnicodeSegmentation;

macro_rules! languages {
    ($($language:ident $code:literal),+ $(,)?) => {
        /// A language whose words can be brought to their stems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Language {
            /// Words as they are, lower-cased.
            Any,
            $($language,)+
        }

        impl Language {
            /// All of them.
            pub const ALL: &[Self] = &[Self::Any, $(Self::$language),+];

            /// The ISO 639-1 code; `any` where there is none.
            pub fn code(self) -> &'static str {
                match self {
                    Self::Any => "any",
                    $(Self::$language => $code,)+
                }
            }

            fn algorithm(self) -> Option<Algorithm> {
                match self {
                    Self::Any => None,
                    $(Self::$language => Some(Algorithm::$language),)+
                }
            }
        }
    };
}

languages! {
    Arabic "ar", Danish "da", Dutch "nl", English "en", Finnish "fi", French "fr", German "de",
    Greek "el", Hungarian "hu", Italian "it", Norwegian "no", Portuguese "pt", Romanian "ro",
    Russian "ru", Spanish "es", Swedish "sv", Tamil "ta", Turkish "tr",
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Language {
    /// The language of an ISO 639-1 code, or of `any`.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|l| l.code() == code)
    }
}

/// Cuts text into words by Unicode's rules (UAX #29), lower-cases them, drops
/// the stop words of a language and brings the rest to their stems (Snowball).
///
/// ```
/// use smallmind_rag::{Analyzer, Language};
///
/// let analyzer = Analyzer::new(Language::English);
/// assert_eq!(analyzer.terms("The wings were heated"), ["wing", "heat"]);
/// ```
pub struct Analyzer {
    language: Language,
    stop_words: HashSet<&'static str>,
    stemmer: Option<Stemmer>,
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Analyzer").field(&self.language).finish()
    }
}

impl Analyzer {
    /// The rules of a language.
    pub fn new(language: Language) -> Self {
        let stop_words = stop_words::lookup(language.code()).unwrap_or_default();
        Self {
            language,
            stop_words: stop_words.iter().copied().collect(),
            stemmer: language.algorithm().map(Stemmer::create),
        }
    }

    /// Whose rules.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The terms of a text, in its order. They hold letters, digits, and
    /// what may stand within a word, and no white space.
    pub fn terms(&self, text: &str) -> Vec<String> {
        let words = text.unicode_words().flat_map(parts).map(str::to_lowercase);
        let words = words.filter(|w| !self.stop_words.contains(w.as_str()));
        let stem = |word: String| match &self.stemmer {
            Some(stemmer) => stemmer.stem(&word).into_owned(),
            None => word,
        };
        // An index cannot hold a NUL, and an empty stem says nothing.
        words.map(stem).filter(|t| !t.is_empty() && !t.contains('\0')).collect()
    }
}

/// UAX #29 keeps `std::fmt`, `main.rs` and `snake_case` whole, and whoever
/// searches for a part of a name finds nothing; numbers (`0.75`) stay whole.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let number = word.starts_with(|c: char| c.is_ascii_digit());
    word.split(move |c| !number && matches!(c, ':' | '.' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_its_own_words() {
        let terms = |language, text| Analyzer::new(language).terms(text);
        assert_eq!(terms(Language::German, "Die Häuser"), ["haus"]);
        assert_eq!(
            terms(Language::Any, "std::fmt_x 0.75 main.rs"),
            ["std", "fmt", "x", "0.75", "main", "rs"]
        );
        assert_eq!(terms(Language::French, "les chevaux"), ["cheval"]);
        assert_eq!(terms(Language::Any, "The Wings, 日本"), ["the", "wings", "日", "本"]);
    }

    #[test]
    fn codes_name_languages() {
        for language in Language::ALL {
            assert_eq!(Language::from_code(language.code()), Some(*language));
        }
        assert_eq!(Language::from_code("xx"), None);
    }
}
