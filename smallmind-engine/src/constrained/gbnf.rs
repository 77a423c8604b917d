//! Grammars in llama.cpp's notation, GBNF, as Lark grammars.

use super::refused;
use crate::Error;

/// The same grammar in Lark's notation. `root` becomes `start`, names get
/// Lark's lower case, characters and classes become terminals.
pub(super) fn to_lark(gbnf: &str) -> Result<String, Error> {
    let mut lark = String::new();
    let mut rest = gbnf;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' => literal(rest, &mut lark)?,
            '[' => class(rest, &mut lark)?,
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '.' => put(&mut lark, "/(?s:.)/", 1),
            ':' if rest.starts_with("::=") => put(&mut lark, ":", 3),
            c if c.is_ascii_alphanumeric() => name(rest, &mut lark),
            '{' => repetition(rest, &mut lark)?,
            c if c.is_whitespace() || "()|*+?".contains(c) => {
                lark.push(c);
                c.len_utf8()
            }
            c => return Err(refused(format!("'{c}' is no part of a GBNF grammar"))),
        };
        rest = &rest[taken..];
    }
    Ok(lark)
}

fn put(lark: &mut String, text: &str, taken: usize) -> usize {
    lark.push_str(text);
    taken
}

/// A quoted text; both notations have the same escapes but for `\x` and `\U`.
fn literal(text: &str, lark: &mut String) -> Result<usize, Error> {
    let end = closing(text, '"')?;
    lark.push_str("/(?s:");
    escaped(&text[1..end], lark, true);
    lark.push_str(")/");
    Ok(end + 1)
}

/// A class of characters.
fn class(text: &str, lark: &mut String) -> Result<usize, Error> {
    let end = closing(text, ']')?;
    lark.push_str("/[");
    let inside = &text[1..end];
    let negated = inside.strip_prefix('^');
    if negated.is_some() {
        lark.push('^');
    }
    escaped(negated.unwrap_or(inside), lark, false);
    lark.push_str("]/");
    Ok(end + 1)
}

/// Where the first `end` stands that no backslash is before.
fn closing(text: &str, end: char) -> Result<usize, Error> {
    let mut escape = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escape && c == end {
            return Ok(at);
        }
        escape = !escape && c == '\\';
    }
    Err(refused(format!("a GBNF grammar lacks the '{end}' that closes {text:.20}")))
}

/// Characters as a regular expression has them. A hyphen stands for itself in
/// a literal, and for a range in a class.
fn escaped(text: &str, lark: &mut String, hyphen: bool) {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let escape = if c == '\\' { characters.next() } else { None };
        match escape {
            Some(digits @ ('x' | 'u' | 'U')) => {
                let length = [('x', 2), ('u', 4), ('U', 8)].into_iter().find(|l| l.0 == digits);
                let code: String = characters.by_ref().take(length.map_or(0, |l| l.1)).collect();
                lark.push_str(&format!("\\x{{{code}}}"));
            }
            Some(c @ ('n' | 'r' | 't')) => lark.extend(['\\', c]),
            Some(c) => quoted(c, lark),
            None if c == '-' && !hyphen => lark.push('-'),
            None => quoted(c, lark),
        }
    }
}

/// A character that stands for itself.
fn quoted(c: char, lark: &mut String) {
    match c {
        '\n' => lark.push_str("\\n"),
        c if c.is_ascii_punctuation() => lark.extend(['\\', c]),
        c => lark.push(c),
    }
}

fn name(text: &str, lark: &mut String) -> usize {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
    match &text[..end] {
        "root" => lark.push_str("start"),
        // Apart from Lark's own names, and from "start".
        name => {
            lark.push_str("r_");
            lark.push_str(&name.to_ascii_lowercase().replace('-', "_"));
        }
    }
    end
}

/// `{2}`, `{2,}` or `{2,5}`, the same in both.
fn repetition(text: &str, lark: &mut String) -> Result<usize, Error> {
    let end = closing(text, '}')?;
    lark.push_str(&text[..=end]);
    Ok(end + 1)
}
