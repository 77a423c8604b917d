//! Texts to vectors that lie close where texts mean alike.

mod network;

use crate::Error;
use network::Network;
use smallmind_abstractions::{
    CancellationToken, Embedder, EmbeddingRole, EncodeOptions, Error as AbstractError, Metadata,
    TokenId, Tokenizer,
};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{LoadOptions, Pooling, Precision};
use smallmind_tokenizers::GgufTokenizerFactory;
use std::path::Path;
use std::sync::Arc;

/// Tokens that are computed together: enough for products at full speed, and
/// little enough that a cancelled call ends at once.
const BATCH: usize = 1024;

/// How an [`EmbeddingModel`] is loaded.
#[derive(Debug, Clone, Default)]
pub struct EmbeddingOptions {
    /// Threads that compute; the physical cores this process may use where
    /// `None`. Results do not depend on it.
    pub threads: Option<usize>,
    /// How exactly products with quantized weights are computed.
    pub precision: Precision,
    /// How the vectors of tokens become one; as the file says where `None`, or
    /// else the mean of an encoder's and the last of a decoder's.
    pub pooling: Option<Pooling>,
    /// What is put before questions and before passages; what the
    /// architecture was trained with where `None`.
    pub prefixes: Option<[String; 2]>,
}

/// A model and its tokenizer: texts in, a vector of length 1 each out.
///
/// The model is an encoder, or a decoder that was trained for it, as
/// Qwen3-Embedding and E5-Mistral were.
///
/// A text longer than the model was trained for is cut to its first tokens,
/// which [`count`](Self::count) foretells.
///
/// ```no_run
/// use smallmind_abstractions::{CancellationToken, Embedder, EmbeddingRole};
/// use smallmind_engine::{EmbeddingModel, EmbeddingOptions};
///
/// let never = CancellationToken::new();
/// let options = EmbeddingOptions::default();
/// let model = EmbeddingModel::load("all-MiniLM-L6-v2.gguf", options, &never)?;
/// let texts = ["The cat sat.", "A cat was sitting."];
/// let vectors = model.embed(&texts, EmbeddingRole::Document, &never)?;
/// let (a, b) = vectors.split_at(model.dimensions());
/// let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
/// assert!(cosine > 0.8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EmbeddingModel {
    id: String,
    tokenizer: Arc<dyn Tokenizer>,
    network: Network,
    pooling: Pooling,
    prefixes: [String; 2],
}

impl EmbeddingModel {
    /// Loads a model from a GGUF or `.smq` file.
    ///
    /// # Errors
    /// What the file has wrong, that its architecture is not known, or that
    /// `cancel` was cancelled.
    pub fn load(
        path: impl AsRef<Path>,
        options: EmbeddingOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let file = ModelFile::open(path.as_ref())?;
        let load = LoadOptions {
            threads: options.threads,
            precision: options.precision,
            ..Default::default()
        };
        let network = Network::load(&file, &load, cancel)?;
        let tokenizer = GgufTokenizerFactory::new().build(file.metadata())?;
        let (tokens, embeddings) = (tokenizer.vocab_size(), network.vocab_size);
        if tokens != embeddings {
            return Err(Error::VocabularyMismatch { tokens, embeddings });
        }
        let pooling = options.pooling.unwrap_or(network.pooling);
        let trained = || trained_prefixes(network.architecture).map(str::to_owned);
        let prefixes = options.prefixes.unwrap_or_else(trained);
        let id = identity(file.metadata(), &network, pooling, &prefixes);
        Ok(Self { id, tokenizer, network, pooling, prefixes })
    }

    /// How many tokens of a text are read.
    pub fn context_length(&self) -> usize {
        self.network.context_length
    }

    /// The tokenizer of the file.
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    /// How many tokens a text is, those that begin and end it included. What
    /// is beyond [`context_length`](Self::context_length) is not read.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn count(&self, text: &str, role: EmbeddingRole) -> Result<usize, AbstractError> {
        Ok(self.all_tokens(text, role)?.len())
    }

    fn all_tokens(&self, text: &str, role: EmbeddingRole) -> Result<Vec<TokenId>, AbstractError> {
        let prefix = match role {
            EmbeddingRole::Query => &self.prefixes[0],
            EmbeddingRole::Document => &self.prefixes[1],
        };
        let options = EncodeOptions::default();
        if prefix.is_empty() {
            return self.tokenizer.encode(text, options);
        }
        self.tokenizer.encode(&format!("{prefix}{text}"), options)
    }

    /// The tokens that are computed: what ends a text stays where it is cut.
    fn tokens(&self, text: &str, role: EmbeddingRole) -> Result<Vec<TokenId>, AbstractError> {
        let (mut tokens, most) = (self.all_tokens(text, role)?, self.context_length());
        if let Some(&last) = tokens.last()
            && tokens.len() > most
        {
            tokens.truncate(most - 1);
            tokens.push(last);
        }
        Ok(tokens)
    }

    fn compute(
        &self,
        texts: &[&str],
        role: EmbeddingRole,
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, Error> {
        let mut tokens = Vec::with_capacity(texts.len());
        for text in texts {
            cancel.check().map_err(AbstractError::from)?;
            tokens.push(self.tokens(text, role)?);
        }
        // Texts of one length go together, so that a batch has few tokens more
        // than asked for; results do not depend on neighbours.
        let mut order: Vec<_> = (0..texts.len()).collect();
        order.sort_by_key(|i| tokens[*i].len());
        let length = self.dimensions();
        let mut out = vec![0.0; texts.len() * length];
        for batch in batches(&order, &tokens) {
            let sequences: Vec<_> = batch.iter().map(|i| &tokens[*i][..]).collect();
            self.network.encode(&sequences, cancel, |at, rows| {
                let vector = &mut out[batch[at] * length..][..length];
                self.pooling.pool(rows, vector);
                normalize(vector);
            })?;
        }
        Ok(out)
    }
}

impl Embedder for EmbeddingModel {
    fn id(&self) -> &str {
        &self.id
    }

    fn dimensions(&self) -> usize {
        self.network.length
    }

    fn embed(
        &self,
        texts: &[&str],
        role: EmbeddingRole,
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, AbstractError> {
        self.compute(texts, role, cancel).map_err(|error| match error {
            Error::Encoding(error) => error,
            Error::Runtime(smallmind_runtime::Error::Cancelled(cause)) => cause.into(),
            other => AbstractError::Part { part: "embedder".to_owned(), reason: other.to_string() },
        })
    }
}

/// Cuts an order of texts where enough tokens are together.
fn batches<'o>(
    order: &'o [usize],
    tokens: &'o [Vec<TokenId>],
) -> impl Iterator<Item = &'o [usize]> {
    let mut rest = order;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let enough = rest.iter().position(|i| {
            sum += tokens[*i].len();
            sum >= BATCH
        });
        let (batch, after) = rest.split_at(enough.map_or(rest.len(), |at| at + 1));
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Gives a vector the length 1; zeros stay zeros.
fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}

/// What an architecture's models were trained to see before a question and
/// before a passage. Source: the model card of nomic-embed-text.
fn trained_prefixes(architecture: &str) -> [&'static str; 2] {
    match architecture {
        "nomic-bert" => ["search_query: ", "search_document: "],
        _ => ["", ""],
    }
}

/// Tells vectors of one model from those of another.
fn identity(
    metadata: &Metadata,
    network: &Network,
    pooling: Pooling,
    [query, document]: &[String; 2],
) -> String {
    let name = metadata.get::<&str>("general.name").unwrap_or(network.architecture);
    let (layers, length, most) = (network.layers, network.length, network.context_length);
    format!("{name} {layers}x{length} {most} {pooling:?} {query:?} {document:?}")
}
