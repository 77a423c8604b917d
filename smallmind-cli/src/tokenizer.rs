//! How a command's tokenizer is built.

use smallmind_engine::GgufTokenizerFactory;

/// The arguments that say so.
#[derive(clap::Args)]
pub(crate) struct TokenizerArgs {
    /// Cut text by this rule where the file names none or one that is not
    /// known.
    #[arg(long, value_name = "NAME")]
    pre_tokenizer: Option<String>,
    /// Refuse a tokenizer that something is wrong with.
    #[arg(long)]
    strict: bool,
}

impl TokenizerArgs {
    pub(crate) fn factory(&self) -> GgufTokenizerFactory {
        let factory = GgufTokenizerFactory::new().strict(self.strict);
        match &self.pre_tokenizer {
            Some(name) => factory.pre_tokenizer(name),
            None => factory,
        }
    }
}
