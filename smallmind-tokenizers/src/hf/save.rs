//! From metadata to `tokenizer.json`.

use super::unsupported;
use crate::Error;
use crate::factory::{GgufTokenizerFactory, MODEL, PRE};
use crate::pretokenizer::{Habits, definitions};
use crate::spaces::MARK;
use crate::vocabulary::{self, MERGES, SCORES, TOKENS};
use serde_json::{Map, Value, json};
use smallmind_abstractions::{Metadata, StringTable, TokenId, TokenKind, Tokenizer};
use std::cmp::Reverse;
use std::sync::Arc;

/// The `tokenizer.json` of a GGUF file's tokenizer: of byte-level BPE (`gpt2`)
/// and of SentencePiece's BPE (`llama`).
///
/// # Errors
/// What [`GgufTokenizerFactory::build`] says of the metadata, and
/// [`Error::TokenizerJson`] for what the format cannot say.
pub fn save(metadata: &Metadata) -> Result<String, Error> {
    let tokenizer = GgufTokenizerFactory::new().build(metadata)?;
    let tokens: &StringTable = metadata.get(TOKENS)?;
    let kinds = vocabulary::kinds(metadata, tokens.len())?;
    let writer = Writer { metadata, tokens, kinds, tokenizer };
    let value = match metadata.get::<&str>(MODEL)? {
        "gpt2" => writer.byte_bpe()?,
        "llama" => writer.sentencepiece()?,
        other => return Err(unsupported(format!("cannot be written for the model '{other}'"))),
    };
    // The format's own reader has the last word.
    let text = value.to_string();
    let read = text.parse::<tokenizers::Tokenizer>().and_then(|t| t.to_string(true));
    read.map_err(|e| unsupported(e.to_string()))
}

struct Writer<'a> {
    metadata: &'a Metadata,
    tokens: &'a StringTable,
    kinds: Vec<TokenKind>,
    tokenizer: Arc<dyn Tokenizer>,
}

impl Writer<'_> {
    fn byte_bpe(&self) -> Result<Value, Error> {
        let name = self.metadata.get_optional::<&str>(PRE)?.unwrap_or("default");
        let mut steps = Vec::new();
        for definition in definitions(name)? {
            let regex = definition.ok_or_else(|| {
                unsupported(format!("has no regular expression for the rule '{name}'"))
            })?;
            steps.push(json!({
                "type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated",
                "invert": false,
            }));
        }
        let bytes = json!({
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": false,
        });
        steps.push(bytes.clone());
        let merges: &StringTable = self.metadata.get(MERGES)?;
        let merges = (0..merges.len()).filter_map(|i| {
            // The first part may begin with a space of its own.
            let merge = merges.get_str(i)?;
            let at = merge.char_indices().skip(1).find(|(_, c)| *c == ' ')?.0;
            Some(json!([merge[..at], merge[at + 1..]]))
        });
        let model = self.bpe(merges.collect(), Habits::of(name).whole_pieces, false)?;
        Ok(self.whole(
            Value::Null,
            json!({"type": "Sequence", "pretokenizers": steps}),
            bytes,
            model,
        ))
    }

    fn bpe(&self, merges: Value, ignore: bool, fallback: bool) -> Result<Value, Error> {
        let mut vocab = Map::new();
        for id in 0..self.tokens.len() {
            let text = self.text(id)?;
            if vocab.insert(text.to_owned(), id.into()).is_some() {
                return Err(unsupported(format!("cannot hold the token {text:?} twice")));
            }
        }
        let unknown = self.tokenizer.special().unk.map(|id| self.text(id as usize)).transpose()?;
        Ok(json!({
            "type": "BPE", "dropout": null, "unk_token": unknown,
            "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": fallback, "byte_fallback": fallback,
            "ignore_merges": ignore, "vocab": vocab, "merges": merges,
        }))
    }

    fn text(&self, id: usize) -> Result<&str, Error> {
        let text = self.tokens.get_str(id);
        text.ok_or_else(|| unsupported(format!("cannot hold token {id}, which is no UTF-8")))
    }

    /// Merges are all pairs of tokens that make a token, by its score.
    fn sentencepiece(&self) -> Result<Value, Error> {
        let scores: &[f32] = self.metadata.get(SCORES)?;
        let mut ids = rustc_hash::FxHashMap::default();
        for id in 0..self.tokens.len() {
            ids.insert(self.text(id)?, id);
        }
        let mut pairs = Vec::new();
        for (&text, &id) in &ids {
            if self.kinds[id] != TokenKind::Normal {
                continue;
            }
            let cuts = text.char_indices().skip(1).map(|(at, _)| text.split_at(at));
            pairs.extend(
                cuts.filter_map(|(left, right)| Some((id, *ids.get(left)?, *ids.get(right)?))),
            );
        }
        let score = |id: usize| scores.get(id).copied().unwrap_or(f32::MIN);
        pairs.sort_by(|a, b| {
            score(b.0).total_cmp(&score(a.0)).then((a.0, Reverse(a.1)).cmp(&(b.0, Reverse(b.1))))
        });
        let merges = pairs.iter().map(|(_, left, right)| {
            json!([self.text(*left).unwrap_or_default(), self.text(*right).unwrap_or_default()])
        });
        let model = self.bpe(merges.collect(), false, true)?;
        let prefix = self.metadata.get_optional("tokenizer.ggml.add_space_prefix")?;
        let mut normalizers = Vec::new();
        if prefix.unwrap_or(true) {
            normalizers.push(json!({"type": "Prepend", "prepend": MARK}));
        }
        normalizers.push(json!({
            "type": "Replace", "pattern": {"String": " "}, "content": MARK,
        }));
        let mut decoders = vec![
            json!({"type": "Replace", "pattern": {"String": MARK}, "content": " "}),
            json!({"type": "ByteFallback"}),
            json!({"type": "Fuse"}),
        ];
        if prefix.unwrap_or(true) {
            decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        let normalizer = json!({"type": "Sequence", "normalizers": normalizers});
        let decoder = json!({"type": "Sequence", "decoders": decoders});
        Ok(self.whole(normalizer, Value::Null, decoder, model))
    }

    fn whole(&self, normalizer: Value, pre: Value, decoder: Value, model: Value) -> Value {
        json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": self.added(), "normalizer": normalizer, "pre_tokenizer": pre,
            "post_processor": self.template(), "decoder": decoder, "model": model,
        })
    }

    /// Control tokens and those that users defined.
    fn added(&self) -> Vec<Value> {
        use TokenKind::{Control, Unknown, UserDefined};
        let kinds = self.kinds.iter().zip(0..);
        let added = kinds.filter(|(kind, _)| matches!(kind, Unknown | Control | UserDefined));
        added
            .filter_map(|(kind, id)| {
                Some(json!({
                    "id": id, "content": self.text(id).ok()?, "single_word": false,
                    "lstrip": false, "rstrip": false, "normalized": false, "special": *kind != UserDefined,
                }))
            })
            .collect()
    }

    /// The tokens that are added to a text.
    fn template(&self) -> Value {
        let special = self.tokenizer.special();
        let name = |id: Option<TokenId>| id.and_then(|id| self.tokens.get_str(id as usize));
        let bos = name(special.bos).filter(|_| special.add_bos);
        let eos = name(special.eos).filter(|_| special.add_eos);
        if bos.is_none() && eos.is_none() {
            return Value::Null;
        }
        let token =
            |name: &str, part: usize| json!({"SpecialToken": {"id": name, "type_id": part}});
        let text = |name: &str, part: usize| json!({"Sequence": {"id": name, "type_id": part}});
        let framed = |name: &str, part: usize| {
            let parts = [bos.map(|b| token(b, part)), Some(text(name, part))];
            parts.into_iter().chain([eos.map(|e| token(e, part))]).flatten().collect::<Vec<_>>()
        };
        let names = [(bos, special.bos), (eos, special.eos)];
        let tokens: Map<_, _> = names
            .into_iter()
            .filter_map(|(name, id)| {
                let name = name?;
                Some((name.to_owned(), json!({"id": name, "ids": [id?], "tokens": [name]})))
            })
            .collect();
        let pair = [framed("A", 0), framed("B", 1)].concat();
        json!({
            "type": "TemplateProcessing", "single": framed("A", 0),
            "pair": pair, "special_tokens": tokens,
        })
    }
}
