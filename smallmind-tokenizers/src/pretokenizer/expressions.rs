//! The expressions of the rules: each regular expression and, next to it, the
//! alternatives that scan for it. Tests hold the two against each other.
//!
//! Source: the `pre_tokenizer` of the models' `tokenizer.json`, as llama.cpp
//! reads them: in expressions with classes, capitals and small letters beyond
//! ASCII are one class, white space is `White_Space`, and `\d` is ASCII.

use super::part::Part::{
    CasedWord, Contraction, Image, Indent, Lines, LowerContraction, MarkedWord, OneOf, Run,
    Sentinel, SpacedLetters, Spaces, SpacesButLast, SpacesByHalves, Triple,
};
use super::part::{Lead, Part, Set, Tail};
use crate::unicode::Class;

/// How an expression is scanned for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scan {
    /// The first alternative that matches, at each place.
    Parts(&'static [Part]),
    /// `\s+$`
    TrailingSpaces,
    /// Numbers in threes counted from their end, the first with what stands
    /// before it.
    NumbersByThree,
    /// `(?=(\d{3})+(?!\d))`
    BeforeTriples,
}

/// One expression.
#[derive(Debug)]
pub(super) struct Expression {
    /// What it means. `None` where no regular expression says it.
    #[cfg_attr(
        not(any(test, feature = "hf")),
        expect(dead_code, reason = "the definition that tests scan with")
    )]
    pub(super) definition: Option<&'static str>,
    pub(super) scan: Scan,
}

const L: u8 = Class::Letter.bit();
const N: u8 = Class::Number.bit();
const P: u8 = Class::Punctuation.bit();
const S: u8 = Class::Symbol.bit();
const M: u8 = Class::Mark.bit();
const SPACE: u8 = Class::Space.bit();
const OTHER: u8 = Class::Control.bit() | Class::Unassigned.bit();

const ALL: usize = usize::MAX;
const LETTERS: Set = Set::of(L);
const MARKED_LETTERS: Set = Set::of(L | M);
const NUMBERS: Set = Set::of(N);
/// `[^\s\p{L}\p{N}]`
const SIGNS: Set = Set::of(P | S | M | OTHER);
/// `[^\r\n\p{L}\p{N}]?`
const NO_WORD: Lead = Lead::Not(L | N);
const WORD: Part = Run(NO_WORD, LETTERS, ALL, Tail::Nothing);
const DIGIT: Part = OneOf(NUMBERS);
const DIGITS3: Part = Run(Lead::Nothing, NUMBERS, 3, Tail::Nothing);
const SIGN_LINES: Part = Run(Lead::Space, SIGNS, ALL, Tail::LineEnds);

macro_rules! expressions {
    ($($(#[$doc:meta])* $name:ident = $definition:expr, $parts:expr;)*) => {
        $($(#[$doc])* pub(super) static $name: Expression = Expression {
            definition: Some($definition),
            scan: Scan::Parts($parts),
        };)*
        #[cfg(test)]
        pub(super) static ALL_PARTS: &[&Expression] = &[$(&$name),*];
    };
}

expressions! {
    GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        &[
            LowerContraction,
            Run(Lead::Space, LETTERS, ALL, Tail::Nothing),
            Run(Lead::Space, NUMBERS, ALL, Tail::Nothing),
            Run(Lead::Space, SIGNS, ALL, Tail::Nothing),
            SpacesButLast, Spaces,
        ];
    LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[Contraction, WORD, DIGITS3, SIGN_LINES, Lines, SpacesButLast, Spaces];
    QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[Contraction, WORD, DIGIT, SIGN_LINES, Lines, SpacesButLast, Spaces];
    QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            Contraction,
            Run(NO_WORD, MARKED_LETTERS, ALL, Tail::Nothing),
            DIGIT,
            Run(Lead::Space, Set::of(P | S | OTHER), ALL, Tail::LineEnds),
            Lines, SpacesButLast, Spaces,
        ];
    MINICPM5 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            Contraction, WORD,
            Run(Lead::Nothing, NUMBERS, ALL, Tail::Nothing),
            SIGN_LINES, Lines, SpacesButLast, Spaces,
        ];
    /// Qwen2 without contractions: Turkish suffixes stay with their word.
    UFAKZEKA = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[WORD, DIGIT, SIGN_LINES, Lines, SpacesButLast, Spaces];
    JAIS2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
        &[Contraction, WORD, DIGITS3, SIGN_LINES, Lines, SpacesByHalves];
    BAILING = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        &[Contraction, WORD, DIGIT, SIGN_LINES, Lines, SpacesButLast, Spaces];
    SEED_CODER = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            Contraction, WORD, DIGIT,
            Run(Lead::Space, SIGNS, ALL, Tail::Nothing),
            Lines, SpacesButLast, Spaces,
        ];
    EXAONE_MOE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
        &[
            Contraction, SpacedLetters(NO_WORD), DIGIT,
            Run(Lead::Space, SIGNS, ALL, Tail::LineEndOrSlash),
            Lines, SpacesButLast, Spaces,
        ];
    TEKKEN = r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            CasedWord(NO_WORD, L, Tail::Nothing), DIGIT,
            Run(Lead::Space, SIGNS, ALL, Tail::LineEndsAndSlashes),
            Lines, SpacesButLast, Spaces,
        ];
    GPT4O = r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            CasedWord(NO_WORD, L, Tail::Contraction), DIGITS3,
            Run(Lead::Space, SIGNS, ALL, Tail::LineEndsAndSlashes),
            Lines, SpacesButLast, Spaces,
        ];
    GRANITE = r"[^\r\n\p{L}\p{N}]?((?=[\p{L}\p{M}])([^a-z]))*((?=[\p{L}\p{M}])([^A-Z]))+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?((?=[\p{L}\p{M}])([^a-z]))+((?=[\p{L}\p{M}])([^A-Z]))*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            CasedWord(NO_WORD, L | M, Tail::Contraction), DIGITS3,
            Run(Lead::Space, SIGNS, ALL, Tail::LineEndsAndSlashes),
            Lines, SpacesButLast, Spaces,
        ];
    TINY_AYA = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            Run(NO_WORD, MARKED_LETTERS, ALL, Tail::Contraction), DIGITS3,
            Run(Lead::Space, SIGNS, ALL, Tail::LineEndsAndSlashes),
            Lines, SpacesButLast, Spaces,
        ];
    YOUTU_SCRIPTS = r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
        &[
            Run(Lead::Nothing, Set::between(&[('가', '힣'), ('ㄱ', 'ㆎ')]), ALL, Tail::Nothing),
            Run(Lead::Nothing, Set::between(&[
                ('！', '！'), ('…', '…'), ('“', '”'), ('‘', '’'), ('—', '—'), ('：', '；'),
                ('，', '，'), ('、', '\u{303f}'), ('︰', '﹏'),
            ]), ALL, Tail::Nothing),
            Run(Lead::Nothing, Set::between(&[('ㄅ', 'ㄯ')]), ALL, Tail::Nothing),
            Run(Lead::Nothing, HAN_AND_KANA, ALL, Tail::Nothing),
        ];
    YOUTU = r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            Run(NO_WORD, MARKED_LETTERS, ALL, Tail::Contraction), DIGIT,
            Run(Lead::Space, SIGNS, ALL, Tail::LineEndsAndSlashes),
            Lines, SpacesButLast, Spaces,
        ];
    KIMI_K2 = r"[\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2ebef}\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}]+|[^\r\n\p{L}\p{N}]?[\p{L}--[\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2ebef}\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        &[
            Run(Lead::Nothing, Set::between(HAN), ALL, Tail::Nothing),
            Run(NO_WORD, Set { classes: L, ranges: &[], except: HAN }, ALL, Tail::Contraction),
            DIGITS3, SIGN_LINES, Lines, SpacesButLast, Spaces,
        ];
    NUMBER3 = r"\p{N}{1,3}", &[DIGITS3];
    NUMBER = r"\p{N}", &[DIGIT];
    NUMBER_RUN = r"\p{N}+", &[Run(Lead::Nothing, NUMBERS, ALL, Tail::Nothing)];
    TRIPLE = r"[0-9][0-9][0-9]", &[Triple(Set::between(&[('0', '9')]))];
    HAN_OR_KANA = r"[一-龥぀-ゟ゠-ヿ]+", &[Run(Lead::Nothing, HAN_AND_KANA, ALL, Tail::Nothing)];
    HAN_OR_HANGUL = r"[一-龥ࠀ-一가-\x{d7ff}]+",
        &[Run(Lead::Nothing, Set::between(&[('\u{800}', '龥'), ('가', '\u{d7ff}')]), ALL, Tail::Nothing)];
    ASIAN = r"[\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{8c48}-\x{faff}\x{3040}-\x{309f}\x{30a0}-\x{30ff}\x{ff65}-\x{ff9f}\x{2f00}-\x{2fdf}\x{e40}-\x{e7f}\x{e80}-\x{eff}\x{1780}-\x{17ff}\x{1000}-\x{109f}\x{aa60}-\x{aa7f}\x{a9e0}-\x{a9ff}\x{ac00}-\x{d7af}\x{1100}-\x{11ff}]+",
        &[Run(Lead::Nothing, Set::between(&[
            ('\u{4e00}', '\u{9fff}'), ('\u{3400}', '\u{4dbf}'), ('\u{8c48}', '\u{faff}'),
            ('\u{3040}', '\u{309f}'), ('\u{30a0}', '\u{30ff}'), ('\u{ff65}', '\u{ff9f}'),
            ('\u{2f00}', '\u{2fdf}'), ('\u{e40}', '\u{e7f}'), ('\u{e80}', '\u{eff}'),
            ('\u{1780}', '\u{17ff}'), ('\u{1000}', '\u{109f}'), ('\u{aa60}', '\u{aa7f}'),
            ('\u{a9e0}', '\u{a9ff}'), ('\u{ac00}', '\u{d7af}'), ('\u{1100}', '\u{11ff}'),
        ]), ALL, Tail::Nothing)];
    DEEPSEEK3 = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
        &[
            MarkedWord,
            Run(Lead::Not(L | P | S), MARKED_LETTERS, ALL, Tail::Nothing),
            Run(Lead::Space, Set::of(P | S), ALL, Tail::LineEnds),
            Lines, SpacesButLast, Spaces,
        ];
    SPARK = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"##,
        &[
            MarkedWord,
            Run(Lead::Not(L | P | S), MARKED_LETTERS, ALL, Tail::Nothing),
            Run(Lead::Space, Set::of(P | S), ALL, Tail::Nothing),
            OneOf(LINE_END), SpacesButLast, Spaces,
        ];
    LINE_ENDS = r"[\r\n]", &[OneOf(LINE_END)];
    DEEPSEEK_LETTERS = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
        &[Run(Lead::AnySpace, Set::between(CASED_LETTERS), ALL, Tail::Nothing)];
    DEEPSEEK_SIGNS = r"\s?[!-/:-~！-／：-～‘-‟\x{3000}-。]+",
        &[Run(Lead::AnySpace, Set::between(&[
            ('!', '/'), (':', '~'), ('！', '／'), ('：', '～'), ('‘', '‟'), ('\u{3000}', '。'),
        ]), ALL, Tail::Nothing)];
    ANY_LETTERS = r"\s?\p{L}+", &[Run(Lead::AnySpace, LETTERS, ALL, Tail::Nothing)];
    ANY_PUNCTUATION = r"\s?\p{P}+", &[Run(Lead::AnySpace, Set::of(P), ALL, Tail::Nothing)];
    SIGN_RUN = r"[\p{P}\$\+<=>\^~\|]+",
        &[Run(Lead::Nothing, Set {
            classes: P,
            ranges: &[('$', '$'), ('+', '+'), ('<', '>'), ('^', '^'), ('~', '~'), ('|', '|')],
            except: &[],
        }, ALL, Tail::Nothing)];
    FALCON_SIGN_RUN = r"[\p{P}\$\+<=>\^~\|`]+",
        &[Run(Lead::Nothing, Set {
            classes: P,
            ranges: &[('$', '$'), ('+', '+'), ('<', '>'), ('^', '^'), ('`', '`'), ('~', '~'), ('|', '|')],
            except: &[],
        }, ALL, Tail::Nothing)];
    BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+",
        &[Run(Lead::Space, Set {
            classes: !SPACE,
            ranges: &[],
            except: &[
                ('(', ')'), ('|', '|'), ('.', '.'), (',', ','), ('!', '!'), ('?', '?'), ('…', '…'),
                ('。', '。'), ('，', '，'), ('、', '、'), ('।', '।'), ('۔', '۔'), ('،', '،'),
            ],
        }, ALL, Tail::Nothing)];
    SENTINELS = r"<sentinel:[0-9]+>", &[Sentinel];
    IMAGES = r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", &[Image];
    INDENTS = r"([\t\n]|    |  )", &[Indent];
    SIGN = r"[\p{P}!-/:-@\[-`{-~]",
        &[OneOf(Set {
            classes: P,
            ranges: &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
            except: &[],
        })];
    LINES_APART = r"[^\n]+|[\n]+",
        &[
            Run(Lead::Nothing, Set { classes: !0, ranges: &[], except: &[('\n', '\n')] }, ALL, Tail::Nothing),
            Run(Lead::Nothing, Set::between(&[('\n', '\n')]), ALL, Tail::Nothing),
        ];
    NO_SPACES = r"\S+", &[Run(Lead::Nothing, Set::of(!SPACE), ALL, Tail::Nothing)];
}

pub(super) static TRAILING_SPACES: Expression =
    Expression { definition: Some(r"\s+$"), scan: Scan::TrailingSpaces };

pub(super) static NUMBERS_BY_THREE: Expression =
    Expression { definition: None, scan: Scan::NumbersByThree };

pub(super) static BEFORE_TRIPLES: Expression =
    Expression { definition: Some(r"(?=([0-9]{3})+(?![0-9]))"), scan: Scan::BeforeTriples };

const LINE_END: Set = Set::between(&[('\r', '\r'), ('\n', '\n')]);
const HAN_AND_KANA: Set = Set::between(&[('一', '龥'), ('\u{3040}', 'ヿ')]);

const HAN: &[(char, char)] = &[
    ('\u{4e00}', '\u{9fff}'),
    ('\u{3400}', '\u{4dbf}'),
    ('\u{20000}', '\u{2a6df}'),
    ('\u{2a700}', '\u{2ebef}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{2f800}', '\u{2fa1f}'),
];

/// `[A-Za-zµÀ-Ö…]` of [`DEEPSEEK_LETTERS`].
#[rustfmt::skip]
const CASED_LETTERS: &[(char, char)] = &[
    ('A', 'Z'), ('a', 'z'), ('\u{b5}', '\u{b5}'), ('\u{c0}', '\u{d6}'), ('\u{d8}', '\u{f6}'),
    ('\u{f8}', '\u{1ba}'), ('\u{1bc}', '\u{1bf}'), ('\u{1c4}', '\u{293}'), ('\u{295}', '\u{2af}'),
    ('\u{370}', '\u{373}'), ('\u{376}', '\u{376}'), ('\u{377}', '\u{377}'),
    ('\u{37b}', '\u{37d}'), ('\u{37f}', '\u{37f}'), ('\u{386}', '\u{386}'),
    ('\u{388}', '\u{38a}'), ('\u{38c}', '\u{38c}'), ('\u{38e}', '\u{3a1}'),
    ('\u{3a3}', '\u{3f5}'), ('\u{3f7}', '\u{481}'), ('\u{48a}', '\u{52f}'),
    ('\u{531}', '\u{556}'), ('\u{10a0}', '\u{10c5}'), ('\u{13a0}', '\u{13f5}'),
    ('\u{13f8}', '\u{13fd}'), ('\u{1c90}', '\u{1cba}'), ('\u{1cbd}', '\u{1cbf}'),
    ('\u{1d00}', '\u{1d2b}'), ('\u{1d6b}', '\u{1d77}'), ('\u{1d79}', '\u{1d9a}'),
    ('\u{1e00}', '\u{1f15}'), ('\u{1f18}', '\u{1f1d}'), ('\u{1f20}', '\u{1f45}'),
    ('\u{1f48}', '\u{1f4d}'), ('\u{1f50}', '\u{1f57}'), ('\u{1f59}', '\u{1f59}'),
    ('\u{1f5b}', '\u{1f5b}'), ('\u{1f5d}', '\u{1f5d}'), ('\u{1f5f}', '\u{1f7d}'),
    ('\u{1f80}', '\u{1fb4}'), ('\u{1fb6}', '\u{1fbc}'), ('\u{1fbe}', '\u{1fbe}'),
    ('\u{1fc2}', '\u{1fc4}'), ('\u{1fc6}', '\u{1fcc}'), ('\u{1fd0}', '\u{1fd3}'),
    ('\u{1fd6}', '\u{1fdb}'), ('\u{1fe0}', '\u{1fec}'), ('\u{1ff2}', '\u{1ff4}'),
    ('\u{1ff6}', '\u{1ffc}'), ('\u{2102}', '\u{2102}'), ('\u{2107}', '\u{2107}'),
    ('\u{210a}', '\u{2113}'), ('\u{2115}', '\u{2115}'), ('\u{2119}', '\u{211d}'),
    ('\u{2124}', '\u{2124}'), ('\u{2126}', '\u{2126}'), ('\u{2128}', '\u{2128}'),
    ('\u{212a}', '\u{212d}'), ('\u{212f}', '\u{2134}'), ('\u{2139}', '\u{2139}'),
    ('\u{213c}', '\u{213f}'), ('\u{2145}', '\u{2149}'), ('\u{214e}', '\u{214e}'),
    ('\u{2183}', '\u{2183}'), ('\u{2184}', '\u{2184}'), ('\u{2c00}', '\u{2c7b}'),
    ('\u{2c7e}', '\u{2ce4}'), ('\u{2ceb}', '\u{2cee}'), ('\u{2cf2}', '\u{2cf2}'),
    ('\u{2cf3}', '\u{2cf3}'), ('\u{a640}', '\u{a66d}'), ('\u{a680}', '\u{a69b}'),
    ('\u{a722}', '\u{a76f}'), ('\u{a771}', '\u{a787}'), ('\u{a78b}', '\u{a78e}'),
    ('\u{ab70}', '\u{abbf}'), ('\u{fb00}', '\u{fb06}'), ('\u{fb13}', '\u{fb17}'),
    ('\u{ff21}', '\u{ff3a}'), ('\u{ff41}', '\u{ff5a}'), ('\u{10400}', '\u{1044f}'),
    ('\u{104b0}', '\u{104d3}'), ('\u{104d8}', '\u{104fb}'), ('\u{10c80}', '\u{10cb2}'),
    ('\u{10cc0}', '\u{10cf2}'), ('\u{118a0}', '\u{118df}'), ('\u{1e900}', '\u{1e943}'),
];
