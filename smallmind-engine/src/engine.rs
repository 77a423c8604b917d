//! A model and its tokenizer, loaded once and shared.

use crate::choice::Mask;
use crate::detached::detached;
use crate::memory::require_weights;
use crate::{Error, InferenceSession, SessionOptions};
use smallmind_abstractions::{
    CancellationToken, Constraint, DecodeOptions, Metadata, TokenId, Tokenizer,
};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{LoadOptions, Model, Precision};
use smallmind_tokenizers::GgufTokenizerFactory;
use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "constrained")]
use {crate::constrained::Grammars, std::sync::OnceLock};

/// How an [`Engine`] is loaded.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Threads that compute; the physical cores this process may use where
    /// `None`. Results do not depend on it.
    pub threads: Option<usize>,
    /// How exactly products with quantized weights are computed.
    pub precision: Precision,
    /// What builds the tokenizer: how strict it is, and which rule cuts text
    /// where the file names none that is known.
    pub tokenizer: GgufTokenizerFactory,
}

/// A loaded model with its tokenizer. Clones share it.
///
/// ```no_run
/// use smallmind_abstractions::CancellationToken;
/// use smallmind_engine::{Engine, EngineOptions};
///
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &CancellationToken::new())?;
/// println!("{} on {} threads", engine.model().config().architecture, engine.model().threads());
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    metadata: Metadata,
    tokenizer: Arc<dyn Tokenizer>,
    model: Model,
    #[cfg(feature = "constrained")]
    grammars: OnceLock<Grammars>,
    #[cfg(feature = "chat")]
    chat: crate::chat::Shared,
}

impl Engine {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// What the file has wrong ([`Error::Runtime`], [`Error::Tokenizer`],
    /// [`Error::VocabularyMismatch`]), [`Error::InsufficientMemory`], or that `cancel` was cancelled.
    pub fn load(
        path: impl AsRef<Path>,
        options: EngineOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let (path, factory) = (path.as_ref().to_owned(), options.tokenizer);
        let (file, tokenizer) = detached(cancel, move || {
            let file = ModelFile::open(&path)?;
            require_weights(&file)?;
            let tokenizer = factory.build(file.metadata())?;
            Ok((file, tokenizer))
        })?;
        let load =
            LoadOptions { threads: options.threads, precision: options.precision, kernels: None };
        // Before the weights are packed: those give back the pages that this reads.
        #[cfg(feature = "chat")]
        let chat = crate::chat::Shared::of(&file);
        let model = Model::load(&file, &load, cancel)?;
        let (tokens, embeddings) = (tokenizer.vocab_size(), model.config().vocab_size);
        if tokens != embeddings {
            return Err(Error::VocabularyMismatch { tokens, embeddings });
        }
        let metadata = file.metadata().clone();
        let shared = Shared {
            metadata,
            tokenizer,
            model,
            #[cfg(feature = "constrained")]
            grammars: OnceLock::new(),
            #[cfg(feature = "chat")]
            chat,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The metadata of the file.
    pub fn metadata(&self) -> &Metadata {
        &self.shared.metadata
    }

    /// The tokenizer of the file.
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.shared.tokenizer
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.shared.model
    }

    /// What chats with this model share.
    #[cfg(feature = "chat")]
    pub(crate) fn chat_parts(&self) -> &crate::chat::Shared {
        &self.shared.chat
    }

    /// What holds a text to `constraint`.
    #[cfg(feature = "constrained")]
    pub(crate) fn mask(
        &self,
        constraint: Constraint,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn Mask>, Error> {
        let shared = Arc::clone(&self.shared);
        detached(cancel, move || {
            let grammars = match shared.grammars.get() {
                Some(grammars) => grammars,
                None => {
                    let grammars = Grammars::new(&shared.tokenizer)?;
                    shared.grammars.get_or_init(|| grammars)
                }
            };
            let constrained: Box<dyn Mask> = Box::new(grammars.begin(&constraint)?);
            Ok(constrained)
        })
    }

    /// Says which feature would hold a text to a constraint.
    #[cfg(not(feature = "constrained"))]
    pub(crate) fn mask(
        &self,
        _: Constraint,
        _: &CancellationToken,
    ) -> Result<Box<dyn Mask>, Error> {
        let reason = "smallmind-engine was built without its feature 'constrained'".to_owned();
        Err(Error::Constraint { reason })
    }

    /// The tokens whose text has one of `texts` in it, for
    /// [`Dry::breakers`](smallmind_abstractions::Dry::breakers).
    pub fn tokens_containing(&self, texts: &[&str]) -> Vec<TokenId> {
        let options = DecodeOptions { continuation: true, ..Default::default() };
        let mut bytes = Vec::new();
        let mut contains = |id: &TokenId| {
            bytes.clear();
            let known = self.tokenizer().token_bytes_into(*id, options, &mut bytes).is_ok();
            known
                && texts.iter().any(|text| {
                    bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes())
                })
        };
        (0..self.tokenizer().vocab_size() as TokenId).filter(|id| contains(id)).collect()
    }

    /// A session with an empty context. Sessions share the model and nothing
    /// else.
    ///
    /// # Errors
    /// [`Error::Runtime`] where the context is longer than the model was
    /// trained for; [`Error::InsufficientMemory`].
    pub fn session(&self, options: SessionOptions) -> Result<InferenceSession, Error> {
        InferenceSession::new(self.clone(), options)
    }
}
