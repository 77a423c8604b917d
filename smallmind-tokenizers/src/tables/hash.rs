//! A fast hash of short byte strings, seeded so that no file can be made to
//! collide.
//!
//! The bytes are folded by 64×64→128-bit products, as in wyhash (Wang Yi).

use std::hash::{BuildHasher, RandomState};

/// Seeds of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds(u64, u64);

impl Seeds {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        Self(random.hash_one(1u8), random.hash_one(2u8) | 1)
    }

    #[inline]
    pub(super) fn bytes(self, bytes: &[u8]) -> u64 {
        let mut state = self.0 ^ bytes.len() as u64;
        let mut rest = bytes;
        while rest.len() > 16 {
            state = fold(state ^ word(rest), self.1 ^ word(&rest[8..]));
            rest = &rest[16..];
        }
        let (low, high) = match rest.len() {
            8.. => (word(rest), word(&rest[rest.len() - 8..])),
            4..8 => (half(rest), half(&rest[rest.len() - 4..])),
            1..4 => {
                let middle = u64::from(rest[rest.len() / 2]) << 8;
                (u64::from(rest[0]) | middle | u64::from(rest[rest.len() - 1]) << 16, 0)
            }
            0 => (0, 0),
        };
        fold(state ^ low, self.1 ^ high)
    }

    #[inline]
    pub(super) fn number(self, number: u64) -> u64 {
        fold(number ^ self.0, self.1)
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[inline]
fn half(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk).into())
}
