//! What the pool's lists are made of; `tests/pool.rs` puts loom's in its place.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
