//! The sampler against a naive twin, and its choices against probabilities.

use super::*;
use proptest::prelude::*;

/// What the filters keep, the slow way: sorts everything and follows the
/// definitions one after the other.
fn naive_kept(logits: &[f32], options: &SamplingOptions) -> Vec<Candidate> {
    let mut order: Vec<Candidate> = (0..)
        .zip(logits)
        .map(|(id, &logit)| Candidate { logit, id })
        .filter(|candidate| candidate.logit >= f32::MIN)
        .collect();
    order.sort_by(Candidate::rank);
    if options.top_k > 0 {
        order.truncate(options.top_k);
    }
    let max = order[0].logit;
    let weights: Vec<u64> =
        order.iter().map(|candidate| Scale::plain(max).weight(candidate.logit)).collect();
    if options.top_p < 1.0 {
        let target = f64::from(options.top_p) * weights.iter().sum::<u64>() as f64;
        let mut sum = 0;
        let last = weights.iter().position(|weight| {
            sum += weight;
            sum as f64 >= target
        });
        order.truncate(last.map_or(order.len(), |last| last + 1));
    }
    if options.min_p > 0.0 {
        let floor = max + f64::from(options.min_p).ln() as f32;
        order.retain(|candidate| candidate.logit >= floor);
    }
    order
}

fn kept(logits: &[f32], options: SamplingOptions) -> Vec<TokenId> {
    let mut sampler = Sampler::new(options).unwrap();
    let cutoff = sampler.cutoff(logits, scan::max(logits));
    scan::chunks(logits).flat_map(|chunk| scan::within(chunk, cutoff)).map(|c| c.id).collect()
}

fn logit() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -30.0f32..30.0,
        // Many equals.
        4 => (-3i8..3).prop_map(f32::from),
        1 => Just(f32::NAN),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(-0.0f32),
    ]
}

fn options() -> impl Strategy<Value = SamplingOptions> {
    let top_k = prop_oneof![Just(0), Just(1), 0usize..400];
    let top_p = prop_oneof![Just(1.0f32), Just(0.5), Just(1e-6), 0.001f32..1.0];
    let min_p = prop_oneof![Just(0.0f32), Just(1.0), 0.0f32..1.0, Just(1e-7)];
    (0.05f32..4.0, top_k, top_p, min_p, any::<u64>()).prop_map(
        |(temperature, top_k, top_p, min_p, seed)| SamplingOptions {
            temperature,
            top_k,
            top_p,
            min_p,
            seed,
            ..Default::default()
        },
    )
}

proptest! {
    #[test]
    fn keeps_what_the_naive_twin_keeps(
        mut logits in prop::collection::vec(logit(), 0..400),
        options in options(),
    ) {
        logits.push(1.5);
        let mut expected: Vec<TokenId> =
            naive_kept(&logits, &options).iter().map(|candidate| candidate.id).collect();
        expected.sort_unstable();
        prop_assert_eq!(kept(&logits, options.clone()), expected);
    }

    #[test]
    fn draws_only_what_is_kept_and_repeats_itself(
        mut logits in prop::collection::vec(logit(), 0..200),
        options in options(),
    ) {
        logits.push(1.5);
        let kept = kept(&logits, options.clone());
        let mut sampler = Sampler::new(options).unwrap();
        let mut again = sampler.clone();
        for _ in 0..20 {
            let id = sampler.sample(&logits).unwrap();
            prop_assert!(kept.contains(&id));
            prop_assert_eq!(again.sample(&logits).unwrap(), id);
        }
    }

    #[test]
    fn greedy_is_the_first_of_the_highest(mut logits in prop::collection::vec(logit(), 0..200)) {
        logits.push(1.5);
        let expected = naive_kept(&logits, &SamplingOptions::default())[0].id;
        let mut sampler = Sampler::new(SamplingOptions::default()).unwrap();
        prop_assert_eq!(sampler.sample(&logits).unwrap(), expected);
    }
}

/// A row like a model's: a few probable tokens and a long tail.
fn model_like(count: usize) -> Vec<f32> {
    let mut generator = Xoshiro256PlusPlus::from_seed(1);
    (0..count)
        .map(|_| {
            let uniform = (generator.below(1 << 24) + 1) as f32 / (1 << 24) as f32;
            -2.0 * uniform.ln() - 10.0
        })
        .collect()
}

#[test]
fn keeps_what_the_naive_twin_keeps_in_a_large_vocabulary() {
    let mut logits = model_like(262_144);
    for flat in [false, true] {
        if flat {
            logits.iter_mut().for_each(|logit| *logit *= 0.01);
        }
        for (top_k, top_p, min_p) in [
            (40, 0.95, 0.05),
            (0, 0.9, 0.0),
            (0, 0.999, 0.0),
            (200_000, 1.0, 0.0),
            (100_000, 0.5, 0.0),
            (0, 0.5, 0.1),
            (0, 1.0, 0.01),
        ] {
            let options =
                SamplingOptions { temperature: 1.0, top_k, top_p, min_p, ..Default::default() };
            let mut expected: Vec<_> = naive_kept(&logits, &options).iter().map(|c| c.id).collect();
            expected.sort_unstable();
            assert!(kept(&logits, options.clone()) == expected, "{options:?}, flat: {flat}");
        }
    }
}

/// Pearson's statistic over `draws` draws, and the degrees of freedom.
fn chi_square(logits: &[f32], options: SamplingOptions, draws: u32) -> (f64, usize) {
    let kept = naive_kept(logits, &options);
    let temperature = f64::from(options.temperature);
    let weight =
        |c: &Candidate| ((f64::from(c.logit) - f64::from(kept[0].logit)) / temperature).exp();
    let total: f64 = kept.iter().map(weight).sum();
    let mut counts = vec![0u32; logits.len()];
    let mut sampler = Sampler::new(options.clone()).unwrap();
    for _ in 0..draws {
        counts[sampler.sample(logits).unwrap() as usize] += 1;
    }
    assert_eq!(kept.iter().map(|c| counts[c.id as usize]).sum::<u32>(), draws);
    let statistic = kept
        .iter()
        .map(|candidate| {
            let expected = f64::from(draws) * weight(candidate) / total;
            (f64::from(counts[candidate.id as usize]) - expected).powi(2) / expected
        })
        .sum();
    (statistic, kept.len() - 1)
}

#[test]
fn draws_follow_the_probabilities() {
    let logits: Vec<f32> = (0..150).map(|i| ((i * 37) % 150) as f32 * 0.03).collect();
    for (temperature, top_k, top_p, min_p) in [
        (1.0, 0, 1.0, 0.0),
        (0.7, 40, 1.0, 0.0),
        (1.5, 0, 0.8, 0.0),
        (2.0, 0, 1.0, 0.1),
        (0.9, 60, 0.9, 0.2),
        (1e6, 0, 1.0, 0.0),
    ] {
        for seed in [0, 1, u64::MAX] {
            let options =
                SamplingOptions { temperature, top_k, top_p, min_p, seed, ..Default::default() };
            let (statistic, freedom) = chi_square(&logits, options.clone(), 60_000);
            // Mean f, variance 2f, nearly normal: five deviations, two-sided.
            let (mean, deviation) = (freedom as f64, (2.0 * freedom as f64).sqrt());
            assert!(freedom > 5, "{options:?} leaves too little to measure");
            assert!(
                (statistic - mean).abs() < 5.0 * deviation,
                "{options:?}: chi-square {statistic:.1} with {freedom} degrees of freedom"
            );
        }
    }
}

#[test]
fn a_seed_gives_the_same_tokens_for_ever() {
    // No logarithm from the C library in these: every machine must agree.
    let logits: Vec<f32> = (0..1000u16).map(|i| f32::from((i * 37) % 1000) * 0.01).collect();
    let options = SamplingOptions {
        temperature: 1.2,
        top_k: 50,
        top_p: 0.95,
        seed: 42,
        min_p: 0.02,
        ..Default::default()
    };
    let mut sampler = Sampler::new(options).unwrap();
    let ids: Vec<TokenId> = (0..8).map(|_| sampler.sample(&logits).unwrap()).collect();
    assert_eq!(ids, [756, 215, 999, 621, 729, 459, 81, 486]);
}

#[test]
fn does_not_allocate_after_the_first_call() {
    let logits = model_like(5000);
    for (top_k, top_p) in [(40, 1.0), (0, 0.9), (40, 0.9)] {
        let options = SamplingOptions { temperature: 1.0, top_k, top_p, ..Default::default() };
        let mut sampler = Sampler::new(options).unwrap();
        sampler.sample(&logits).unwrap();
        let before = (sampler.candidates.as_ptr(), sampler.candidates.capacity());
        for _ in 0..50 {
            sampler.sample(&logits).unwrap();
        }
        assert_eq!((sampler.candidates.as_ptr(), sampler.candidates.capacity()), before);
    }
}

#[test]
fn extreme_logits_do_no_harm() {
    let inf = f32::INFINITY;
    let rows: [(&[f32], TokenId); 6] = [
        (&[1.0, inf, f32::NAN, inf], 1),
        (&[f32::NAN, -inf, f32::MIN], 2),
        (&[-inf, f32::MAX, 3.0], 1),
        (&[f32::MIN, f32::MAX], 1),
        (&[-1e30, f32::NAN, -1e-30], 2),
        (&[5.0], 0),
    ];
    for temperature in [0.0, f32::MIN_POSITIVE, 1e-3, 1.0] {
        for (top_k, top_p, min_p) in [(0, 1.0, 0.0), (1, 1.0, 0.0), (2, 0.9, 0.5), (0, 0.9, 0.0)] {
            let options =
                SamplingOptions { temperature, top_k, top_p, min_p, seed: 3, ..Default::default() };
            for (row, expected) in rows {
                assert_eq!(Sampler::new(options.clone()).unwrap().sample(row).unwrap(), expected);
            }
            for unusable in [&[][..], &[f32::NAN], &[-inf, f32::NAN]] {
                let error = Sampler::new(options.clone()).unwrap().sample(unusable).unwrap_err();
                assert!(matches!(error, Error::NoUsableLogit { .. }), "{error}");
            }
        }
    }
}

#[test]
fn options_out_of_range_are_named() {
    let wrong = |change: fn(&mut SamplingOptions)| {
        let mut options = SamplingOptions { temperature: 1.0, ..Default::default() };
        change(&mut options);
        Sampler::new(options).unwrap_err().to_string()
    };
    for (message, name) in [
        (wrong(|o| o.temperature = f32::NAN), "temperature"),
        (wrong(|o| o.temperature = -0.1), "temperature"),
        (wrong(|o| o.temperature = f32::INFINITY), "temperature"),
        (wrong(|o| o.top_p = 0.0), "top_p"),
        (wrong(|o| o.top_p = 1.1), "top_p"),
        (wrong(|o| o.top_p = f32::NAN), "top_p"),
        (wrong(|o| o.min_p = -0.1), "min_p"),
        (wrong(|o| o.min_p = 1.1), "min_p"),
        (wrong(|o| o.min_p = f32::NAN), "min_p"),
    ] {
        assert!(message.contains(name), "{message}");
    }
}
