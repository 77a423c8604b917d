//! The symbols of BPE: tokens, and what merges make on the way to them.

use crate::Error;
use crate::bytes::ByteCharacters;
use crate::findings::{Cases, Findings};
use crate::merge::Merge;
use crate::reason;
use crate::spaces::byte_name;
use crate::tables::PairTable;
use crate::vocabulary::{MERGES, Vocabulary, wrong};
use rustc_hash::FxHashMap;
use smallmind_abstractions::{StringTable, TokenId};

/// Ids from here on are of symbols that are no tokens.
#[derive(Debug)]
pub(crate) struct Symbols {
    pub(crate) merges: PairTable,
    first_other: TokenId,
    /// The tokens that each other symbol is written as.
    others: Vec<Vec<TokenId>>,
}

/// Reads the merges, in the order of their rank.
pub(crate) struct SymbolReader<'a> {
    vocabulary: &'a Vocabulary,
    /// How a symbol that is no token is written.
    spell: &'a dyn Fn(&[u8]) -> Vec<TokenId>,
    others: FxHashMap<Vec<u8>, TokenId>,
    spelled: Vec<Vec<TokenId>>,
}

impl<'a> SymbolReader<'a> {
    pub(crate) fn new(
        vocabulary: &'a Vocabulary,
        spell: &'a dyn Fn(&[u8]) -> Vec<TokenId>,
    ) -> Self {
        Self { vocabulary, spell, others: FxHashMap::default(), spelled: Vec::new() }
    }

    /// The id of a symbol, a new one where it is no token.
    pub(crate) fn id(&mut self, symbol: &[u8]) -> TokenId {
        if let Some(id) = self.vocabulary.id(symbol) {
            return id;
        }
        if let Some(id) = self.others.get(symbol) {
            return *id;
        }
        let id = (self.vocabulary.len() + self.spelled.len()) as TokenId;
        self.others.insert(symbol.to_vec(), id);
        self.spelled.push((self.spell)(symbol));
        id
    }

    /// The id of a symbol that merges or the vocabulary name.
    pub(crate) fn known(&self, symbol: &[u8]) -> Option<TokenId> {
        self.vocabulary.id(symbol).or_else(|| self.others.get(symbol).copied())
    }

    /// The symbols that are no tokens.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&[u8], TokenId)> {
        self.others.iter().map(|(text, id)| (text.as_slice(), *id))
    }

    /// Reads merges, each two symbols parted by a space; `joined` is told of
    /// everything that they make.
    pub(crate) fn read(
        &mut self,
        table: &StringTable,
        findings: &mut Findings,
        mut joined: impl FnMut(&[u8]),
    ) -> Result<PairTable, Error> {
        let mut merges = PairTable::with_capacity(table.len());
        let mut twice = Cases::default();
        let mut both = Vec::new();
        let tokens = self.vocabulary.len();
        for (rank, merge) in table.iter().enumerate() {
            let name = || format!("'{}' as merge {rank}", merge.escape_ascii());
            // The first byte does not part: a symbol may be a space.
            let space = merge.iter().skip(1).position(|byte| *byte == b' ');
            let Some((left, right)) = space.map(|at| (&merge[..=at], &merge[at + 2..])) else {
                return Err(wrong(MERGES, "two tokens parted by a space", name()));
            };
            both.clear();
            both.extend_from_slice(left);
            both.extend_from_slice(right);
            joined(&both);
            let (left, right, merged) = (self.id(left), self.id(right), self.id(&both));
            if !merges.insert(left, right, Merge { priority: rank as u32, merged }) {
                twice.add(name);
            }
        }
        let unknown = self.vocabulary.len() + self.spelled.len() - tokens;
        report(&twice, unknown, findings);
        Ok(merges)
    }

    pub(crate) fn finish(self, merges: PairTable) -> Symbols {
        Symbols { merges, first_other: self.vocabulary.len() as TokenId, others: self.spelled }
    }
}

fn report(twice: &Cases, unknown: usize, findings: &mut Findings) {
    let mut reports: Vec<_> = twice.report("merges come again").into_iter().collect();
    if unknown > 0 {
        reports.push(format!("merges name {unknown} symbols that are no tokens"));
    }
    if !reports.is_empty() {
        let message = format!(
            "{}: the first of equals counts, and what is no token is written as its bytes; \
             convert the model again",
            reports.join("; ")
        );
        findings.warning(reason::MERGES_INVALID, message);
    }
}

impl Symbols {
    /// Appends the tokens of a symbol.
    #[inline]
    pub(crate) fn write(&self, id: TokenId, out: &mut Vec<TokenId>) {
        if id < self.first_other {
            out.push(id);
        } else if let Some(tokens) = self.others.get((id - self.first_other) as usize) {
            out.extend_from_slice(tokens);
        }
    }

    pub(crate) fn is_token(&self, id: TokenId) -> bool {
        id < self.first_other
    }

    /// The first id that no symbol has.
    pub(crate) fn end(&self) -> TokenId {
        self.first_other + self.others.len() as TokenId
    }
}

/// Byte-level symbols that are no tokens are spelled by the bytes of the
/// characters that stand for their bytes, as far as these are tokens.
pub(crate) fn spell_characters(vocabulary: &Vocabulary, symbol: &[u8]) -> Vec<TokenId> {
    symbol.iter().filter_map(|byte| vocabulary.id(&[*byte])).collect()
}

/// Symbols of text that are no tokens are spelled by the tokens of their bytes.
pub(crate) fn spell_bytes(vocabulary: &Vocabulary, symbol: &[u8]) -> Vec<TokenId> {
    symbol.iter().filter_map(|byte| vocabulary.id(&byte_name(*byte))).collect()
}

/// The symbol of each byte, and how many of them cannot be written.
pub(crate) fn byte_symbols(reader: &mut SymbolReader<'_>) -> ([TokenId; 256], usize) {
    let characters = ByteCharacters::new();
    let mut missing = 0;
    let symbols = std::array::from_fn(|byte| {
        let id = reader.id(characters.text(byte as u8).as_bytes());
        let spelled = id.checked_sub(reader.vocabulary.len() as TokenId);
        missing += usize::from(spelled.is_some_and(|i| reader.spelled[i as usize].is_empty()));
        id
    });
    (symbols, missing)
}
