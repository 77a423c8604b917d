//! Search in documents: embedding, retrieving, ranking again.
//!
//! A *chunk* is a passage of a document, the unit that is found and cited.

use crate::{CancellationToken, Error};

/// The number a store gives a chunk. It is never given twice by one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub i64);

/// A chunk that was found, and how well it answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Which chunk.
    pub chunk: ChunkId,
    /// Larger is better; comparable only within one answer of one retriever.
    pub score: f32,
}

/// What a searcher may see.
///
/// A chunk without labels is for everybody; one with labels is for those who
/// hold at least one of them.
///
/// ```
/// use smallmind_abstractions::Access;
///
/// let staff = Access::labels(["staff", "user:ann"]);
/// assert!(staff.allows(&["staff"]) && staff.allows::<&str>(&[]));
/// assert!(!Access::default().allows(&["staff"]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// All chunks, whatever their labels: for the owner of the store.
    Everything,
    /// Chunks without labels, and those with one of these.
    Labels(Vec<String>),
}

impl Default for Access {
    /// Chunks without labels only.
    fn default() -> Self {
        Self::Labels(Vec::new())
    }
}

impl Access {
    /// The access of one who holds `labels`.
    pub fn labels<S: Into<String>>(labels: impl IntoIterator<Item = S>) -> Self {
        Self::Labels(labels.into_iter().map(Into::into).collect())
    }

    /// Whether a chunk with these labels may be seen.
    pub fn allows<S: AsRef<str>>(&self, chunk: &[S]) -> bool {
        match self {
            Self::Everything => true,
            Self::Labels(held) => {
                chunk.is_empty() || chunk.iter().any(|l| held.iter().any(|h| h == l.as_ref()))
            }
        }
    }
}

/// What a document must be for its chunks to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Its source starts so: a folder, for instance.
    SourceStartsWith(String),
    /// Its metadata has one of these values under this key.
    Metadata {
        /// The key.
        key: String,
        /// The values, of which one is enough.
        one_of: Vec<String>,
    },
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// The question.
    pub text: String,
    /// At most this many hits.
    pub limit: usize,
    /// On whose behalf.
    pub access: Access,
    /// What else must hold of a document, all of it.
    pub conditions: Vec<Condition>,
}

impl SearchRequest {
    /// The ten best of the chunks that everybody may see.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), limit: 10, access: Access::default(), conditions: Vec::new() }
    }

    /// The same with another question.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }

    /// The same in fewer documents.
    #[must_use]
    pub fn with_condition(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// The same with another number of hits.
    #[must_use]
    pub fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// The same on behalf of somebody.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }
}

/// On which side of a search a text stands: some models want another prefix
/// before a query than before a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddingRole {
    /// What is asked.
    Query,
    /// What is searched in.
    Document,
}

/// Turns texts into vectors that lie close where the texts mean the same.
///
/// ```
/// use smallmind_abstractions::{CancellationToken, Embedder, EmbeddingRole, Error};
///
/// /// Counts vowels.
/// struct Vowels;
///
/// impl Embedder for Vowels {
///     fn id(&self) -> &str {
///         "vowels"
///     }
///     fn dimensions(&self) -> usize {
///         5
///     }
///     fn embed(
///         &self,
///         texts: &[&str],
///         _role: EmbeddingRole,
///         cancel: &CancellationToken,
///     ) -> Result<Vec<f32>, Error> {
///         cancel.check()?;
///         let count = |text: &str, vowel| text.matches(vowel).count() as f32;
///         let row = |text| ['a', 'e', 'i', 'o', 'u'].map(|v| count(text, v));
///         Ok(texts.iter().flat_map(|t| row(t)).collect())
///     }
/// }
///
/// let rows = Vowels.embed(&["aloe", "it"], EmbeddingRole::Query, &CancellationToken::new())?;
/// assert_eq!(rows, [1., 1., 0., 1., 0., 0., 0., 1., 0., 0.]);
/// # Ok::<(), Error>(())
/// ```
pub trait Embedder: Send + Sync {
    /// What tells this model and its settings from others: vectors compare
    /// only with those of an embedder of the same id.
    fn id(&self) -> &str;

    /// The length of a vector.
    fn dimensions(&self) -> usize;

    /// The vectors of `texts`, one after the other: `texts.len() ×
    /// dimensions()` values. A text that is too long is cut. Implementations
    /// look at `cancel` at least every 50 ms.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what the model reports.
    fn embed(
        &self,
        texts: &[&str],
        role: EmbeddingRole,
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, Error>;
}

/// Finds the chunks that answer a request, best first.
pub trait Retriever: Send + Sync {
    /// A short name, as tables show it.
    fn name(&self) -> &str;

    /// At most `request.limit` chunks, all of which `request.access` and
    /// `request.conditions` allow, by falling score; equal scores by rising id.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what the store or the embedder reports.
    fn retrieve(
        &self,
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, Error>;
}

/// A vector and the model it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embedding<'a> {
    /// The [id](Embedder::id) of the embedder.
    pub embedder: &'a str,
    /// Its values.
    pub values: &'a [f32],
}

/// Keeps vectors of chunks and finds the nearest.
pub trait VectorStore: Send + Sync {
    /// At most `request.limit` chunks that `request` allows, by falling inner
    /// product with `query`; equal scores by rising id. The text of the
    /// request does not matter. A store without vectors finds nothing.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what the store reports: that its vectors are
    /// another embedder's, for one.
    fn nearest(
        &self,
        query: Embedding<'_>,
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, Error>;
}

/// Judges passages against a question more carefully than a retriever can.
pub trait Reranker: Send + Sync {
    /// A score for each of `passages`, in their order; larger is better.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what the model reports.
    fn score(
        &self,
        question: &str,
        passages: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, Error>;
}
