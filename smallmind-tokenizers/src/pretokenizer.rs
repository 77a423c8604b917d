//! How a text is cut into pieces before byte-level BPE.
//!
//! A rule is a list of regular expressions. Each cuts every piece that is
//! there: what it matches becomes pieces, and so does what lies between.

use crate::Error;
use fancy_regex::Regex;
use std::ops::Range;

/// The names of a rule and its expressions.
struct Rule {
    names: &'static [&'static str],
    expressions: &'static [&'static str],
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Source: the tokenizer files of the models, under the names that
/// `convert_hf_to_gguf.py` of llama.cpp gives their rules.
const RULES: [Rule; 5] = [
    Rule {
        names: &["default"],
        expressions: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
    },
    Rule {
        names: &["gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "roberta-bpe"],
        expressions: &[GPT2],
    },
    Rule {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
        expressions: &[r"\p{N}", GPT2],
    },
    Rule {
        names: &["llama3", "llama-v3", "llama-bpe", "dbrx", "smaug-bpe", "falcon3"],
        expressions: &[LLAMA3],
    },
    Rule { names: &["qwen2", "stablelm2", "deepseek-r1-qwen", "hunyuan"], expressions: &[QWEN2] },
];

/// Rules whose pieces become one token where the vocabulary has them whole.
const WHOLE_PIECES: [&str; 4] = ["llama3", "llama-v3", "llama-bpe", "falcon3"];

/// One rule, compiled.
#[derive(Debug)]
pub(crate) struct PreTokenizer {
    expressions: Vec<Regex>,
    /// Whether a piece that is a token needs no merges.
    pub(crate) whole_pieces: bool,
}

impl PreTokenizer {
    /// The rule with a name.
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        let rule = RULES.iter().find(|r| r.names.contains(&name)).ok_or_else(|| {
            let names: Vec<_> = RULES.iter().flat_map(|r| r.names).copied().collect();
            Error::UnknownPreTokenizer {
                found: name.escape_debug().to_string(),
                supported: names.join(", "),
            }
        })?;
        let compile = |e: &&str| Regex::new(e).expect("a rule of the table, all compiled in tests");
        Ok(Self {
            expressions: rule.expressions.iter().map(compile).collect(),
            whole_pieces: WHOLE_PIECES.contains(&name),
        })
    }

    /// The pieces of `text`, in order and without gaps.
    pub(crate) fn cut(&self, text: &str) -> Vec<Range<usize>> {
        let mut pieces = vec![0..text.len()];
        for expression in &self.expressions {
            let mut cut = Vec::with_capacity(pieces.len());
            for piece in pieces {
                cut_piece(expression, text, piece, &mut cut);
            }
            pieces = cut;
        }
        pieces
    }
}

fn cut_piece(expression: &Regex, text: &str, piece: Range<usize>, out: &mut Vec<Range<usize>>) {
    let mut at = piece.start;
    // A search that gives up for its cost ends the cutting: the rest is one
    // piece.
    for found in expression.find_iter(&text[piece.clone()]).map_while(Result::ok) {
        let (start, end) = (piece.start + found.start(), piece.start + found.end());
        if start > at {
            out.push(at..start);
        }
        if end > start {
            out.push(start..end);
        }
        at = end;
    }
    if at < piece.end {
        out.push(at..piece.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
        PreTokenizer::named(name).unwrap().cut(text).into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn every_rule_compiles_and_keeps_the_text() {
        let text = "Don't  stop\n\n 123 + 4567\t世界 🦀'LL  ";
        for rule in RULES {
            for name in rule.names {
                assert_eq!(pieces(name, text).concat(), text);
            }
        }
    }

    #[test]
    fn rules_differ_in_digits_and_contractions() {
        assert_eq!(pieces("gpt-2", "I'm 12345"), ["I", "'m", " 12345"]);
        assert_eq!(pieces("smollm", "I'm 12"), ["I", "'m", " ", "1", "2"]);
        assert_eq!(pieces("llama-bpe", "I'M 12345"), ["I", "'M", " ", "123", "45"]);
        assert_eq!(pieces("qwen2", "a\n\nb 12"), ["a", "\n\n", "b", " ", "1", "2"]);
    }

    #[test]
    fn unknown_names_are_named() {
        let error = PreTokenizer::named("nonesuch").unwrap_err().to_string();
        assert!(error.contains("'nonesuch'") && error.contains("llama-bpe"), "{error}");
    }
}
