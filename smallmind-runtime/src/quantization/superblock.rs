//! Blocks of 256 weights, whose groups' scales are themselves codes of a few
//! bits with one scale of scales.
//!
//! Each group's scale is fitted alone first. Then, in turns, the groups take
//! the best codes for the scale of scales, and the scale of scales becomes the
//! best for the groups' codes, by least squares.

use super::encode::half;
use super::search::{self, Grid, Linear, inverse, round, sums};
use half::f16;

/// Weights in a block.
pub(super) const WEIGHTS: usize = 256;
/// The most groups that a block has.
const GROUPS: usize = 16;
/// Times that groups and the block give way to each other.
const TURNS: usize = 3;

/// A block whose groups have a signed scale.
pub(super) struct Signed {
    pub(super) d: f16,
    /// Of each group.
    pub(super) scales: [i8; GROUPS],
    pub(super) codes: [u8; WEIGHTS],
}

/// Fits groups of `N` weights with values of `G` and scales from `-HALF` to
/// `HALF - 1`.
pub(super) fn signed<G: Grid, const N: usize, const HALF: i32>(x: &[f32]) -> Signed {
    let groups = x.as_chunks::<N>().0;
    let mut fits = [0.0; GROUPS];
    for (fit, x) in fits.iter_mut().zip(groups) {
        *fit = search::scale::<G>(x);
    }
    let largest = fits.iter().fold(0.0f32, |a, b| if b.abs() > a.abs() { *b } else { a });
    let mut d = half(largest / -HALF as f32);
    let mut best = (f32::INFINITY, d, [0.0; GROUPS]);
    for _ in 0..TURNS {
        let (mut scales, mut total) = ([0.0; GROUPS], 0.0);
        let (mut xq, mut qq) = (0.0, 0.0);
        for ((scale, x), fit) in scales.iter_mut().zip(groups).zip(fits) {
            let found = signed_scale::<G, HALF>(x, d.to_f32(), fit);
            *scale = found.scale;
            total += found.error;
            xq += found.scale * found.xq;
            qq += found.scale * found.scale * found.qq;
        }
        if total < best.0 {
            best = (total, d, scales);
        }
        d = half(xq * inverse(qq));
    }
    let (_, d, scales) = best;
    let mut codes = [0; WEIGHTS];
    for ((codes, x), scale) in codes.as_chunks_mut::<N>().0.iter_mut().zip(groups).zip(scales) {
        let inverse = inverse(d.to_f32() * scale);
        for (code, x) in codes.iter_mut().zip(x) {
            *code = G::code(G::nearest(x * inverse));
        }
    }
    Signed { d, scales: scales.map(|s| s as i8), codes }
}

/// The scale that a group takes, and what its codes then add up to.
struct Scaled {
    scale: f32,
    error: f32,
    xq: f32,
    qq: f32,
}

/// The best of the scales near to the one that was fitted.
fn signed_scale<G: Grid, const HALF: i32>(x: &[f32], d: f32, fit: f32) -> Scaled {
    let mut best = Scaled { scale: 0.0, error: f32::INFINITY, xq: 0.0, qq: 0.0 };
    let near = round(limit(fit * inverse(d), -HALF, HALF - 1));
    for change in [0.0, -1.0, 1.0] {
        let scale = limit(near + change, -HALF, HALF - 1);
        let full = d * scale;
        let inverse = inverse(full);
        let [error, xq, qq] = sums(x, |x| {
            let q = G::nearest(x * inverse);
            let off = x - full * q;
            [off * off, x * q, q * q]
        });
        if error < best.error {
            best = Scaled { scale, error, xq, qq };
        }
    }
    best
}

/// A block whose groups have a scale and a minimum, neither below zero:
/// `weight = d * scale * code - d_min * minimum`.
pub(super) struct WithMinimums {
    pub(super) d: f16,
    pub(super) d_min: f16,
    /// Of each group.
    pub(super) scales: [u8; GROUPS],
    /// Of each group.
    pub(super) minimums: [u8; GROUPS],
    pub(super) codes: [u8; WEIGHTS],
}

/// Fits groups of `N` weights with codes from 0 to `LAST`, scales and minimums
/// from 0 to `MOST`.
pub(super) fn with_minimums<const N: usize, const LAST: i32, const MOST: i32>(
    x: &[f32],
) -> WithMinimums {
    let groups = x.as_chunks::<N>().0;
    let mut fits = [(0.0, 0.0); GROUPS];
    for (fit, x) in fits.iter_mut().zip(groups) {
        let (scale, minimum) = search::affine::<LAST>(x, true);
        *fit = (scale, -minimum);
    }
    let largest = fits.iter().fold((0.0f32, 0.0f32), |a, b| (a.0.max(b.0), a.1.max(b.1)));
    let mut d = (half(largest.0 / MOST as f32), half(largest.1 / MOST as f32));
    let mut best = (f32::INFINITY, d, [(0.0, 0.0); GROUPS]);
    for _ in 0..TURNS {
        let floats = (d.0.to_f32(), d.1.to_f32());
        let (mut chosen, mut total, mut normal) = ([(0.0, 0.0); GROUPS], 0.0, [0.0; 5]);
        for ((pair, x), fit) in chosen.iter_mut().zip(groups).zip(fits) {
            let error;
            (*pair, error) = pair_near::<LAST, MOST>(x, floats, fit);
            total += error;
            add_normal::<LAST>(&mut normal, x, floats, *pair);
        }
        if total < best.0 {
            best = (total, d, chosen);
        }
        let Some(next) = solve(normal) else { break };
        d = next;
    }
    let (_, d, chosen) = best;
    let mut codes = [0; WEIGHTS];
    for ((codes, x), pair) in codes.as_chunks_mut::<N>().0.iter_mut().zip(groups).zip(chosen) {
        let (scale, minimum) = (d.0.to_f32() * pair.0, d.1.to_f32() * pair.1);
        for (code, x) in codes.iter_mut().zip(x) {
            *code = Linear::<0, LAST>::nearest((x + minimum) * inverse(scale)) as u8;
        }
    }
    let (scales, minimums) = (chosen.map(|c| c.0 as u8), chosen.map(|c| c.1 as u8));
    WithMinimums { d: d.0, d_min: d.1, scales, minimums, codes }
}

/// The best pair of a scale and a minimum near to those that were fitted, and
/// its squared error.
fn pair_near<const LAST: i32, const MOST: i32>(
    x: &[f32],
    d: (f32, f32),
    fit: (f32, f32),
) -> ((f32, f32), f32) {
    let near = |fit: f32, d: f32| round(limit(fit * inverse(d), 0, MOST));
    let (scale, minimum) = (near(fit.0, d.0), near(fit.1, d.1));
    let mut best = ((scale, minimum), f32::INFINITY);
    for up in [0.0, -1.0, 1.0] {
        let scale = limit(scale + up, 0, MOST);
        let inverse = inverse(d.0 * scale);
        for up in [0.0, -1.0, 1.0] {
            let minimum = limit(minimum + up, 0, MOST);
            let [error] = sums(x, |x| {
                let above = x + d.1 * minimum;
                let off = above - d.0 * scale * Linear::<0, LAST>::nearest(above * inverse);
                [off * off]
            });
            if error < best.1 {
                best = ((scale, minimum), error);
            }
        }
    }
    best
}

/// Adds a group's part of the normal equations for `d` and `d_min`.
fn add_normal<const LAST: i32>(
    normal: &mut [f32; 5],
    x: &[f32],
    d: (f32, f32),
    (scale, minimum): (f32, f32),
) {
    let inverse = inverse(d.0 * scale);
    let terms = sums(x, |x| {
        let a = scale * Linear::<0, LAST>::nearest((x + d.1 * minimum) * inverse);
        [a * a, a * minimum, minimum * minimum, x * a, x * minimum]
    });
    normal.iter_mut().zip(terms).for_each(|(n, t)| *n += t);
}

/// `d` and `d_min` of least squares, where they are not below zero.
fn solve([aa, ab, bb, xa, xb]: [f32; 5]) -> Option<(f16, f16)> {
    let determinant = aa * bb - ab * ab;
    let (d, d_min) = if bb == 0.0 {
        (xa * inverse(aa), 0.0)
    } else {
        ((xa * bb - xb * ab) / determinant, (xa * ab - xb * aa) / determinant)
    };
    (d >= 0.0 && d_min >= 0.0).then(|| (half(d), half(d_min)))
}

fn limit(x: f32, least: i32, most: i32) -> f32 {
    x.max(least as f32).min(most as f32)
}
