//! What guards are made of; `tests/guard.rs` puts loom's in its place.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
