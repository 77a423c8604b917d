//! Which of our rules cuts text as a `tokenizer.json` does.

use super::unsupported;
use crate::Error;
use crate::pretokenizer::{Habits, PreTokenizer, rules};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _, Tokenizer};

/// Texts that rules cut otherwise, one from the other.
const PROBES: &[&str] = &[
    "I don't, I'LL, we've 'tis 'S 'Re it'sx",
    "1 12 123 1234 12345678901 a1b22c333 x4567 ٣٤٥٦ ²³ ½ १२३",
    "Hello World HELLOWorld helloWORLD camelCaseWord ÉCOLEÉtudes ǅabc",
    "a  b   c\t\td \n e\r\n\r\nf \n\n  g   \n",
    "   leading and trailing     ",
    "path/to//file.rs:12 != && ||| ...!!! ?!/\n//\n #x $y _z __w",
    "中文字符和English混排，标点。学而时习之！「引号」",
    "日本語のカタカナとひらがな ー々 한국어 텍스트 입니다 ㄱㅏ",
    "हिन्दी में पाठ และภาษาไทย العربية עברית e\u{301}tude",
    "emoji 🦀🚀 👍🏽 👩\u{200d}🚀 ©®™ €£ ∑≠ \u{a0}x\u{3000}y\u{200b}z",
    "<|im_start|>[START_REF]x</s> IMGIMGABCZ [START_I_SMILES] IMGIMGAZI",
    "x\n\n\n    indented\n\t\ttabs 1\n2 3\n",
    "türkçe'nin İstanbul'da ABD'nin",
    "a b c d e f 가 나 다",
    "                                                                     x",
    "1,234.56 10:30 2024-01-02 0x1F 3.14e-10 v1.2.3",
    "¿Qué? ¡No! «bonjour» – — … “x” ‘y’",
];

/// The name of the rule, among those that go with `ignore_merges`.
pub(super) fn find(tokenizer: &Tokenizer, ignore_merges: bool) -> Result<&'static str, Error> {
    let theirs = PROBES.iter().map(|text| their_pieces(tokenizer, text));
    let theirs = theirs.collect::<Result<Vec<_>, _>>()?;
    let cuts_so = |name: &str| our_pieces(name).is_ok_and(|ours| ours == theirs);
    let fits = |name: &&&'static str| {
        let habits = Habits::of(name);
        habits.whole_pieces == ignore_merges
            && !(habits.text_tokens || habits.escape_spaces || habits.whole_lines)
            && !(habits.always_bos || habits.add_sep || habits.no_bos)
    };
    let mut same = rules().filter(|names| cuts_so(names[0]));
    same.find_map(|names| names.iter().find(fits)).copied().ok_or_else(|| {
        unsupported("cuts text as none of the rules for GGUF files does, so it would lose quality")
    })
}

/// The ends of the pieces that `tokenizers` cuts a text into.
fn their_pieces(tokenizer: &Tokenizer, text: &str) -> Result<Vec<usize>, Error> {
    let mut pieces = PreTokenizedString::from(text);
    if let Some(rule) = tokenizer.get_pre_tokenizer() {
        rule.pre_tokenize(&mut pieces).map_err(|e| unsupported(e.to_string()))?;
    }
    let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
    Ok(splits.into_iter().map(|(_, (_, end), _)| end).collect())
}

/// The ends of the pieces that a rule of ours cuts each probe into.
fn our_pieces(name: &str) -> Result<Vec<Vec<usize>>, Error> {
    let rule = PreTokenizer::named(name)?;
    let ends = |text: &&str| {
        let mut ends = Vec::new();
        rule.cut_until(text.as_bytes(), text.len(), &mut |piece| ends.push(piece.end));
        ends
    };
    Ok(PROBES.iter().map(ends).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_tell_every_rule_from_every_other() {
        let cuts: Vec<_> = rules().map(|names| (names[0], our_pieces(names[0]).unwrap())).collect();
        let twins = cuts.iter().enumerate().filter_map(|(i, (name, pieces))| {
            let twin = cuts[..i].iter().find(|(_, others)| others == pieces)?;
            Some([twin.0, *name])
        });
        // Written otherwise, these cut alike.
        assert_eq!(twins.collect::<Vec<_>>(), [["qwen2", "bailingmoe"], ["llama3", "minicpm5"]]);
    }
}
