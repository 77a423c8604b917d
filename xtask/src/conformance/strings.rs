//! Strings that tokenizers find hard, the same ones every time.

use smallmind_abstractions::{TokenId, TokenKind, Tokenizer};
use std::fmt;

/// A text and how it is encoded.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) text: Vec<u8>,
    pub(super) parse_special: bool,
    pub(super) add_special: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, parse_special, add_special } = self;
        write!(f, "{:?} ", String::from_utf8_lossy(text))?;
        write!(
            f,
            "({}; parse_special {parse_special}, add_special {add_special})",
            text.escape_ascii()
        )
    }
}

/// Texts in many languages and source code: whole, and line by line.
pub(super) fn languages() -> Vec<Vec<u8>> {
    const TEXTS: [&str; 2] = [
        include_str!("../../conformance/texts/languages.txt"),
        include_str!("../../conformance/texts/code.txt"),
    ];
    let lines = TEXTS.iter().flat_map(|text| text.split_inclusive('\n'));
    let paragraphs = TEXTS.iter().flat_map(|text| text.split("\n\n"));
    lines.chain(paragraphs).chain(TEXTS).map(|text| text.as_bytes().to_vec()).collect()
}

/// `count` strings, some of them with tokens of the vocabulary.
pub(super) fn generate(name: &str, tokenizer: &dyn Tokenizer, count: usize) -> Vec<Case> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut generator = Generator { state: seed | 1, tokenizer, special: special(tokenizer) };
    (0..count).map(|_| generator.case()).collect()
}

/// Tokens that texts must not be able to smuggle in, and those always cut out.
fn special(tokenizer: &dyn Tokenizer) -> Vec<TokenId> {
    let ids = 0..tokenizer.vocab_size() as TokenId;
    let special = [TokenKind::Control, TokenKind::UserDefined, TokenKind::Unknown];
    ids.filter(|id| tokenizer.token_kind(*id).is_some_and(|kind| special.contains(&kind))).collect()
}

struct Generator<'a> {
    state: u64,
    tokenizer: &'a dyn Tokenizer,
    special: Vec<TokenId>,
}

/// First and last code points of blocks that differ in how they are cut.
const BLOCKS: &[(u32, u32)] = &[
    (0x00, 0x7f),
    (0x80, 0x24f),
    (0x250, 0x2ff),
    (0x300, 0x36f),
    (0x370, 0x52f),
    (0x531, 0x5f4),
    (0x600, 0x6ff),
    (0x700, 0x8ff),
    (0x900, 0xdff),
    (0xe00, 0xfff),
    (0x1000, 0x17ff),
    (0x1800, 0x1cff),
    (0x1d00, 0x1fff),
    (0x2000, 0x20cf),
    (0x20d0, 0x2bff),
    (0x2c00, 0x2fff),
    (0x3000, 0x33ff),
    (0x3400, 0x4dff),
    (0x4e00, 0x9fff),
    (0xa000, 0xabff),
    (0xac00, 0xd7ff),
    (0xe000, 0xf8ff),
    (0xf900, 0xffff),
    (0x1_0000, 0x1_0fff),
    (0x1_1000, 0x1_6fff),
    (0x1_b000, 0x1_d7ff),
    (0x1_e000, 0x1_faff),
    (0x2_0000, 0x3_23af),
    (0xe_0000, 0xe_01ff),
    (0x0, 0x10_ffff),
];

const CHUNKS: &[&[&str]] = &[
    &[
        "I'm", "don't", "DON'T", "we'LL", "they'Re", "it’s", "'s", "'S", "'d", "'ve", "o'clock",
        "''", "l'été",
    ],
    &[
        " ", "  ", "   ", "\t", "    ", "\u{a0}", "\u{3000}", "\u{2009}", "\u{85}", "\u{2028}",
        "\u{200b}", "\u{feff}",
    ],
    &["\n", "\r\n", "\r", "\n\n", "\n\n\n", " \n", "\n ", "\t\n", "\r\n\r\n"],
    &["👍", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☺︎", "🦀", "1️⃣", "🤷🏻‍♀️"],
    &[
        "世界",
        "你好，世界。",
        "漢字かな交じり文",
        "カタカナ",
        "한국어",
        "안녕하세요",
        "豈更車",
        "ㄱㄴㄷ",
        "ｆｕｌｌ",
    ],
    &["مرحبا", "السَّلامُ", "שָׁלוֹם", "۱۲۳", "٤٥٦", "؟", "،"],
    &["नमस्ते", "क्षत्रिय", "বাংলা", "தமிழ்", "తెలుగు", "ภาษาไทย", "ខ្មែរ", "မြန်မာ", "።"],
    &[
        "é",
        "e\u{301}",
        "ñ",
        "Å",
        "ﬁ",
        "ß",
        "ẞ",
        "İ",
        "ı",
        "ǅ",
        "ﷺ",
        "a\u{300}\u{301}\u{302}",
        "Ω",
        "Ⅷ",
        "½",
        "x²",
    ],
    &[
        "Straße",
        "naïve",
        "Привет",
        "Ελλάδα",
        "İstanbul'da",
        "čeština",
        "Việt",
        "ÉCOLE",
        "École",
        "camelCase",
        "XMLHttp",
    ],
    &[
        "(", ")", "{", "}", "[]", "!=", "==", "=>", "->", "...", "…", "!!", "?!", "#", "@", "/",
        "//", "/*", "*/", "`", "~", "|", "^", "$", "%", "«»", "“", "”", "—", "_", "\\",
    ],
    &[
        "fn main() {",
        "return x;",
        "self.value",
        "int* p = &x;",
        "<div class=\"a\">",
        "</div>",
        "SELECT *",
        "0xFF",
        "1e-5",
        "a_b_c",
        "http://a.b/c?d=e",
    ],
    &[
        "<sentinel:12>",
        "IMGIMGABCZ",
        "<0x0A>",
        "<0xFF>",
        "▁",
        "▁▁",
        "Ġ",
        "Ċ",
        "<unk>",
        "</s>",
        "[MASK]",
        "<|im_end|>",
    ],
];

/// Bytes that are no UTF-8: stray, cut short, overlong, surrogates.
const INVALID: &[&[u8]] = &[
    b"\x80",
    b"\xbf\xbf",
    b"\xc3",
    b"\xc0\xaf",
    b"\xe4\xb8",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xf0\x9f\xa6",
    b"\xfe",
    b"\xff\xff",
    b"\xe0\x80\xaf",
];

impl Generator<'_> {
    fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 32) as usize % n
    }

    fn case(&mut self) -> Case {
        let mut text = Vec::new();
        for _ in 0..1 + self.below(16) {
            self.chunk(&mut text);
            if self.below(3) == 0 {
                text.push(b' ');
            }
        }
        Case { text, parse_special: self.below(2) == 0, add_special: self.below(4) == 0 }
    }

    fn chunk(&mut self, text: &mut Vec<u8>) {
        match self.below(20) {
            0..8 => {
                let list = CHUNKS[self.below(CHUNKS.len())];
                text.extend(list[self.below(list.len())].as_bytes());
            }
            8..10 => self.word(text),
            10 => self.digits(text),
            11 => self.spaces(text),
            12..14 => self.characters(text),
            14 => text.extend(INVALID[self.below(INVALID.len())]),
            15..17 => self.special_token(text),
            _ => {
                let id = self.below(self.tokenizer.vocab_size());
                text.extend(self.tokenizer.token_text(id as TokenId).unwrap_or_default());
            }
        }
    }

    fn word(&mut self, text: &mut Vec<u8>) {
        let (case, len) = (self.below(4), 1 + self.below(9));
        for at in 0..len {
            let letter = b'a' + self.below(26) as u8;
            let upper = case == 0 || (case == 1 && at == 0) || (case == 2 && self.below(2) == 0);
            text.push(if upper { letter.to_ascii_uppercase() } else { letter });
        }
    }

    fn digits(&mut self, text: &mut Vec<u8>) {
        let zeros = ['0', '0', '0', '٠', '०', '０', '¼'];
        let zero = zeros[self.below(zeros.len())] as u32;
        for _ in 0..1 + self.below(12) {
            let base = if self.below(9) == 0 { '0' as u32 } else { zero };
            let digit = self.below(if zero == 0xbc { 3 } else { 10 }) as u32;
            push(base + digit, text);
        }
    }

    fn spaces(&mut self, text: &mut Vec<u8>) {
        let space = CHUNKS[1][self.below(4)];
        for _ in 0..1 + self.below(20) {
            text.extend(space.as_bytes());
        }
    }

    /// Characters of one block, assigned or not.
    fn characters(&mut self, text: &mut Vec<u8>) {
        let (first, last) = BLOCKS[self.below(BLOCKS.len())];
        for _ in 0..1 + self.below(6) {
            let code = first + self.below((last - first + 1) as usize) as u32;
            push(code, text);
        }
    }

    fn special_token(&mut self, text: &mut Vec<u8>) {
        if self.special.is_empty() {
            return;
        }
        let index = self.below(self.special.len());
        let id = self.special[index];
        let name = self.tokenizer.token_text(id).unwrap_or_default();
        // Now and then cut short, or with a part of itself.
        let cut = if self.below(4) == 0 { self.below(name.len() + 1) } else { name.len() };
        text.extend(&name[..cut]);
        if self.below(6) == 0 {
            text.extend(name);
        }
    }
}

fn push(code: u32, text: &mut Vec<u8>) {
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    text.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
}
