//! The tokens of a file and what they are for.

use crate::Error;
use rustc_hash::FxHashMap;
use smallmind_abstractions::{
    Metadata, MetadataArray, SpecialTokens, StringTable, TokenId, TokenKind,
};

pub(crate) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(crate) const SCORES: &str = "tokenizer.ggml.scores";
pub(crate) const TYPES: &str = "tokenizer.ggml.token_type";

/// Tokens, their kinds, and the ids of their texts.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    texts: StringTable,
    kinds: Vec<TokenKind>,
    ids: FxHashMap<Box<[u8]>, TokenId>,
    pub(crate) special: SpecialTokens,
}

/// What files write for no token: -1.
const NO_TOKEN: TokenId = TokenId::MAX;

/// Tokens that end a generation wherever a vocabulary has them.
///
/// Source: `llama-vocab.cpp` of llama.cpp, which goes by these names too.
const END_OF_GENERATION: [&str; 22] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];

/// Names that mean end of turn where the metadata does not say.
const END_OF_TURN: [&str; 11] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
];

/// What a tokenizer model assumes where the metadata says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Defaults {
    pub(crate) bos: Option<TokenId>,
    pub(crate) eos: Option<TokenId>,
    pub(crate) unk: Option<TokenId>,
    pub(crate) add_bos: bool,
}

impl Vocabulary {
    pub(crate) fn read(metadata: &Metadata, defaults: Defaults) -> Result<Self, Error> {
        let texts: &StringTable = metadata.get(TOKENS)?;
        let count = texts.len();
        if count == 0 || count >= TokenId::MAX as usize {
            return Err(wrong(TOKENS, "at least one token", format!("{count}")));
        }
        let mut ids = FxHashMap::default();
        ids.reserve(count);
        for (id, text) in texts.iter().enumerate() {
            ids.insert(text.into(), id as TokenId);
        }
        let kinds = kinds(metadata, count)?;
        let mut vocabulary =
            Self { texts: texts.clone(), kinds, ids, special: SpecialTokens::default() };
        vocabulary.special = vocabulary.read_special(metadata, defaults)?;
        for id in vocabulary.special.end_of_generation.clone() {
            vocabulary.mark_control(id);
        }
        Ok(vocabulary)
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn text(&self, id: TokenId) -> Option<&[u8]> {
        self.texts.get(id as usize)
    }

    pub(crate) fn kind(&self, id: TokenId) -> Option<TokenKind> {
        self.kinds.get(id as usize).copied()
    }

    pub(crate) fn id(&self, text: &[u8]) -> Option<TokenId> {
        self.ids.get(text).copied()
    }

    /// Tokens with their kinds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TokenId, &[u8], TokenKind)> {
        let tokens = self.texts.iter().zip(&self.kinds).enumerate();
        tokens.map(|(id, (text, kind))| (id as TokenId, text, *kind))
    }

    fn mark_control(&mut self, id: TokenId) {
        if let Some(kind) = self.kinds.get_mut(id as usize) {
            *kind = TokenKind::Control;
        }
    }

    fn read_special(&self, m: &Metadata, defaults: Defaults) -> Result<SpecialTokens, Error> {
        let id_or = |name: &str, default: Option<TokenId>| -> Result<Option<TokenId>, Error> {
            let found = m.get_optional::<TokenId>(&format!("tokenizer.ggml.{name}_token_id"))?;
            Ok(found.or(default).filter(|id| (*id as usize) < self.len()))
        };
        // Others may be wrong in files that work: nothing depends on them.
        for name in ["bos", "eos"] {
            let key = format!("tokenizer.ggml.{name}_token_id");
            let found = m.get_optional::<TokenId>(&key)?.filter(|id| *id != NO_TOKEN);
            if let Some(id) = found.filter(|id| *id as usize >= self.len()) {
                let expected = format!("an id below {}", self.len());
                return Err(wrong(&key, &expected, format!("id {id}")));
            }
        }
        let id = |name: &str| id_or(name, None);
        let flag = |name: &str| m.get_optional::<bool>(&format!("tokenizer.ggml.{name}"));
        let named = |names: &[&str]| names.iter().find_map(|n| self.id(n.as_bytes()));
        let mut special = SpecialTokens {
            bos: id_or("bos", defaults.bos)?,
            eos: id_or("eos", defaults.eos)?,
            eot: id("eot")?.or_else(|| named(&END_OF_TURN)),
            eom: id("eom")?.or_else(|| named(&["<|eom_id|>"])),
            unk: id_or("unknown", defaults.unk)?,
            sep: id("seperator")?,
            pad: id("padding")?,
            mask: id("mask")?,
            add_bos: flag("add_bos_token")?.unwrap_or(defaults.add_bos),
            add_eos: flag("add_eos_token")?.unwrap_or(false),
            add_sep: flag("add_sep_token")?.unwrap_or(false),
            ..Default::default()
        };
        let mut ends: Vec<_> =
            END_OF_GENERATION.iter().filter_map(|n| self.id(n.as_bytes())).collect();
        ends.extend([special.eos, special.eot, special.eom].into_iter().flatten());
        ends.sort_unstable();
        ends.dedup();
        special.end_of_generation = ends;
        Ok(special)
    }
}

/// Kinds by the numbers of `enum llama_token_type`.
fn kinds(metadata: &Metadata, count: usize) -> Result<Vec<TokenKind>, Error> {
    let numbers: Vec<i64> = match metadata.get_optional::<&MetadataArray>(TYPES)? {
        None => return Ok(vec![TokenKind::Normal; count]),
        Some(MetadataArray::I32(v)) => v.iter().map(|n| i64::from(*n)).collect(),
        Some(MetadataArray::U32(v)) => v.iter().map(|n| i64::from(*n)).collect(),
        Some(other) => {
            let found = format!("elements of type {}", other.element_type());
            return Err(wrong(TYPES, "an array of i32", found));
        }
    };
    if numbers.len() != count {
        let expected = format!("{count} elements, as many as tokens");
        return Err(wrong(TYPES, &expected, format!("{} elements", numbers.len())));
    }
    Ok(numbers
        .into_iter()
        .map(|n| match n {
            2 => TokenKind::Unknown,
            3 => TokenKind::Control,
            4 => TokenKind::UserDefined,
            5 => TokenKind::Unused,
            6 => TokenKind::Byte,
            _ => TokenKind::Normal,
        })
        .collect())
}

pub(crate) fn wrong(key: &str, expected: &str, found: String) -> Error {
    Error::Vocabulary { key: key.to_owned(), expected: expected.to_owned(), found }
}
