//! The scanners against a regular expression engine.

use super::*;
use crate::unicode::{self, Class};
use fancy_regex::Regex;

/// A text, the places of its characters, and what an expression sees of it:
/// beyond ASCII, one character for each class, or only white space changed.
struct Oracle {
    starts: Vec<usize>,
    collapsed: String,
    wide: String,
}

impl Oracle {
    fn new(text: &str) -> Self {
        let collapse = |c: char| match unicode::class(c.into()) {
            _ if c.is_ascii() => c,
            Class::Letter => 'ª',
            Class::Number => '²',
            Class::Punctuation => '¡',
            Class::Symbol => '¢',
            Class::Mark => '\u{300}',
            Class::Space => '\u{b}',
            Class::Control | Class::Unassigned => '\u{80}',
        };
        let widen = |c: char| match unicode::class(c.into()) {
            Class::Space if !c.is_ascii() => '\u{b}',
            _ => c,
        };
        Self {
            starts: text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(),
            collapsed: text.chars().map(collapse).collect(),
            wide: text.chars().map(widen).collect(),
        }
    }

    fn cut(&self, regex: &Regex, pieces: &[Range<usize>]) -> Vec<Range<usize>> {
        let definition = regex.as_str();
        // Kimi's sets name characters and classes both.
        let wide = !definition.contains(r"\p{") || definition.contains("--");
        let seen = if wide { &self.wide } else { &self.collapsed };
        let places: Vec<_> = seen.char_indices().map(|(at, _)| at).chain([seen.len()]).collect();
        let to_text = |at: usize| self.starts[places.binary_search(&at).unwrap()];
        let from_text = |at: usize| places[self.starts.binary_search(&at).unwrap()];
        let mut out = Vec::new();
        for piece in pieces {
            let range = from_text(piece.start)..from_text(piece.end);
            let mut at = piece.start;
            for found in regex.find_iter(&seen[range.clone()]) {
                let found = found.unwrap();
                let start = to_text(range.start + found.start());
                let end = to_text(range.start + found.end());
                out.extend([at..start, start..end].into_iter().filter(|r| !r.is_empty()));
                at = end;
            }
            out.extend(Some(at..piece.end).filter(|r| !r.is_empty()));
        }
        out
    }
}

fn scan(expression: &Expression, text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    PreTokenizer::new(&[expression]).cut(text.as_bytes(), &mut |piece| pieces.push(piece));
    pieces
}

fn pieces<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let rule = PreTokenizer::named(name).unwrap();
    rule.cut(text.as_bytes(), &mut |piece| pieces.push(&text[piece]));
    pieces
}

/// Strings of the characters that rules tell apart.
fn strings() -> impl Iterator<Item = String> {
    const PARTS: [&str; 60] = [
        "a",
        "b",
        "Z",
        "Q",
        "re",
        "LL",
        "ll",
        "'s",
        "'T",
        "'Re",
        "'",
        "’",
        "é",
        "É",
        "ß",
        "ǅ",
        "ª",
        "世",
        "界",
        "豈",
        "龦",
        "ア",
        "ㄱ",
        "가",
        "ก",
        "क",
        "ि",
        "\u{301}",
        "0",
        "12",
        "345",
        "6789",
        "٣",
        "Ⅷ",
        "²",
        " ",
        "  ",
        "    ",
        "\t",
        "\n",
        "\r\n",
        "\n\n",
        "\u{a0}",
        "\u{3000}",
        "\u{85}",
        ".",
        ",",
        "!?",
        "/",
        "(",
        "$",
        "+",
        "`",
        "…",
        "。",
        "🦀",
        "\u{200d}",
        "\u{378}",
        "<sentinel:12>",
        "IMGIMGABZ",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..4000).map(move |i| {
        let mut next = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % n
        };
        (0..1 + i % 24).map(|_| PARTS[next(PARTS.len())]).collect()
    })
}

#[test]
fn every_scanner_is_its_regular_expression() {
    let others = [&expressions::TRAILING_SPACES, &expressions::BEFORE_TRIPLES];
    for expression in expressions::ALL_PARTS.iter().chain(&others) {
        let definition = Regex::new(expression.definition.unwrap()).unwrap();
        for text in strings() {
            let expected =
                Oracle::new(&text).cut(&definition, std::slice::from_ref(&(0..text.len())));
            assert_eq!(scan(expression, &text), expected, "{definition} on {text:?}");
        }
    }
}

#[test]
fn long_runs_of_spaces_are_cut_alike() {
    let definition = Regex::new(expressions::JAIS2.definition.unwrap()).unwrap();
    for len in [1, 2, 3, 4, 5, 8, 9, 511, 512, 513, 520, 1024, 1500] {
        for text in [
            " ".repeat(len),
            " ".repeat(len) + "a",
            " ".repeat(len) + "\na",
            "\u{3000} ".repeat(len),
        ] {
            let expected =
                Oracle::new(&text).cut(&definition, std::slice::from_ref(&(0..text.len())));
            assert_eq!(scan(&expressions::JAIS2, &text), expected);
        }
    }
}

#[test]
fn every_rule_keeps_the_text() {
    for text in strings().take(500) {
        for name in names() {
            assert_eq!(pieces(name, &text).concat(), text, "{name}");
        }
    }
}

#[test]
fn rules_differ_in_digits_and_contractions() {
    assert_eq!(pieces("gpt-2", "I'm 12345"), ["I", "'m", " 12345"]);
    assert_eq!(pieces("smollm", "I'm 12"), ["I", "'m", " ", "1", "2"]);
    assert_eq!(pieces("llama-bpe", "I'M 12345"), ["I", "'M", " ", "123", "45"]);
    assert_eq!(pieces("qwen2", "a\n\nb 12"), ["a", "\n\n", "b", " ", "1", "2"]);
    assert_eq!(pieces("superbpe", "a 12345 b"), ["a ", "12", "345", " b"]);
    assert_eq!(pieces("tiny_aya", "x1234567"), ["x", "1", "234", "567"]);
    assert_eq!(pieces("gemma4", "a b\n\nc"), ["a b", "\n\n", "c"]);
}

#[test]
fn unknown_names_are_named() {
    let error = PreTokenizer::named("nonesuch").unwrap_err().to_string();
    assert!(error.contains("'nonesuch'") && error.contains("llama-bpe"), "{error}");
}
