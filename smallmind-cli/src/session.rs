//! What a model computes with.

use smallmind_engine::{CacheType, SessionOptions};

#[derive(clap::Args)]
pub(crate) struct SessionArgs {
    /// Threads; the physical cores where it is missing.
    #[arg(short, long)]
    pub(crate) threads: Option<usize>,
    /// Tokens that the context holds; 4096, or what the model was trained for.
    #[arg(short, long, value_name = "TOKENS")]
    ctx: Option<usize>,
    /// How keys and values are held: f32, f16 or q8_0.
    #[arg(long, value_name = "TYPE", default_value_t)]
    cache_type: CacheType,
}

impl SessionArgs {
    pub(crate) fn options(&self) -> SessionOptions {
        SessionOptions { context: self.ctx, cache_type: self.cache_type, ..Default::default() }
    }
}
