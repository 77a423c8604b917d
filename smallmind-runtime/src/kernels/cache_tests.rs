//! What goes into the cache comes out of it, as exactly as its type holds it.

use super::*;
use crate::kernels::Level;

fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let next = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next(&mut state)).collect()
}

#[test]
fn every_type_gives_back_what_was_put_in_on_every_level() {
    let bounds = [(CacheType::F32, 0.0), (CacheType::F16, 5e-4), (CacheType::Q8_0, 4.5e-3)];
    for (kind, bound) in bounds {
        for dim in [16, 64, 80, 256] {
            let heads = Heads { query: 2, kv: 2, dim };
            let mut found: Vec<Vec<u32>> = Vec::new();
            for kernels in Level::ALL.into_iter().filter_map(Kernels::new) {
                found.push(round_trip(kernels, kind, heads, bound));
            }
            assert!(found.windows(2).all(|w| w[0] == w[1]), "{kind} {dim}: levels differ");
        }
    }
}

/// Writes 70 positions of layer 1 and reads them back; returns the bits read.
fn round_trip(kernels: &Kernels, kind: CacheType, heads: Heads, bound: f32) -> Vec<u32> {
    const POSITIONS: usize = 70;
    let dim = heads.dim;
    let mut cache = KvCache::new(kind, heads, 2, 100).unwrap().unwrap();
    let (keys, values) = (values(POSITIONS * 2 * dim, 1), values(POSITIONS * 2 * dim, 2));
    let row = |p: usize, head: usize| (p * 2 + head) * dim..(p * 2 + head + 1) * dim;
    cache.own(0..POSITIONS).unwrap();
    let layer = cache.layer(1);
    for position in 0..POSITIONS {
        for head in 0..2 {
            // SAFETY: the cache is this test's alone, and so is each part.
            let part = unsafe { layer.head(position / BLOCK, head) };
            let both = [&keys[row(position, head)], &values[row(position, head)]];
            layer.put(kernels, part, position, both, &mut Buffer::default());
        }
    }
    let (mut k, mut v, mut bits) = (Buffer::default(), Buffer::default(), Vec::new());
    for position in 0..POSITIONS {
        for head in 0..2 {
            let layer = cache.layer(1);
            let block = layer.read(kernels, position / BLOCK, head, &mut k, &mut v);
            let lane = position % BLOCK;
            for d in 0..dim {
                let key = block.keys[d * BLOCK + lane];
                let value = block.values[lane * dim + d];
                let at = row(position, head).start + d;
                assert!((key - keys[at]).abs() <= bound, "{kind} key {key} {}", keys[at]);
                assert!((value - values[at]).abs() <= bound, "{kind} value {value}");
                bits.extend([key.to_bits(), value.to_bits()]);
            }
        }
    }
    let layer = cache.layer(0);
    let block = layer.read(kernels, 0, 0, &mut k, &mut v);
    assert!(block.keys.iter().chain(block.values).all(|v| *v == 0.0), "another layer is changed");
    bits
}

#[test]
fn a_cache_beyond_any_memory_is_none() {
    let heads = Heads { query: 1, kv: 1, dim: 64 };
    assert!(KvCache::new(CacheType::F16, heads, 1000, usize::MAX / 2).is_none());
}
