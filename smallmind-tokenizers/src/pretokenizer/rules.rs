//! Which expressions a rule cuts with, and which names a rule goes by.
//!
//! Source: `llama-vocab.cpp` of llama.cpp, which gives these names and rules
//! to the values of `tokenizer.ggml.pre`.

use super::expressions::{self as e, Expression};

/// A rule: its expressions cut one after the other.
pub(super) struct Rule {
    pub(super) names: &'static [&'static str],
    pub(super) expressions: &'static [&'static Expression],
}

macro_rules! rules {
    ($($($name:literal)|+ => [$($expression:ident),+];)*) => {
        pub(super) static RULES: &[Rule] = &[$(Rule {
            names: &[$($name),+],
            expressions: &[$(&e::$expression),+],
        }),*];
    };
}

rules! {
    "default" => [SIGN_RUN, GPT2, NUMBER_RUN, TRIPLE];
    "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0"
        | "lfm2" | "jina-v5-nano" | "dbrx" | "smaug-bpe" | "chatglm-bpe" | "glm4" | "glm5"
        => [LLAMA3];
    "jais-2" => [JAIS2];
    "deepseek-llm"
        => [LINE_ENDS, DEEPSEEK_LETTERS, DEEPSEEK_SIGNS, TRAILING_SPACES, HAN_OR_HANGUL, NUMBER_RUN];
    "deepseek-coder" => [LINE_ENDS, ANY_LETTERS, ANY_PUNCTUATION, HAN_OR_HANGUL, NUMBER];
    "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => [NUMBER3, HAN_OR_KANA, DEEPSEEK3];
    "spark2_5" => [NUMBER3, HAN_OR_KANA, SPARK, NUMBER];
    "youtu" => [YOUTU_SCRIPTS, YOUTU];
    "falcon" => [FALCON_SIGN_RUN, GPT2, TRIPLE];
    "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => [NUMBER, GPT2];
    "gpt-2" | "phi-2" | "jina-es" | "jina-de" | "gigachat" | "jina-v2-es" | "jina-v2-de"
        | "a.x-4.0" | "mellum" | "modern-bert" | "jina-v1-en" | "jina-v2-code" | "roberta-bpe"
        | "exaone4" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" => [GPT2];
    "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" | "stablelm2" | "hunyuan"
        | "solar-open" | "grok-2" => [QWEN2];
    "qwen35" => [QWEN35];
    "poro-chat" | "bloom" | "gpt3-finnish" => [BLOOM];
    "viking" => [BLOOM, NUMBER];
    "tekken" => [TEKKEN];
    "chameleon" => [SENTINELS, IMAGES, INDENTS, NUMBER, SIGN, GPT2];
    "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => [GPT4O];
    "granite-embed-multi-97m" => [GRANITE];
    "tiny_aya" | "cohere2moe" => [NUMBERS_BY_THREE, TINY_AYA];
    "kimi-k2" => [KIMI_K2];
    "superbpe" => [NUMBER_RUN, BEFORE_TRIPLES];
    "bailingmoe" | "bailingmoe2" | "llada-moe" => [BAILING];
    "seed-coder" => [SEED_CODER];
    "ufakzeka" => [UFAKZEKA];
    "afmoe" => [NUMBERS_BY_THREE, ASIAN, DEEPSEEK3];
    "laguna" => [LINES_APART, QWEN2];
    "exaone-moe" => [EXAONE_MOE];
    "gemma4" | "granite-embed-multi-311m" | "sarvam-moe" => [LINES_APART];
    "minicpm5" => [NUMBER3, MINICPM5];
    "whitespace" => [NO_SPACES];
}

/// What a name says beyond where to cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Habits {
    /// A piece that is a token needs no merges.
    pub(crate) whole_pieces: bool,
    /// BOS is added where the metadata does not say.
    pub(crate) add_bos: bool,
    /// BOS is added whatever the metadata says.
    pub(crate) always_bos: bool,
    /// SEP is added where the metadata does not say.
    pub(crate) add_sep: bool,
    /// There is no BOS where the metadata names none.
    pub(crate) no_bos: bool,
    /// Tokens are text, not the characters that stand for bytes.
    pub(crate) text_tokens: bool,
    /// Spaces are written `▁`.
    pub(crate) escape_spaces: bool,
    /// A piece of line ends that is a token needs no merges.
    pub(crate) whole_lines: bool,
}

impl Habits {
    pub(crate) fn of(name: &str) -> Self {
        let is = |names: &[&str]| names.contains(&name);
        let llama3 = is(&[
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ]);
        let gemma4 = is(&["gemma4", "granite-embed-multi-311m"]);
        let whole = ["minicpm5", "youtu", "glm4", "glm5", "tekken", "granite-embed-multi-97m"];
        Self {
            whole_pieces: llama3 || is(&whole),
            add_bos: llama3 || is(&["tekken", "chameleon"]),
            always_bos: gemma4,
            add_sep: is(&["jina-v1-en", "jina-v2-code", "roberta-bpe"]),
            no_bos: is(&["chatglm-bpe", "glm4", "glm5"]),
            text_tokens: gemma4 || is(&["sarvam-moe", "whitespace"]),
            escape_spaces: gemma4 || is(&["sarvam-moe"]),
            whole_lines: gemma4,
        }
    }
}
