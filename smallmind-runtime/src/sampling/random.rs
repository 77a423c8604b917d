//! The random generator.

/// xoshiro256++ 1.0 by David Blackman and Sebastiano Vigna, "Scrambled Linear
/// Pseudorandom Number Generators", ACM TOMS 47(4), 2021, seeded by SplitMix64
/// (Steele, Lea and Flood, OOPSLA 2014) as its authors advise.
#[derive(Debug, Clone)]
pub(super) struct Xoshiro256PlusPlus {
    state: [u64; 4],
}

impl Xoshiro256PlusPlus {
    pub(super) fn from_seed(mut seed: u64) -> Self {
        Self { state: std::array::from_fn(|_| split_mix_64(&mut seed)) }
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number from 0 to `end` - 1, where `end` is not 0. Each is as probable
    /// as any other to within 2⁻⁶⁴: the high half of the product of `end` and
    /// 64 random bits.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

fn split_mix_64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = *state;
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut generator = Xoshiro256PlusPlus { state: [1, 2, 3, 4] };
        let expected = [41943041, 58720359, 3588806011781223, 3591011842654386];
        assert_eq!(expected.map(|_| generator.next()), expected);
        let mut seed = 1234567;
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!(expected.map(|_| split_mix_64(&mut seed)), expected);
    }

    #[test]
    fn numbers_stay_below_the_end() {
        let mut generator = Xoshiro256PlusPlus::from_seed(0);
        assert_eq!(generator.below(1), 0);
        assert!((0..10_000).all(|_| generator.below(3) < 3));
        assert!((0..100).any(|_| generator.below(u64::MAX) > u64::MAX / 2));
    }
}
