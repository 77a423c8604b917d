//! The schemas of the JSON Schema Test Suite (`tests/reference/schemas.py`), and
//! more that are made of them: what is written fits, or the schema is refused
//! by what it has that is not supported.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use serde_json::{Value, json};
use smallmind_abstractions::{CancellationToken, Constraint, FinishReason, SamplingOptions};
use smallmind_engine::{Engine, Error, SessionOptions};
use smallmind_testkit::Random;

/// What says why a schema is refused.
const REASONS: [&str; 9] = [
    "not supported",
    "are supported",
    "nsatisfiable",
    "not found",
    "Unknown",
    "not disjoint",
    "too many",
    "Expected",
    "Failed to generate regex for float range",
];

/// Schemas made of those of the suite that are followed.
const MADE: usize = 1000;

fn suite() -> Vec<Value> {
    let lines = include_str!("data/schemas.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A schema as a part of another, where it means the same there.
fn part(schema: &Value) -> Option<Value> {
    let mut schema = schema.clone();
    if let Value::Object(keys) = &mut schema {
        keys.shift_remove("$schema");
    }
    let text = schema.to_string();
    let names = ["$ref", "$id", "$dynamic", "$recursive", "$anchor"];
    (!names.iter().any(|name| text.contains(name))).then_some(schema)
}

/// A schema of some others.
fn made(random: &mut Random, parts: &[Value]) -> Value {
    let mut part = || parts[random.below(parts.len())].clone();
    let (a, b) = (part(), part());
    match random.below(5) {
        0 => json!({ "type": "object", "properties": { "a": a, "b": b }, "required": ["a"],
                     "additionalProperties": false }),
        1 => json!({ "type": "array", "items": a, "minItems": 1, "maxItems": 3 }),
        2 => json!({ "type": "array", "prefixItems": [a, b], "minItems": 2, "items": false }),
        3 => json!({ "anyOf": [a, b] }),
        _ => json!({ "type": "object", "properties": { "a": { "type": "object",
                     "properties": { "c": a }, "required": ["c"] } }, "required": ["a"] }),
    }
}

/// What became of a schema.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Fits,
    /// Cut at the most tokens, or with a number beyond what floats hold as it
    /// is written.
    NotJudged,
    Refused,
}

/// Whether all numbers are small enough that the validator, which has floats,
/// sees them as they are.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_f64().is_some_and(|n| n.abs() < 1e15) && number.to_string().len() <= 15
        }
        Value::Array(values) => values.iter().all(is_exact),
        Value::Object(values) => values.values().all(is_exact),
        _ => true,
    }
}

fn outcome(engine: &Engine, schema: &Value, seed: u64) -> Outcome {
    let mut request = request(vec![1, 10, 20, 30], 200);
    request.options.sampling = SamplingOptions { temperature: 1.0, seed, ..Default::default() };
    request.options.constraint = Some(Constraint::JsonSchema(schema.to_string()));
    let session = engine.session(SessionOptions::default()).unwrap();
    match session.generate(&request, &CancellationToken::new()) {
        Ok(result) if result.finish_reason == FinishReason::MaxTokens => Outcome::NotJudged,
        Ok(result) => {
            let value: Value = match serde_json::from_str(&result.text) {
                Ok(value) => value,
                Err(error) if error.to_string().contains("out of range") => {
                    return Outcome::NotJudged;
                }
                Err(error) => panic!("{schema}: {}: {error}", result.text),
            };
            if !is_exact(&value) {
                return Outcome::NotJudged;
            }
            // Some of the suite need schemas from elsewhere.
            let Ok(validator) = jsonschema::validator_for(schema) else {
                return Outcome::NotJudged;
            };
            assert!(validator.is_valid(&value), "{schema} does not allow {}", result.text);
            Outcome::Fits
        }
        Err(Error::UnsupportedKeyword { keywords }) => {
            let text = schema.to_string();
            let keywords: Vec<String> = serde_json::from_str(&keywords).unwrap();
            assert!(keywords.iter().all(|keyword| text.contains(keyword)), "{text}: {keywords:?}");
            Outcome::Refused
        }
        Err(Error::Constraint { reason }) => {
            let is_clear = REASONS.iter().any(|part| reason.contains(part));
            assert!(is_clear, "{schema}: {reason}");
            Outcome::Refused
        }
        Err(error) => panic!("{schema}: {error}"),
    }
}

#[test]
fn what_a_schema_does_not_allow_is_never_written() {
    let (engine, suite) = (engine(), suite());
    let outcomes: Vec<_> =
        suite.iter().zip(0..).map(|(schema, seed)| outcome(&engine, schema, seed)).collect();
    let followed = suite.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Fits);
    let parts: Vec<_> = followed.filter_map(|(schema, _)| part(schema)).collect();
    assert!(parts.len() > 60, "{} of {} are followed", parts.len(), suite.len());
    let mut random = Random::new(8);
    let outcomes = (0..MADE as u64).map(|seed| outcome(&engine, &made(&mut random, &parts), seed));
    let fits = outcomes.filter(|outcome| *outcome == Outcome::Fits).count();
    assert!(fits > MADE / 2, "{fits} of {MADE} fit");
}
