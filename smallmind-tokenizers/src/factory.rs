//! From metadata to the right tokenizer.

use crate::Error;
use crate::byte_bpe::ByteBpe;
use crate::sentencepiece::SentencePiece;
use crate::vocabulary::{Defaults, Vocabulary};
use smallmind_abstractions::{Metadata, Tokenizer};
use std::sync::Arc;

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";

/// Builds the tokenizer that a GGUF file's metadata calls for.
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
pub struct GgufTokenizerFactory {}

impl GgufTokenizerFactory {
    /// A factory.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tokenizer of a file.
    ///
    /// # Errors
    /// [`Error`], which says what is missing, wrong or not supported.
    pub fn build(&self, metadata: &Metadata) -> Result<Arc<dyn Tokenizer>, Error> {
        match metadata.get::<&str>(MODEL)? {
            "gpt2" => {
                let defaults = Defaults { bos: Some(11), eos: Some(11), ..Default::default() };
                let pre = metadata.get_optional::<&str>(PRE)?.unwrap_or("default");
                let add_bos = ["llama3", "llama-v3", "llama-bpe", "falcon3"].contains(&pre);
                let vocabulary = Vocabulary::read(metadata, Defaults { add_bos, ..defaults })?;
                Ok(Arc::new(ByteBpe::new(metadata, vocabulary, pre)?))
            }
            "llama" => {
                let (bos, eos, unk) = (Some(1), Some(2), Some(0));
                let vocabulary =
                    Vocabulary::read(metadata, Defaults { bos, eos, unk, add_bos: true })?;
                Ok(Arc::new(SentencePiece::new(metadata, vocabulary)?))
            }
            other => Err(Error::UnsupportedModel {
                found: other.escape_debug().to_string(),
                supported: "gpt2, llama".to_owned(),
            }),
        }
    }
}
