//! The whole chain against the reference's, and its draws against what the
//! reference keeps. `tests/reference/sampling.py` wrote the facts.

use super::*;
use serde_json::Value;
use smallmind_abstractions::{Dry, Mirostat, Penalties, Xtc};

const FACTS: &str = include_str!("../../tests/reference/sampling.json");

/// The token that breaks repetitions in the reference's vocabulary: a newline.
const NEWLINE: TokenId = 198;

struct Case {
    name: String,
    logits: Vec<f32>,
    history: Vec<TokenId>,
    options: SamplingOptions,
    /// Ids in ascending order, with their probabilities.
    kept: Vec<(TokenId, f64)>,
}

impl Case {
    fn sampler(&self, seed: u64) -> Sampler {
        let mut sampler = Sampler::new(SamplingOptions { seed, ..self.options.clone() }).unwrap();
        self.history.iter().for_each(|&id| sampler.accept(id));
        sampler
    }
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn options(facts: &Value) -> SamplingOptions {
    let mut options = SamplingOptions { temperature: 1.0, ..Default::default() };
    for (name, value) in facts.as_object().unwrap() {
        let number = value.as_f64().unwrap_or_default() as f32;
        let numbers = value.as_array().map_or(&[][..], Vec::as_slice);
        let nth = |i: usize| numbers[i].as_f64().unwrap() as f32;
        match name.as_str() {
            "temperature" => options.temperature = number,
            "top_k" => options.top_k = number as usize,
            "top_p" => options.top_p = number,
            "min_p" => options.min_p = number,
            "typical_p" => options.typical_p = number,
            "top_n_sigma" => options.top_n_sigma = number,
            "xtc" => options.xtc = Xtc { probability: nth(0), threshold: nth(1) },
            "mirostat" => options.mirostat = Some(Mirostat { tau: nth(0), eta: nth(1) }),
            "penalties" => {
                options.penalties = Penalties {
                    last_n: nth(0) as usize,
                    repeat: nth(1),
                    frequency: nth(2),
                    presence: nth(3),
                }
            }
            "dry" => {
                options.dry = Dry {
                    multiplier: nth(0),
                    base: nth(1),
                    allowed_length: nth(2) as usize,
                    last_n: nth(3) as usize,
                    breakers: numbers[4]
                        .as_bool()
                        .unwrap()
                        .then_some(NEWLINE)
                        .into_iter()
                        .collect(),
                }
            }
            "logit_bias" => {
                for pair in numbers {
                    let id = pair[0].as_u64().unwrap() as TokenId;
                    match pair[1].as_f64() {
                        Some(bias) => options.logit_bias.push((id, bias as f32)),
                        None => options.banned.push(id),
                    }
                }
            }
            other => panic!("{other} is no option"),
        }
    }
    options
}

fn cases() -> Vec<Case> {
    let facts: Value = serde_json::from_str(FACTS).unwrap();
    let history = floats(&facts["history"]).iter().map(|&id| id as TokenId).collect::<Vec<_>>();
    let case = |case: &Value| Case {
        name: format!("{}: {}", case["row"], case["options"]),
        logits: floats(&facts["rows"][case["row"].as_str().unwrap()]),
        history: history.clone(),
        options: options(&case["options"]),
        kept: case["kept"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_u64().unwrap() as TokenId, pair[1].as_f64().unwrap()))
            .collect(),
    };
    let cases: Vec<_> = facts["cases"].as_array().unwrap().iter().map(case).collect();
    assert!(cases.len() > 60);
    cases
}

/// What the chain keeps, with probabilities, in the order of ids.
fn kept(case: &Case) -> Vec<(TokenId, f64)> {
    let mut sampler = case.sampler(0);
    let mut adjust = std::mem::take(&mut sampler.adjust);
    let row = adjust.apply(&case.options, &case.logits, None);
    let max = scan::max(row);
    let plain = Scale { max, temperature: case.options.temperature };
    let cutoff = match sampler.mirostat {
        Some(mirostat) => mirostat.cutoff(row, plain),
        None => sampler.cutoff(row, max),
    };
    let mut left: Vec<Candidate> =
        scan::chunks(row).flat_map(|chunk| scan::within(chunk, cutoff)).collect();
    if sampler.mirostat.is_none() && chain::is_needed(&case.options) {
        sampler.filter_list(row, max);
        left = sampler.candidates.clone();
    }
    left.sort_unstable_by_key(|candidate| candidate.id);
    let best = left.iter().map(|c| c.logit).fold(f32::MIN, f32::max);
    let weight =
        |c: &Candidate| (f64::from(c.logit - best) / f64::from(case.options.temperature)).exp();
    let total: f64 = left.iter().map(weight).sum();
    left.iter().map(|candidate| (candidate.id, weight(candidate) / total)).collect()
}

#[test]
fn the_chain_keeps_what_the_reference_keeps() {
    for case in cases() {
        let kept = kept(&case);
        let ids = |kept: &[(TokenId, f64)]| kept.iter().map(|&(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids(&kept), ids(&case.kept), "{}", case.name);
        for (ours, theirs) in kept.iter().zip(&case.kept) {
            let error = (ours.1 - theirs.1).abs();
            assert!(error <= 1e-5 * theirs.1 + 1e-9, "{}: {ours:?}, not {theirs:?}", case.name);
        }
    }
}

#[test]
fn draws_follow_the_probabilities_of_the_reference() {
    const DRAWS: u32 = 10_000;
    for (seed, case) in (0..).zip(cases()) {
        let mut counts = vec![0u32; case.logits.len()];
        let first = case.sampler(seed);
        let mut sampler = first.clone();
        for _ in 0..DRAWS {
            counts[sampler.sample(&case.logits).unwrap() as usize] += 1;
            // What was drawn must not matter to the next draw.
            sampler.mirostat = first.mirostat;
        }
        // Cells of few draws are no chi-square; together they are one cell.
        let (mut statistic, mut cells, mut rest) = (0.0, 0.0, (0.0, 0.0));
        let mut add = |expected: f64, found: f64| {
            statistic += (found - expected).powi(2) / expected;
            cells += 1.0;
        };
        let mut seen = 0;
        for &(id, probability) in &case.kept {
            let (expected, found) = (probability * f64::from(DRAWS), counts[id as usize]);
            seen += found;
            if expected >= 8.0 {
                add(expected, found.into());
            } else {
                rest = (rest.0 + expected, rest.1 + f64::from(found));
            }
        }
        if rest.0 >= 8.0 {
            add(rest.0, rest.1);
        }
        assert_eq!(seen, DRAWS, "{} draws what it should not", case.name);
        let freedom: f64 = cells - 1.0;
        let most = freedom + 5.0 * (2.0 * freedom).sqrt() + 5.0;
        assert!(statistic <= most, "{}: {statistic:.1}, {freedom} degrees", case.name);
    }
}

/// One step of mirostat, by its definition.
#[test]
fn mirostat_follows_the_surprise() {
    let logits = [2.0, 1.0, 0.0, -1.0];
    let mirostat = Mirostat { tau: 0.9, eta: 0.3 };
    let options =
        SamplingOptions { temperature: 1.0, mirostat: Some(mirostat), ..Default::default() };
    let mut sampler = Sampler::new(options).unwrap();
    let mut mu = 1.8;
    for _ in 0..200 {
        let id = sampler.sample(&logits).unwrap();
        let total: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
        let probability = |l: f32| f64::from(l).exp() / total;
        let kept = |l: f32| -probability(l).log2() <= mu;
        assert!(id == 0 || kept(logits[id as usize]));
        let left: f64 =
            logits.iter().filter(|&&l| l == 2.0 || kept(l)).map(|&l| probability(l)).sum();
        mu -= 0.3 * (-(probability(logits[id as usize]) / left).log2() - f64::from(0.9f32));
        assert!((sampler.mirostat.unwrap().mu - mu).abs() < 1e-4);
    }
}

#[test]
fn only_allowed_tokens_are_drawn() {
    let logits: Vec<f32> = (0..70).map(|i| i as f32 * 0.1).collect();
    for options in [
        SamplingOptions::default(),
        SamplingOptions { temperature: 1.0, top_k: 3, ..Default::default() },
        SamplingOptions { temperature: 1.0, typical_p: 0.9, ..Default::default() },
    ] {
        let mut sampler = Sampler::new(options).unwrap();
        let allowed = [0b1000u32, 0b10, 0];
        for _ in 0..100 {
            assert!([3, 33].contains(&sampler.sample_allowed(&logits, &allowed).unwrap()));
        }
        assert_eq!(sampler.sample_allowed(&logits, &[1]).unwrap(), 0);
        let none = sampler.sample_allowed(&logits, &[]);
        assert!(matches!(none, Err(Error::NoUsableLogit { count: 70 })));
    }
}

#[test]
fn greedy_heeds_bias_bans_and_penalties() {
    let logits = [1.0, 2.0, 3.0, 2.5];
    let choice = |options: SamplingOptions, history: &[TokenId]| {
        let mut sampler = Sampler::new(options).unwrap();
        history.iter().for_each(|&id| sampler.accept(id));
        sampler.sample(&logits).unwrap()
    };
    let plain = SamplingOptions::default;
    assert_eq!(choice(plain(), &[]), 2);
    assert_eq!(choice(SamplingOptions { banned: vec![2, 99], ..plain() }, &[]), 3);
    assert_eq!(choice(SamplingOptions { logit_bias: vec![(0, 2.5)], ..plain() }, &[]), 0);
    let penalties = Penalties { repeat: 2.0, last_n: 2, ..Default::default() };
    assert_eq!(choice(SamplingOptions { penalties, ..plain() }, &[2, 3, 3]), 2);
    assert_eq!(choice(SamplingOptions { penalties, ..plain() }, &[3, 2]), 1);
}
