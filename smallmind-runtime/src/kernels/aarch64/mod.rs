//! The lanes on 64-bit ARM.

mod neon;

pub(crate) use neon::{Dotprod, Neon};
