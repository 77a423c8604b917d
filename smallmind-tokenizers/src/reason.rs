//! The reason codes of what a tokenizer's metadata can have wrong. They are
//! part of the interface: programs match on them.

use smallmind_abstractions::ReasonCode;

/// There is no metadata, or no `tokenizer.ggml.model`.
pub const METADATA_MISSING: ReasonCode = ReasonCode::new("TOKENIZER_GGUF_METADATA_MISSING");
/// `tokenizer.ggml.model` names an algorithm that is not supported.
pub const MODEL_UNSUPPORTED: ReasonCode = ReasonCode::new("TOKENIZER_MODEL_UNSUPPORTED");
/// Tokens, scores or types are missing, empty, duplicate, of another type, or
/// not as many as they should be.
pub const VOCAB_PARTIAL: ReasonCode = ReasonCode::new("TOKENIZER_VOCAB_PARTIAL");
/// The algorithm merges, and there are no merges.
pub const MERGES_MISSING: ReasonCode = ReasonCode::new("TOKENIZER_MERGES_MISSING");
/// Merges do not name two parts, name what is no token, or come twice.
pub const MERGES_INVALID: ReasonCode = ReasonCode::new("TOKENIZER_MERGES_INVALID");
/// Byte-level BPE was built for want of a named algorithm.
pub const FALLBACK_BYTE_BPE: ReasonCode = ReasonCode::new("TOKENIZER_FALLBACK_BYTE_BPE");
/// The longest token of the table is taken, for want of anything better.
pub const FALLBACK_TOKENTABLE_ONLY: ReasonCode =
    ReasonCode::new("TOKENIZER_FALLBACK_TOKENTABLE_ONLY");
/// Byte-level BPE without `tokenizer.ggml.pre`.
pub const PRETOKENIZER_MISSING: ReasonCode = ReasonCode::new("TOKENIZER_PRETOKENIZER_MISSING");
/// `tokenizer.ggml.pre` names a rule that is not known.
pub const PRETOKENIZER_UNKNOWN: ReasonCode = ReasonCode::new("TOKENIZER_PRETOKENIZER_UNKNOWN");
/// The id of a special token is no token.
pub const SPECIAL_ID_OUT_OF_RANGE: ReasonCode =
    ReasonCode::new("TOKENIZER_SPECIAL_ID_OUT_OF_RANGE");
/// A special token that has to be added is not there.
pub const SPECIAL_TOKEN_MISSING: ReasonCode = ReasonCode::new("TOKENIZER_SPECIAL_TOKEN_MISSING");
/// Scores that are not numbers.
pub const SCORES_NOT_NUMBERS: ReasonCode = ReasonCode::new("TOKENIZER_SCORES_NOT_NUMBERS");
/// Bytes that no token stands for: text with them is lost.
pub const BYTES_MISSING: ReasonCode = ReasonCode::new("TOKENIZER_BYTES_MISSING");
/// Tokens that by their name are control tokens and by their type are not.
pub const TOKEN_TYPE_OVERRIDDEN: ReasonCode = ReasonCode::new("TOKENIZER_TOKEN_TYPE_OVERRIDDEN");
/// The normalization table is damaged.
pub const CHARSMAP_INVALID: ReasonCode = ReasonCode::new("TOKENIZER_CHARSMAP_INVALID");
/// The model has no vocabulary and takes ids alone.
pub const NO_VOCABULARY: ReasonCode = ReasonCode::new("TOKENIZER_NO_VOCABULARY");
/// A `tokenizer.json` has what GGUF has not.
#[cfg(feature = "hf")]
pub const TOKENIZER_JSON_UNSUPPORTED: ReasonCode = ReasonCode::new("TOKENIZER_JSON_UNSUPPORTED");
