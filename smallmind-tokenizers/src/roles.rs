//! Which tokens have a role: from the metadata, from what the algorithm
//! assumes, and from the names that tokens go by.
//!
//! Source of names and assumptions: `llama-vocab.cpp` of llama.cpp.

use crate::findings::{Cases, Findings};
use crate::reason;
use crate::vocabulary::Vocabulary;
use crate::{Error, factory};
use smallmind_abstractions::{Metadata, MetadataValue, SpecialTokens, TokenId, TokenKind};

/// What an algorithm assumes where the metadata says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Defaults {
    pub(crate) bos: Option<TokenId>,
    pub(crate) eos: Option<TokenId>,
    pub(crate) unk: Option<TokenId>,
    pub(crate) sep: Option<TokenId>,
    pub(crate) pad: Option<TokenId>,
    pub(crate) mask: Option<TokenId>,
    pub(crate) add_bos: bool,
    pub(crate) add_eos: bool,
    pub(crate) add_sep: bool,
}

const END_OF_TURN: &[&str] = &[
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
const END_OF_MESSAGE: &[&str] = &["<|eom_id|>"];
const FIM_PREFIX: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
];
const FIM_SUFFIX: &[&str] = &[
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
];
const FIM_MIDDLE: &[&str] = &[
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
];
const FIM_PAD: &[&str] = &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"];
const FIM_REPO: &[&str] = &["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"];
const FIM_SEPARATOR: &[&str] = &["<|file_sep|>"];

/// Tokens that end a generation wherever a vocabulary has them.
const END_OF_GENERATION: &[&str] = &[
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

/// Marks of the Harmony format, which belong to what is shown.
const SHOWN: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// Reads the roles, and sets the kinds of tokens that their names give away.
pub(crate) fn read(
    metadata: &Metadata,
    vocabulary: &mut Vocabulary,
    defaults: Defaults,
    findings: &mut Findings,
) -> Result<SpecialTokens, Error> {
    let mut special = from_metadata(metadata, vocabulary, defaults, findings)?;
    let mut roles = Names { vocabulary, overridden: Cases::default() };
    roles.fill(&mut special.eot, END_OF_TURN);
    roles.fill(&mut special.eom, END_OF_MESSAGE);
    roles.fill(&mut special.fim_prefix, FIM_PREFIX);
    roles.fill(&mut special.fim_suffix, FIM_SUFFIX);
    roles.fill(&mut special.fim_middle, FIM_MIDDLE);
    roles.fill(&mut special.fim_pad, FIM_PAD);
    roles.fill(&mut special.fim_repo, FIM_REPO);
    roles.fill(&mut special.fim_separator, FIM_SEPARATOR);
    special.end_of_generation = roles.ends(&special);
    if let Some(report) = roles.overridden.report("tokens are control tokens by their name") {
        let message = format!("{report} and not by their type: the name counts");
        findings.info(reason::TOKEN_TYPE_OVERRIDDEN, message);
    }
    Ok(special)
}

fn from_metadata(
    metadata: &Metadata,
    vocabulary: &Vocabulary,
    defaults: Defaults,
    findings: &mut Findings,
) -> Result<SpecialTokens, Error> {
    let key = |name: &str| format!("tokenizer.ggml.{name}_token_id");
    // Text is framed by these two; others may be wrong in files that work.
    for name in ["bos", "eos"] {
        in_range(metadata, vocabulary, &key(name)).map_err(|found| Error::SpecialToken {
            key: key(name),
            found,
            tokens: vocabulary.len(),
        })?;
    }
    let mut id = |name: &str, default: Option<TokenId>| {
        id(metadata, vocabulary, &key(name), default, findings)
    };
    let (prefix, suffix, middle) = (id("fim_pre", None), id("fim_suf", None), id("fim_mid", None));
    let mut special = SpecialTokens {
        bos: id("bos", defaults.bos),
        eos: id("eos", defaults.eos),
        eot: id("eot", None),
        eom: id("eom", None),
        unk: id("unknown", defaults.unk),
        sep: id("seperator", defaults.sep),
        pad: id("padding", defaults.pad),
        mask: id("mask", defaults.mask),
        // The names without `fim_` are older, and count more where both are.
        fim_prefix: id("prefix", prefix),
        fim_suffix: id("suffix", suffix),
        fim_middle: id("middle", middle),
        fim_pad: id("fim_pad", None),
        fim_repo: id("fim_rep", None),
        fim_separator: id("fim_sep", None),
        ..Default::default()
    };
    let flag = |name: &str| metadata.get_optional::<bool>(&format!("tokenizer.ggml.{name}"));
    special.add_bos = flag("add_bos_token")?.unwrap_or(defaults.add_bos);
    special.add_eos = flag("add_eos_token")?.unwrap_or(defaults.add_eos);
    special.add_sep = flag("add_sep_token")?.unwrap_or(defaults.add_sep);
    Ok(special)
}

fn id(
    metadata: &Metadata,
    vocabulary: &Vocabulary,
    key: &str,
    default: Option<TokenId>,
    findings: &mut Findings,
) -> Option<TokenId> {
    let default = default.filter(|id| (*id as usize) < vocabulary.len());
    match in_range(metadata, vocabulary, key) {
        Ok(id) => id.or(default),
        Err(found) => {
            let count = vocabulary.len();
            let message =
                format!("'{key}' is {found}, and there are {count} tokens: it is left out");
            findings.warning(reason::SPECIAL_ID_OUT_OF_RANGE, message);
            default
        }
    }
}

/// The id that a key names, or what is there where that is no token. Files
/// write -1 for none.
fn in_range(
    metadata: &Metadata,
    vocabulary: &Vocabulary,
    key: &str,
) -> Result<Option<TokenId>, String> {
    let Some(value) = metadata.value(key) else { return Ok(None) };
    match value.as_u64() {
        Some(none) if none == u64::from(u32::MAX) => Ok(None),
        Some(id) if id < vocabulary.len() as u64 => Ok(Some(id as TokenId)),
        Some(id) => Err(id.to_string()),
        None if matches!(
            value,
            MetadataValue::I8(-1)
                | MetadataValue::I16(-1)
                | MetadataValue::I32(-1)
                | MetadataValue::I64(-1)
        ) =>
        {
            Ok(None)
        }
        None => Err(format!("of type {}", value.value_type())),
    }
}

/// Finds roles by name.
struct Names<'a> {
    vocabulary: &'a mut Vocabulary,
    overridden: Cases,
}

impl Names<'_> {
    fn id(&self, name: &str) -> Option<TokenId> {
        self.vocabulary.id(name.as_bytes())
    }

    /// Gives a role that is free to the first token with one of these names.
    fn fill(&mut self, role: &mut Option<TokenId>, names: &[&str]) {
        if role.is_some() {
            return;
        }
        if let Some((name, id)) = names.iter().find_map(|n| Some((*n, self.id(n)?))) {
            *role = Some(id);
            self.make_control(name, id);
        }
    }

    fn make_control(&mut self, name: &str, id: TokenId) {
        let kind = self.vocabulary.kind(id);
        if kind != Some(TokenKind::Control) {
            self.overridden.add(|| format!("'{name}', id {id}"));
            self.vocabulary.set_kind(id, TokenKind::Control);
        }
    }

    /// Every token that ends a generation, sorted.
    fn ends(&mut self, special: &SpecialTokens) -> Vec<TokenId> {
        let mut ends = Vec::new();
        for name in END_OF_GENERATION {
            if let Some(id) = self.id(name) {
                ends.push(id);
                self.make_control(name, id);
            }
        }
        let roles = [
            special.fim_pad,
            special.fim_repo,
            special.fim_separator,
            special.eos,
            special.eot,
            special.eom,
        ];
        ends.extend(roles.into_iter().flatten());
        for id in SHOWN.iter().filter_map(|name| self.id(name)).collect::<Vec<_>>() {
            self.vocabulary.set_kind(id, TokenKind::UserDefined);
        }
        self.take_out_false_ends(&mut ends);
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    /// Names that end a generation in one family and are text in another.
    fn take_out_false_ends(&mut self, ends: &mut Vec<TokenId>) {
        let has = |ends: &[TokenId], name: &str| {
            ends.iter().any(|id| self.vocabulary.text(*id) == Some(name.as_bytes()))
        };
        let calls = has(ends, "<|call|>") || has(ends, "<|calls|>");
        let harmony = calls && (has(ends, "<|return|>") || has(ends, "<|flush|>"));
        let plain_s = has(ends, "<|tool_response>") || has(ends, "<|plamo:eos|>");
        let mut take_out = |name: &str, kind: TokenKind| {
            if let Some(id) = self.vocabulary.id(name.as_bytes()).filter(|id| ends.contains(id)) {
                ends.retain(|end| *end != id);
                self.vocabulary.set_kind(id, kind);
            }
        };
        if harmony {
            take_out("<|end|>", TokenKind::UserDefined);
        }
        if plain_s {
            take_out("</s>", TokenKind::Normal);
        }
    }
}

/// White space that a special token takes away with it in a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Strip {
    pub(crate) left: bool,
    pub(crate) right: bool,
}

/// What each special token strips. Files do not say: the reference goes by
/// names.
pub(crate) fn strips(metadata: &Metadata) -> impl Fn(&[u8]) -> Strip {
    let text = |key: &str| metadata.get::<&str>(key).unwrap_or_default().to_owned();
    let name = text("general.name").to_ascii_lowercase();
    let (pre, architecture) = (text(factory::PRE), text("general.architecture"));
    let any = |text: &str, parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let mask = any(&pre, &["jina-v2-de", "jina-v2-es", "jina-v2-code"])
        || any(&architecture, &["nomic-bert-moe", "jina-bert-v3"]);
    let phi3 = !mask && any(&name, &["phi-3", "phi3"]);
    let modern_bert = !mask && !phi3 && name.contains("modern-bert");
    move |token: &[u8]| Strip {
        left: (mask && token == b"<mask>") || (modern_bert && token == b"[MASK]"),
        right: phi3 && !matches!(token, b"<unk>" | b"<s>" | b"<|endoftext|>"),
    }
}
