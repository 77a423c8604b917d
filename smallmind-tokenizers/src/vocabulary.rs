//! The tokens of a file and what they are for.

use crate::Error;
use crate::findings::{Cases, Findings};
use crate::reason;
use crate::tables::TextTable;
use smallmind_abstractions::{
    Metadata, MetadataArray, MetadataValue, StringTable, TokenId, TokenKind,
};

pub(crate) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(crate) const MERGES: &str = "tokenizer.ggml.merges";
pub(crate) const SCORES: &str = "tokenizer.ggml.scores";
pub(crate) const TYPES: &str = "tokenizer.ggml.token_type";

/// Tokens, their kinds, and the ids of their texts.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    texts: StringTable,
    kinds: Vec<TokenKind>,
    ids: TextTable,
}

impl Vocabulary {
    pub(crate) fn read(metadata: &Metadata, findings: &mut Findings) -> Result<Self, Error> {
        let texts = texts(metadata, findings)?;
        let mut duplicates = Cases::default();
        let ids = TextTable::new(&texts, |id| {
            duplicates.add(|| {
                let text = texts.get(id as usize).unwrap_or_default();
                format!("'{}', id {id}", text.escape_ascii())
            });
        });
        if let Some(report) = duplicates.report("tokens come again under a later id") {
            let advice = "only the last of each can be made; convert the model again";
            findings.warning(reason::VOCAB_PARTIAL, format!("{report}: {advice}"));
        }
        let kinds = kinds(metadata, texts.len())?;
        Ok(Self { texts, kinds, ids })
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn texts(&self) -> &StringTable {
        &self.texts
    }

    #[inline]
    pub(crate) fn text(&self, id: TokenId) -> Option<&[u8]> {
        self.texts.get(id as usize)
    }

    pub(crate) fn kind(&self, id: TokenId) -> Option<TokenKind> {
        self.kinds.get(id as usize).copied()
    }

    #[inline]
    pub(crate) fn id(&self, text: &[u8]) -> Option<TokenId> {
        self.ids.get(&self.texts, text)
    }

    /// Tokens with their kinds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TokenId, &[u8], TokenKind)> {
        let tokens = self.texts.iter().zip(&self.kinds).enumerate();
        tokens.map(|(id, (text, kind))| (id as TokenId, text, *kind))
    }

    pub(crate) fn set_kind(&mut self, id: TokenId, kind: TokenKind) {
        if let Some(old) = self.kinds.get_mut(id as usize) {
            *old = kind;
        }
    }
}

/// The texts of the tokens. An empty one would match everywhere and nowhere,
/// so it gets a name, as in the reference.
fn texts(metadata: &Metadata, findings: &mut Findings) -> Result<StringTable, Error> {
    let table: &StringTable = metadata.get(TOKENS)?;
    let count = table.len();
    if count == 0 || count >= (TokenId::MAX / 2) as usize {
        return Err(wrong(TOKENS, "at least one token", format!("{count} tokens")));
    }
    let mut empty = Cases::default();
    for (id, _) in table.iter().enumerate().filter(|(_, text)| text.is_empty()) {
        empty.add(|| format!("id {id}"));
    }
    let Some(report) = empty.report("tokens are empty") else { return Ok(table.clone()) };
    let advice = "they can never be made from text; convert the model again";
    findings.warning(reason::VOCAB_PARTIAL, format!("{report}: {advice}"));
    let named = |(id, text): (usize, &[u8])| match text {
        [] => format!("[EMPTY_{id}]").into_bytes(),
        text => text.to_vec(),
    };
    Ok(table.iter().enumerate().map(named).collect())
}

/// The kinds that a file gives its tokens.
pub(crate) fn kinds(metadata: &Metadata, count: usize) -> Result<Vec<TokenKind>, Error> {
    let kinds: Vec<_> = match metadata.value(TYPES) {
        None => return Ok(vec![TokenKind::Normal; count]),
        Some(MetadataValue::Array(MetadataArray::I32(v))) => {
            v.iter().map(|n| kind((*n).into())).collect()
        }
        Some(MetadataValue::Array(MetadataArray::U32(v))) => {
            v.iter().map(|n| kind((*n).into())).collect()
        }
        Some(other) => return Err(wrong(TYPES, "an array of i32", type_name(other))),
    };
    same_size(TYPES, kinds, count)
}

/// A kind by its number in `enum llama_token_type`.
fn kind(number: i64) -> TokenKind {
    match number {
        2 => TokenKind::Unknown,
        3 => TokenKind::Control,
        4 => TokenKind::UserDefined,
        5 => TokenKind::Unused,
        6 => TokenKind::Byte,
        _ => TokenKind::Normal,
    }
}

/// The number of a kind.
#[cfg(feature = "hf")]
pub(crate) fn number(of: TokenKind) -> i32 {
    // Zero is undefined, which is normal too.
    (1..=6).find(|n| kind((*n).into()) == of).unwrap_or(1)
}

/// The scores of the tokens, where the algorithm needs them.
pub(crate) fn scores(
    metadata: &Metadata,
    count: usize,
    findings: &mut Findings,
) -> Result<Vec<f32>, Error> {
    let scores = match metadata.value(SCORES) {
        Some(MetadataValue::Array(MetadataArray::I32(v))) => v.iter().map(|n| *n as f32).collect(),
        _ => metadata.get::<&[f32]>(SCORES)?.to_vec(),
    };
    let scores = same_size(SCORES, scores, count)?;
    let not_numbers = scores.iter().filter(|s| s.is_nan()).count();
    if not_numbers > 0 {
        let message = format!(
            "{not_numbers} scores are not numbers: their tokens are made last of all; convert \
             the model again"
        );
        findings.warning(reason::SCORES_NOT_NUMBERS, message);
    }
    Ok(scores)
}

fn same_size<T>(key: &str, list: Vec<T>, count: usize) -> Result<Vec<T>, Error> {
    if list.len() == count {
        return Ok(list);
    }
    let expected = format!("{count} elements, as many as tokens");
    Err(wrong(key, &expected, format!("{} elements", list.len())))
}

fn type_name(value: &MetadataValue) -> String {
    match value {
        MetadataValue::Array(array) => format!("elements of type {}", array.element_type()),
        other => format!("type {}", other.value_type()),
    }
}

pub(crate) fn wrong(key: &str, expected: &str, found: String) -> Error {
    Error::Vocabulary { key: key.to_owned(), expected: expected.to_owned(), found }
}
