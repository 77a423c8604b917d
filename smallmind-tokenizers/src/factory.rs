//! From metadata to the right tokenizer.

use crate::Error;
use crate::findings::Findings;
use crate::model::{
    Bpe, BpeOptions, Charsmap, Longest, NoVocabulary, Normalization, SentencePiece, SpaceRules,
    Spelling, Unigram, WordPiece,
};
use crate::pretokenizer::{self, Habits, PreTokenizer};
use crate::reason;
use crate::roles::{self, Defaults};
use crate::special::SpecialFinder;
use crate::tokenizer::{Model, Parts, TextTokenizer};
use crate::vocabulary::{MERGES, TOKENS, Vocabulary};
use smallmind_abstractions::{
    Error as AbstractError, Metadata, MetadataArray, MetadataValue, Severity, SpecialTokens,
    StringTable, TokenId, Tokenizer, TokenizerDiagnostics,
};
use std::sync::Arc;

pub(crate) const MODEL: &str = "tokenizer.ggml.model";
pub(crate) const PRE: &str = "tokenizer.ggml.pre";
const SUPPORTED: &str = "gpt2, llama, bert, t5, rwkv, gemma4, whitespace, none";

/// Builds the tokenizer that a GGUF file's metadata calls for.
///
/// What is wrong or odd in the metadata is written to the log (`tracing`, with
/// the field `code`) and returned in [`Tokenizer::diagnostics`]; the codes are
/// in [`reason`].
///
/// ```
/// use smallmind_abstractions::{EncodeOptions, Metadata, MetadataArray, MetadataValue, Tokenizer};
/// use smallmind_tokenizers::GgufTokenizerFactory;
///
/// let strings = |list: &[&str]| {
///     MetadataValue::Array(MetadataArray::String(list.iter().collect()))
/// };
/// let mut metadata = Metadata::new();
/// metadata.insert("tokenizer.ggml.model", MetadataValue::String("gpt2".into()));
/// metadata.insert("tokenizer.ggml.pre", MetadataValue::String("gpt-2".into()));
/// metadata.insert("tokenizer.ggml.tokens", strings(&["a", "b", "ab", "Ġ"]));
/// metadata.insert("tokenizer.ggml.merges", strings(&["a b"]));
///
/// let tokenizer = GgufTokenizerFactory::new().build(&metadata)?;
/// assert_eq!(tokenizer.encode("ab ba", EncodeOptions::default())?, [2, 3, 1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct GgufTokenizerFactory {
    strict: bool,
    pre_tokenizer: Option<String>,
}

/// How text becomes ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    ByteBpe,
    TextBpe,
    WordBpe,
    SentencePiece,
    WordPiece,
    Unigram,
    Rwkv,
    TokenTable,
}

impl GgufTokenizerFactory {
    /// A factory that builds what it can.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes everything an error that would be a warning.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Cuts as this rule does where a file names none or one that is not
    /// known. For the caller who knows better than the file: a wrong rule costs
    /// quality in silence. [`pre_tokenizers`](Self::pre_tokenizers) lists the
    /// names.
    #[must_use]
    pub fn pre_tokenizer(mut self, name: impl Into<String>) -> Self {
        self.pre_tokenizer = Some(name.into());
        self
    }

    /// The values of `tokenizer.ggml.pre` that are known.
    pub fn pre_tokenizers() -> Vec<&'static str> {
        pretokenizer::names()
    }

    /// The tokenizer of a file.
    ///
    /// # Errors
    /// [`Error`], which says what is missing, wrong or not supported; with
    /// [`strict`](Self::strict), also the first finding that is a warning.
    pub fn build(&self, metadata: &Metadata) -> Result<Arc<dyn Tokenizer>, Error> {
        let mut findings = Findings::default();
        let tokenizer = self.build_with(metadata, &mut findings)?;
        findings.log();
        let issues = &tokenizer.diagnostics().issues;
        match issues.iter().find(|i| self.strict && i.severity >= Severity::Warning) {
            Some(issue) => Err(Error::Strict(issue.clone())),
            None => Ok(tokenizer),
        }
    }

    fn build_with(
        &self,
        metadata: &Metadata,
        findings: &mut Findings,
    ) -> Result<Arc<dyn Tokenizer>, Error> {
        let Some(algorithm) = choose(metadata, findings)? else {
            return Ok(Arc::new(no_vocabulary(metadata, findings)));
        };
        let build = Build {
            metadata,
            vocabulary: Vocabulary::read(metadata, findings)?,
            special: SpecialTokens::default(),
            findings,
            algorithm,
            pre: None,
            merge_count: 0,
        };
        match algorithm {
            Algorithm::ByteBpe | Algorithm::TextBpe | Algorithm::WordBpe => {
                build.bpe(self.pre_tokenizer.as_deref())
            }
            Algorithm::SentencePiece => build.sentencepiece(),
            Algorithm::WordPiece => build.wordpiece(),
            Algorithm::Unigram => build.unigram(),
            Algorithm::Rwkv => build.longest(Spelling::Escaped),
            Algorithm::TokenTable => {
                let spelling = Spelling::guess(&build.vocabulary);
                build.longest(spelling)
            }
        }
    }
}

/// The algorithm that the metadata names, or what can be built without a name;
/// `None` for a model without a vocabulary.
fn choose(metadata: &Metadata, findings: &mut Findings) -> Result<Option<Algorithm>, Error> {
    let has_merges = merges(metadata).is_some();
    let name = metadata.get_optional::<&str>(MODEL)?;
    Ok(Some(match name {
        Some("llama") => Algorithm::SentencePiece,
        Some("bert") => Algorithm::WordPiece,
        Some("t5") => Algorithm::Unigram,
        Some("rwkv") => Algorithm::Rwkv,
        Some("none" | "no_vocab") => return Ok(None),
        Some("gpt2" | "gemma4" | "whitespace") if !has_merges => {
            let message = format!("'{MERGES}' is not there, and '{MODEL}' needs it");
            findings.warning(reason::MERGES_MISSING, message);
            token_table(findings)
        }
        Some("gpt2") => Algorithm::ByteBpe,
        Some("gemma4") => Algorithm::TextBpe,
        Some("whitespace") => Algorithm::WordBpe,
        Some(other) => {
            let found = other.escape_debug().to_string();
            return Err(Error::UnsupportedModel { found, supported: SUPPORTED.to_owned() });
        }
        None if metadata.value(TOKENS).is_none() => {
            let key = MODEL.to_owned();
            return Err(AbstractError::MetadataMissing { key, expected: "string" }.into());
        }
        None => {
            let message = format!("'{MODEL}' is not there; name the algorithm in the file");
            findings.warning(reason::METADATA_MISSING, message);
            if has_merges {
                let message = "there are merges, so text is cut by byte-level BPE: check the ids";
                findings.warning(reason::FALLBACK_BYTE_BPE, message);
                Algorithm::ByteBpe
            } else {
                token_table(findings)
            }
        }
    }))
}

fn token_table(findings: &mut Findings) -> Algorithm {
    let message = "text is cut into the longest tokens of the table, otherwise than the model was \
                   trained on: convert the model again";
    findings.warning(reason::FALLBACK_TOKENTABLE_ONLY, message);
    Algorithm::TokenTable
}

fn merges(metadata: &Metadata) -> Option<&StringTable> {
    metadata.get::<&StringTable>(MERGES).ok()
}

fn no_vocabulary(metadata: &Metadata, findings: &mut Findings) -> NoVocabulary {
    let architecture = metadata.get::<&str>("general.architecture").unwrap_or_default();
    let size = metadata.get::<u32>(&format!("{architecture}.vocab_size")).unwrap_or(0);
    findings.info(reason::NO_VOCABULARY, "the model has no vocabulary: pass token ids, not text");
    NoVocabulary::new(TokenizerDiagnostics {
        tokenizer_type: "none".to_owned(),
        vocab_size: size as usize,
        issues: findings.0.clone(),
        ..Default::default()
    })
}

/// A tokenizer in the making.
struct Build<'a> {
    metadata: &'a Metadata,
    vocabulary: Vocabulary,
    special: SpecialTokens,
    findings: &'a mut Findings,
    algorithm: Algorithm,
    pre: Option<String>,
    merge_count: usize,
}

impl Build<'_> {
    fn flag(&self, name: &str, default: bool) -> Result<bool, Error> {
        let key = format!("tokenizer.ggml.{name}");
        Ok(self.metadata.get_optional::<bool>(&key)?.unwrap_or(default))
    }

    fn read_roles(&mut self, defaults: Defaults) -> Result<(), Error> {
        self.special = roles::read(self.metadata, &mut self.vocabulary, defaults, self.findings)?;
        Ok(())
    }

    fn bpe(mut self, chosen: Option<&str>) -> Result<Arc<dyn Tokenizer>, Error> {
        let (name, pre) = self.pre_tokenizer(chosen)?;
        let mut habits = Habits::of(&name);
        habits.text_tokens |= self.algorithm == Algorithm::WordBpe;
        let words_only = match self.algorithm {
            Algorithm::WordBpe => Some(self.flag("normalizer.lowercase", false)?),
            _ => None,
        };
        let none = StringTable::new();
        let merges = merges(self.metadata).unwrap_or(&none);
        self.merge_count = merges.len();
        let options = BpeOptions { merges, pre, habits, words_only };
        let model = Bpe::new(&self.vocabulary, options, self.findings)?;
        let assumed = Some(11).filter(|_| self.algorithm != Algorithm::TextBpe);
        self.read_roles(Defaults {
            bos: assumed.filter(|_| !habits.no_bos),
            eos: assumed,
            add_bos: habits.add_bos,
            add_sep: habits.add_sep,
            ..Default::default()
        })?;
        self.special.add_bos |= habits.always_bos;
        self.pre = Some(name);
        self.finish_framed(model)
    }

    /// The rule that text is cut by, and its name.
    fn pre_tokenizer(&mut self, chosen: Option<&str>) -> Result<(String, PreTokenizer), Error> {
        if self.algorithm == Algorithm::TextBpe {
            return Ok(("gemma4".to_owned(), PreTokenizer::named("gemma4")?));
        }
        let found = self.metadata.get_optional::<&str>(PRE)?.filter(|name| !name.is_empty());
        let name = match (found, chosen) {
            (None, _) => {
                let name = chosen.unwrap_or("default");
                let message = format!(
                    "'{PRE}' is not there, so text is cut by the rule '{name}': name the right \
                     rule, or convert the model again"
                );
                self.findings.warning(reason::PRETOKENIZER_MISSING, message);
                name
            }
            (Some(found), Some(chosen)) if PreTokenizer::named(found).is_err() => {
                let message =
                    format!("'{PRE}' is '{found}', which is not known: '{chosen}' was chosen");
                self.findings.warning(reason::PRETOKENIZER_UNKNOWN, message);
                chosen
            }
            (Some(found), _) => found,
        };
        Ok((name.to_owned(), PreTokenizer::named(name)?))
    }

    fn sentencepiece(mut self) -> Result<Arc<dyn Tokenizer>, Error> {
        let add_space_prefix = self.flag("add_space_prefix", true)?;
        self.read_roles(Defaults {
            bos: Some(1),
            eos: Some(2),
            unk: Some(0),
            add_bos: true,
            ..Default::default()
        })?;
        let (metadata, unk) = (self.metadata, self.special.unk);
        let model =
            SentencePiece::new(metadata, &self.vocabulary, unk, add_space_prefix, self.findings)?;
        self.finish_framed(model)
    }

    fn wordpiece(mut self) -> Result<Arc<dyn Tokenizer>, Error> {
        let lowercase = self.flag("normalizer.lowercase", true)?;
        let strip_accents = self.flag("normalizer.strip_accents", lowercase)?;
        self.read_roles(Defaults {
            bos: Some(101),
            unk: Some(100),
            sep: Some(102),
            pad: Some(0),
            mask: Some(103),
            add_bos: true,
            add_sep: true,
            ..Default::default()
        })?;
        self.need_unknown();
        let normalization = Normalization { lowercase, strip_accents };
        let model = WordPiece::new(&self.vocabulary, self.special.unk, normalization);
        // `[CLS]` and `[SEP]`, whatever the metadata says.
        let prefix = self.needed(self.special.bos, "bos", true);
        let suffix = self.needed(self.special.sep, "seperator", true);
        self.finish(model, prefix, suffix)
    }

    fn unigram(mut self) -> Result<Arc<dyn Tokenizer>, Error> {
        let spaces = SpaceRules {
            add_prefix: self.flag("add_space_prefix", false)?,
            merge: self.flag("remove_extra_whitespaces", false)?,
        };
        let charsmap = self.charsmap()?;
        let unk = self.metadata.get_optional("tokenizer.ggml.unknown_token_id").ok().flatten();
        let unk = unk.or(Some(2)).filter(|id: &TokenId| (*id as usize) < self.vocabulary.len());
        // The kinds that count here are those of the file, before names do.
        let model =
            Unigram::new(self.metadata, &self.vocabulary, unk, charsmap, spaces, self.findings)?;
        self.read_roles(Defaults {
            eos: Some(1),
            unk: Some(2),
            pad: Some(0),
            add_eos: true,
            ..Default::default()
        })?;
        self.need_unknown();
        self.finish_framed(model)
    }

    fn charsmap(&self) -> Result<Charsmap, Error> {
        match self.metadata.value("tokenizer.ggml.precompiled_charsmap") {
            None => Ok(Charsmap::default()),
            Some(MetadataValue::Array(MetadataArray::U8(blob))) => Charsmap::new(blob),
            Some(MetadataValue::Array(MetadataArray::I8(blob))) => {
                Charsmap::new(&blob.iter().map(|byte| *byte as u8).collect::<Vec<_>>())
            }
            Some(other) => Err(Error::Charsmap {
                expected: "an array of bytes".to_owned(),
                found: format!("type {}", other.value_type()),
            }),
        }
    }

    fn longest(mut self, spelling: Spelling) -> Result<Arc<dyn Tokenizer>, Error> {
        self.read_roles(Defaults::default())?;
        let model = Longest::new(&self.vocabulary, spelling, self.special.unk);
        if self.algorithm == Algorithm::Rwkv {
            return self.finish(model, None, None);
        }
        self.finish_framed(model)
    }

    fn need_unknown(&mut self) {
        if self.special.unk.is_none() {
            let message = "there is no unknown token: words without tokens are lost; convert the \
                           model again";
            self.findings.warning(reason::SPECIAL_TOKEN_MISSING, message);
        }
    }

    /// A token that is added, where it is.
    fn needed(&mut self, id: Option<TokenId>, name: &str, add: bool) -> Option<TokenId> {
        if add && id.is_none() {
            let message = format!(
                "a token has to be added that 'tokenizer.ggml.{name}_token_id' does not name: \
                 none is added; set the id"
            );
            self.findings.warning(reason::SPECIAL_TOKEN_MISSING, message);
        }
        id.filter(|_| add)
    }

    /// The tokenizer with BOS and EOS as the special tokens say.
    fn finish_framed(mut self, model: impl Model + 'static) -> Result<Arc<dyn Tokenizer>, Error> {
        let SpecialTokens { bos, eos, add_bos, add_eos, .. } = self.special;
        let prefix = self.needed(bos, "bos", add_bos);
        let suffix = self.needed(eos, "eos", add_eos);
        self.finish(model, prefix, suffix)
    }

    fn finish(
        self,
        model: impl Model + 'static,
        prefix: Option<TokenId>,
        suffix: Option<TokenId>,
    ) -> Result<Arc<dyn Tokenizer>, Error> {
        let diagnostics = TokenizerDiagnostics {
            tokenizer_type: self.algorithm.title().to_owned(),
            pre_tokenizer: self.pre,
            vocab_size: self.vocabulary.len(),
            merge_count: self.merge_count,
            special: self.special,
            issues: self.findings.0.clone(),
        };
        let special = SpecialFinder::new(&self.vocabulary, roles::strips(self.metadata));
        let parts = Parts { vocabulary: self.vocabulary, special, prefix, suffix, diagnostics };
        Ok(Arc::new(TextTokenizer::new(parts, model)))
    }
}

impl Algorithm {
    /// As people name it.
    fn title(self) -> &'static str {
        match self {
            Self::ByteBpe => "byte-level BPE",
            Self::TextBpe => "BPE over text",
            Self::WordBpe => "BPE over words",
            Self::SentencePiece => "SentencePiece BPE",
            Self::WordPiece => "WordPiece",
            Self::Unigram => "Unigram",
            Self::Rwkv => "longest match (RWKV)",
            Self::TokenTable => "longest match",
        }
    }
}
