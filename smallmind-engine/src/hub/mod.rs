//! Models by name: a catalogue, where their files are kept, and how they get
//! there.
//!
//! ```no_run
//! use smallmind_abstractions::CancellationToken;
//! use smallmind_engine::hub::{ModelReference, ModelStore};
//! use smallmind_engine::{Engine, EngineOptions};
//!
//! let never = CancellationToken::new();
//! let store = ModelStore::open_default()?;
//! let model = ModelReference::parse("smollm2-135m")?;
//! let file = store.pull(&model, &mut |_| (), &never)?;
//! let engine = Engine::load(file, EngineOptions::default(), &never)?;
//! # Ok::<(), smallmind_engine::Error>(())
//! ```

mod catalogue;
mod digest;
mod http;
mod reference;
mod store;
mod wheels;

pub use catalogue::{CatalogueEntry, Source, catalogue};
pub use reference::ModelReference;
pub use store::{ModelStore, PullEvent, StoredModel};

/// Why one source did not give a file; the next one is tried.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    /// Something that another source may not have.
    #[error("{0}")]
    Failed(String),
    /// Nothing another source can help with.
    #[error(transparent)]
    Fatal(#[from] crate::Error),
}
