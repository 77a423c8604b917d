//! From `tokenizer.json` to metadata.

use super::{rule, unsupported};
use crate::Error;
use crate::factory::{MODEL, PRE};
use crate::spaces::{MARK, byte_of};
use crate::vocabulary::{self, MERGES, SCORES, TOKENS, TYPES};
use serde_json::Value;
use smallmind_abstractions::{Metadata, MetadataArray, MetadataValue, TokenId, TokenKind};
use tokenizers::Tokenizer;

/// Names that begin and end texts, where the file does not say which do.
const BEGINS: [&str; 5] = ["<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "[CLS]"];
const ENDS: [&str; 7] =
    ["</s>", "<eos>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "[SEP]"];

/// The metadata of a GGUF file with the tokenizer of a `tokenizer.json`.
///
/// BPE over bytes (under a rule that GGUF has a name for), BPE with byte
/// fallback as SentencePiece's, WordPiece and Unigram are read. The file does
/// not say which tokens begin and end texts unless it adds them; then they are
/// known by their names. Normalization to NFC is left out, as GGUF leaves it
/// out.
///
/// # Errors
/// [`Error::TokenizerJson`] for what the format has and GGUF has not.
pub fn load(json: &[u8]) -> Result<Metadata, Error> {
    let tokenizer = Tokenizer::from_bytes(json).map_err(|e| unsupported(e.to_string()))?;
    let text = tokenizer.to_string(false).map_err(|e| unsupported(e.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| unsupported(e.to_string()))?;
    let vocabulary = Tokens::read(&tokenizer, &value)?;
    let mut reader = Reader { tokenizer, value, tokens: vocabulary, metadata: Metadata::new() };
    match reader.value["model"]["type"].as_str() {
        Some("BPE") if reader.has("ByteLevel") => reader.byte_bpe()?,
        Some("BPE") if reader.value["model"]["byte_fallback"] == true => reader.sentencepiece(),
        Some("WordPiece") => reader.wordpiece(),
        Some("Unigram") => reader.unigram()?,
        other => {
            let name = other.unwrap_or("a model without a name");
            return Err(unsupported(format!("has {name} without bytes to fall back on")));
        }
    }
    Ok(reader.finish())
}

/// The vocabulary by id.
struct Tokens {
    texts: Vec<String>,
    kinds: Vec<TokenKind>,
}

impl Tokens {
    fn read(tokenizer: &Tokenizer, value: &Value) -> Result<Self, Error> {
        let vocab = tokenizer.get_vocab(true);
        let size = vocab.values().max().map_or(0, |id| *id as usize + 1);
        // Ids that nothing has are few: vocabularies are padded, not sparse.
        if size > 2 * vocab.len() + 65_536 {
            return Err(unsupported(format!("has {} tokens, and ids up to {size}", vocab.len())));
        }
        let mut texts: Vec<_> = (0..size).map(|id| format!("[PAD{id}]")).collect();
        let mut kinds = vec![TokenKind::Unused; size];
        for (text, id) in vocab {
            kinds[id as usize] = TokenKind::Normal;
            texts[id as usize] = text;
        }
        for added in value["added_tokens"].as_array().into_iter().flatten() {
            let kind = match added["special"] == true {
                true => TokenKind::Control,
                false => TokenKind::UserDefined,
            };
            let id = added["id"].as_u64().and_then(|id| usize::try_from(id).ok());
            if let Some(at) = id.and_then(|id| kinds.get_mut(id)) {
                *at = kind;
            }
        }
        Ok(Self { texts, kinds })
    }

    fn id(&self, text: &str) -> Option<TokenId> {
        self.texts.iter().position(|t| t == text).map(|id| id as TokenId)
    }
}

struct Reader {
    tokenizer: Tokenizer,
    /// The file as `tokenizers` writes it.
    value: Value,
    tokens: Tokens,
    metadata: Metadata,
}

impl Reader {
    /// Whether a normalizer, pre-tokenizer or decoder is of a type.
    fn has(&self, kind: &str) -> bool {
        let steps = ["normalizer", "pre_tokenizer", "decoder"];
        steps.iter().any(|step| find(&self.value[step], kind).is_some())
    }

    fn byte_bpe(&mut self) -> Result<(), Error> {
        let normalizer = &self.value["normalizer"];
        if !normalizer.is_null() && normalizer["type"] != "NFC" {
            return Err(unsupported(format!("normalizes text by {}", normalizer["type"])));
        }
        let ignore_merges = self.value["model"]["ignore_merges"] == true;
        let rule = rule::find(&self.tokenizer, ignore_merges)?;
        self.string(MODEL, "gpt2");
        self.string(PRE, rule);
        self.strings(MERGES, &self.merges());
        if let Some(id) = self.unknown_token() {
            self.id("unknown", id);
        }
        Ok(())
    }

    /// Pairs with a space between them.
    fn merges(&self) -> Vec<String> {
        let pairs = self.value["model"]["merges"].as_array().into_iter().flatten();
        let part = |pair: &Value, i: usize| pair[i].as_str().unwrap_or_default().to_owned();
        pairs.map(|pair| format!("{} {}", part(pair, 0), part(pair, 1))).collect()
    }

    /// Scores stand for the order of merges: the earlier, the higher.
    fn sentencepiece(&mut self) {
        let mut scores = vec![f32::MIN; self.tokens.texts.len()];
        let ids: rustc_hash::FxHashMap<&str, usize> =
            self.tokens.texts.iter().enumerate().map(|(id, text)| (text.as_str(), id)).collect();
        for (rank, merge) in self.merges().iter().enumerate() {
            let id = ids.get(merge.replacen(' ', "", 1).as_str());
            if let Some(score) = id.map(|id| &mut scores[*id]) {
                *score = score.max(-(rank as f32));
            }
        }
        for (text, kind) in self.tokens.texts.iter().zip(&mut self.tokens.kinds) {
            if byte_of(text.as_bytes()).is_some() {
                *kind = TokenKind::Byte;
            }
        }
        self.unknown(self.unknown_token());
        self.string(MODEL, "llama");
        self.add(SCORES, MetadataValue::Array(MetadataArray::F32(scores)));
        self.flag("add_space_prefix", self.prepends());
    }

    fn unknown_token(&self) -> Option<TokenId> {
        self.tokens.id(self.value["model"]["unk_token"].as_str()?)
    }

    fn unknown(&mut self, id: Option<TokenId>) {
        if let Some(id) = id {
            self.tokens.kinds[id as usize] = TokenKind::Unknown;
            self.id("unknown", id);
        }
    }

    /// Whether text gets a space at its beginning.
    fn prepends(&self) -> bool {
        let scheme = find(&self.value["pre_tokenizer"], "Metaspace");
        find(&self.value["normalizer"], "Prepend").is_some()
            || scheme.is_some_and(|space| space["prepend_scheme"] != "never")
    }

    fn wordpiece(&mut self) {
        for (text, kind) in self.tokens.texts.iter_mut().zip(&self.tokens.kinds) {
            if *kind == TokenKind::Normal {
                *text = match text.strip_prefix("##") {
                    Some(rest) => rest.to_owned(),
                    None => format!("{MARK}{text}"),
                };
            }
        }
        let normalizer = find(&self.value["normalizer"], "BertNormalizer").cloned();
        let lowercase = normalizer.as_ref().is_some_and(|n| n["lowercase"] == true);
        let accents = normalizer.and_then(|n| n["strip_accents"].as_bool()).unwrap_or(lowercase);
        self.string(MODEL, "bert");
        self.flag("normalizer.lowercase", lowercase);
        self.flag("normalizer.strip_accents", accents);
        let roles = [("unknown", "[UNK]"), ("seperator", "[SEP]"), ("padding", "[PAD]")];
        for (role, text) in roles.into_iter().chain([("mask", "[MASK]"), ("cls", "[CLS]")]) {
            if let Some(id) = self.tokens.id(text) {
                self.id(role, id);
            }
        }
    }

    fn unigram(&mut self) -> Result<(), Error> {
        let model = &self.value["model"];
        let scores = model["vocab"].as_array().into_iter().flatten();
        let mut scores: Vec<_> =
            scores.map(|entry| entry[1].as_f64().unwrap_or_default() as f32).collect();
        scores.resize(self.tokens.texts.len(), 0.0);
        let unknown = model["unk_id"].as_u64().map(|id| id as TokenId);
        let charsmap = match find(&self.value["normalizer"], "Precompiled") {
            Some(map) => charsmap(map["precompiled_charsmap"].as_str().unwrap_or_default())?,
            None => Vec::new(),
        };
        let squeezes = find(&self.value["normalizer"], "Replace");
        self.flag("remove_extra_whitespaces", squeezes.is_some());
        self.unknown(unknown.filter(|id| (*id as usize) < self.tokens.texts.len()));
        self.string(MODEL, "t5");
        self.add(SCORES, MetadataValue::Array(MetadataArray::F32(scores)));
        if !charsmap.is_empty() {
            let bytes = MetadataArray::U8(charsmap);
            self.add("tokenizer.ggml.precompiled_charsmap", MetadataValue::Array(bytes));
        }
        self.flag("add_space_prefix", self.prepends());
        Ok(())
    }

    /// What begins and ends texts, tokens and their types.
    fn finish(mut self) -> Metadata {
        let template = find(&self.value["post_processor"], "TemplateProcessing").cloned();
        let single = template.as_ref().map(|t| &t["single"]).and_then(Value::as_array);
        let name = |part: &Value| part["SpecialToken"]["id"].as_str().map(str::to_owned);
        let first = single.and_then(|parts| name(parts.first()?));
        let last = single.and_then(|parts| name(parts.last()?));
        let roles = [("bos", first, &BEGINS[..]), ("eos", last, &ENDS[..])];
        for (role, added, names) in roles {
            self.flag(&format!("add_{role}_token"), added.is_some());
            let known = names.iter().find_map(|name| self.tokens.id(name));
            if let Some(id) = added.and_then(|name| self.tokens.id(&name)).or(known) {
                self.id(role, id);
            }
        }
        let tokens: Vec<_> = std::mem::take(&mut self.tokens.texts);
        self.strings(TOKENS, &tokens);
        let types = self.tokens.kinds.iter().map(|kind| vocabulary::number(*kind)).collect();
        self.add(TYPES, MetadataValue::Array(MetadataArray::I32(types)));
        self.metadata
    }

    fn add(&mut self, key: &str, value: MetadataValue) {
        self.metadata.insert(key, value);
    }

    fn string(&mut self, key: &str, value: &str) {
        self.add(key, MetadataValue::String(value.into()));
    }

    fn strings(&mut self, key: &str, values: &[String]) {
        let table = values.iter().map(String::as_str).collect();
        self.add(key, MetadataValue::Array(MetadataArray::String(table)));
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.add(&format!("tokenizer.ggml.{name}"), MetadataValue::Bool(value));
    }

    fn id(&mut self, role: &str, id: TokenId) {
        self.add(&format!("tokenizer.ggml.{role}_token_id"), MetadataValue::U32(id));
    }
}

/// A step of a type, by itself or in a sequence.
fn find<'v>(step: &'v Value, kind: &str) -> Option<&'v Value> {
    if step["type"] == kind {
        return Some(step);
    }
    let lists = ["normalizers", "pretokenizers", "decoders", "processors"];
    let steps = lists.iter().filter_map(|list| step[list].as_array()).flatten();
    steps.filter_map(|step| find(step, kind)).next()
}

fn charsmap(base64: &str) -> Result<Vec<u8>, Error> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
    bytes.map_err(|e| unsupported(format!("has a damaged normalization table: {e}")))
}
