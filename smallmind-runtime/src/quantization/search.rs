//! The scales that let codes stand for a few weights with the least squared
//! error.
//!
//! Given codes `q`, the best scale is a matter of algebra; given a scale, the
//! best codes are a matter of rounding. So many scales are tried that differ in
//! where the outermost weights fall, each is improved by the algebra, and the
//! best stays.

/// Tries on either side of the scale that uses the codes' whole range.
const TRIES: i32 = 10;
/// Times that the best scale is improved by rounding again.
const REFINEMENTS: usize = 2;

/// The values that codes may have before they are scaled.
pub(super) trait Grid {
    /// The first and the last value.
    const ENDS: [f32; 2];
    /// How far apart two tries let the outermost weight fall.
    const STEP: f32;
    /// The value nearest to `x`; any where `x` is no number.
    fn nearest(x: f32) -> f32;
    /// The code of a value.
    fn code(value: f32) -> u8;
}

/// All integers of a range; codes count from the first.
pub(super) struct Linear<const FIRST: i32, const LAST: i32>;

impl<const FIRST: i32, const LAST: i32> Grid for Linear<FIRST, LAST> {
    const ENDS: [f32; 2] = [FIRST as f32, LAST as f32];
    const STEP: f32 = 0.1;
    #[inline(always)]
    fn nearest(x: f32) -> f32 {
        // `max` and `min` take the other where one is no number.
        round(x.max(FIRST as f32).min(LAST as f32))
    }
    #[inline(always)]
    fn code(value: f32) -> u8 {
        (value - FIRST as f32) as u8
    }
}

/// The sixteen values of IQ4_NL and IQ4_XS.
pub(super) struct Iq4;

impl Iq4 {
    const VALUES: [f32; 16] = [
        -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0,
        69.0, 89.0, 113.0,
    ];
}

impl Grid for Iq4 {
    const ENDS: [f32; 2] = [Self::VALUES[0], Self::VALUES[15]];
    const STEP: f32 = 2.0;
    #[inline(always)]
    fn nearest(x: f32) -> f32 {
        let steps = Self::VALUES
            .windows(2)
            .map(|pair| if x > (pair[0] + pair[1]) * 0.5 { pair[1] - pair[0] } else { 0.0 });
        steps.fold(Self::VALUES[0], |value, step| value + step)
    }
    #[inline(always)]
    fn code(value: f32) -> u8 {
        Self::VALUES.iter().filter(|v| **v < value).count() as u8
    }
}

/// To the nearest integer, for magnitudes below 2^22: the sum has no room for
/// a fraction.
#[inline(always)]
pub(super) fn round(x: f32) -> f32 {
    const NO_FRACTION: f32 = (3 << 22) as f32;
    (x + NO_FRACTION) - NO_FRACTION
}

/// What divides by `scale`; nothing where there is no scale.
#[inline(always)]
pub(super) fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// `Σ f(x)` for several sums at once, in a fixed order that vectors can follow.
#[inline(always)]
pub(super) fn sums<const S: usize>(x: &[f32], f: impl Fn(f32) -> [f32; S]) -> [f32; S] {
    let mut lanes = [[0.0f32; 8]; S];
    for x in x.as_chunks::<8>().0 {
        for (i, x) in x.iter().enumerate() {
            let terms = f(*x);
            for (lanes, term) in lanes.iter_mut().zip(terms) {
                lanes[i] += term;
            }
        }
    }
    lanes.map(|l| l.iter().sum())
}

/// The scale with which values of `G` stand best for `x`, whose length is a
/// multiple of 8.
pub(super) fn scale<G: Grid>(x: &[f32]) -> f32 {
    let largest = x.iter().fold(0.0f32, |a, b| if b.abs() > a.abs() { *b } else { a });
    // What the squared error is less than that of zeros, and the scale.
    let mut best = (0.0, 0.0);
    let attempt = |best: &mut (f32, f32), inverse: f32| {
        let [xq, qq] = sums(x, |x| {
            let q = G::nearest(x * inverse);
            [x * q, q * q]
        });
        let found = (xq * xq / qq, xq / qq);
        if found.0 > best.0 {
            *best = found;
        }
    };
    for end in G::ENDS {
        for k in -TRIES..=TRIES {
            attempt(&mut best, (end + G::STEP * k as f32) * inverse(largest));
        }
    }
    for _ in 0..REFINEMENTS {
        let inverse = inverse(best.1);
        attempt(&mut best, inverse);
    }
    best.1
}

/// The scale and the minimum with which codes from 0 to `LAST` stand best for
/// `x`, whose length is a multiple of 8: `x ≈ scale * code + minimum`. Where
/// `below` is set, the minimum is not above zero.
pub(super) fn affine<const LAST: i32>(x: &[f32], below: bool) -> (f32, f32) {
    let ceiling = if below { 0.0 } else { f32::INFINITY };
    let lowest = x.iter().fold(ceiling, |a, b| a.min(*b));
    let range = x.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b)) - lowest;
    let n = x.len() as f32;
    let [sum] = sums(x, |x| [x]);
    let mut best = (f32::NEG_INFINITY, 0.0, lowest);
    let attempt = |best: &mut (f32, f32, f32), inverse: f32, minimum: f32| {
        let [q, qq, xq] = sums(x, |x| {
            let q = Linear::<0, LAST>::nearest((x - minimum) * inverse);
            [q, q * q, x * q]
        });
        let determinant = n * qq - q * q;
        let mut scale = (n * xq - sum * q) / determinant;
        let mut minimum = (sum - scale * q) / n;
        if minimum > ceiling {
            (scale, minimum) = (xq / qq, 0.0);
        }
        let gain = scale * xq + minimum * sum;
        if gain > best.0 && scale > 0.0 {
            *best = (gain, scale, minimum);
        }
    };
    for k in -TRIES..=TRIES {
        attempt(&mut best, (LAST as f32 + 0.1 * k as f32) * inverse(range), lowest);
    }
    for _ in 0..REFINEMENTS {
        let (inverse, minimum) = (inverse(best.1), best.2);
        attempt(&mut best, inverse, minimum);
    }
    (best.1, best.2)
}
