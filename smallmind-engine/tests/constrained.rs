//! Texts that follow a grammar, by a model that knows nothing of it.

#![cfg(feature = "constrained")]
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use smallmind_abstractions::{
    CancellationToken, Constraint, FinishReason, GenerationRequest, GenerationResult,
    SamplingOptions,
};
use smallmind_engine::{Engine, Error, SessionOptions};
use smallmind_testkit::Random;

/// What a tiny random model writes at a temperature of 1.
fn asked(constraint: Constraint, seed: u64) -> GenerationRequest {
    let mut request = request(vec![1, 10, 20, 30], 220);
    request.options.sampling = SamplingOptions { temperature: 1.0, seed, ..Default::default() };
    request.options.constraint = Some(constraint);
    request
}

fn generate(engine: &Engine, constraint: Constraint, seed: u64) -> Result<GenerationResult, Error> {
    let session = engine.session(SessionOptions::default()).unwrap();
    session.generate(&asked(constraint, seed), &CancellationToken::new())
}

/// A text that has ended by itself.
fn whole(engine: &Engine, constraint: Constraint, seed: u64) -> String {
    let result = generate(engine, constraint.clone(), seed).unwrap();
    assert_eq!(result.finish_reason, FinishReason::EndOfGeneration, "{constraint:?}");
    result.text
}

fn assert_fits(engine: &Engine, schema: &Value, seed: u64) {
    let text = whole(engine, Constraint::JsonSchema(schema.to_string()), seed);
    let value: Value =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{schema}: {text}: {e}"));
    assert!(jsonschema::is_valid(schema, &value), "{schema} does not allow {text}");
}

/// A schema whose values are short, so that a model that knows nothing of it
/// comes to an end.
fn random_schema(random: &mut Random, depth: usize) -> Value {
    let (low, high) = (random.below(50) as i64 - 25, random.below(1000) as i64 + 30);
    match random.below(if depth == 0 { 7 } else { 11 }) {
        0 => json!({"type": "integer", "minimum": low, "maximum": high}),
        1 => json!({"type": "boolean"}),
        2 => json!({"type": "null"}),
        3 => {
            json!({"type": "string", "minLength": random.below(3), "maxLength": 3 + random.below(4)})
        }
        4 => {
            let values = [json!(["a", "b c"]), json!([1, null]), json!(["x", {"d": [2]}])];
            json!({"enum": values[random.below(3)]})
        }
        5 => json!({"const": random.below(1000)}),
        6 => json!({"type": "string", "pattern": "^[a-f]{1,4}(-[0-9]{2})?$"}),
        7 => json!({
            "type": "array",
            "items": random_schema(random, depth - 1),
            "minItems": random.below(2),
            "maxItems": 1 + random.below(3),
        }),
        8 => json!({"anyOf": [random_schema(random, depth - 1), random_schema(random, depth - 1)]}),
        9 => json!({
            "type": "array",
            "prefixItems": [random_schema(random, depth - 1), random_schema(random, depth - 1)],
            "items": false,
            "minItems": 2,
        }),
        _ => {
            let names = ["id", "name", "a b", "\"", "ü"];
            let mut properties = serde_json::Map::new();
            for name in &names[..1 + random.below(4)] {
                properties.insert((*name).to_owned(), random_schema(random, depth - 1));
            }
            let required: Vec<_> = properties.keys().filter(|_| random.below(2) == 0).collect();
            json!({
                "type": "object",
                "required": required,
                "properties": properties,
                "additionalProperties": false,
            })
        }
    }
}

#[test]
fn two_hundred_random_schemas_give_what_they_allow() {
    let engine = engine();
    let mut random = Random::new(6);
    for seed in 0..200 {
        assert_fits(&engine, &random_schema(&mut random, 2), seed);
    }
}

#[test]
fn keywords_are_followed_one_by_one() {
    let engine = engine();
    let short = json!({"type": "string", "maxLength": 3});
    for schema in [
        json!({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 20}),
        json!({"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 100}),
        json!({"type": ["null", "boolean"]}),
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "format": "time"}),
        json!({"type": "string", "format": "uuid"}),
        json!({"type": "string", "format": "ipv4"}),
        json!({"oneOf": [{"const": "x"}, {"const": "y"}]}),
        json!({"allOf": [{"type": "integer", "minimum": 5}, {"maximum": 9}]}),
        json!({"$ref": "#/$defs/s", "$defs": {"s": short}}),
        json!({"type": "array", "items": {"$ref": "#/definitions/s"}, "maxItems": 2,
               "definitions": {"s": short}}),
        json!({"type": "object", "additionalProperties": {"type": "boolean"}, "maxProperties": 0}),
    ] {
        (0..4).for_each(|seed| assert_fits(&engine, &schema, seed));
    }
}

#[test]
fn keywords_that_are_not_known_are_named() {
    let engine = engine();
    for (keyword, schema) in [
        ("not", json!({"not": {"type": "null"}})),
        ("uniqueItems", json!({"type": "array", "uniqueItems": true})),
        ("contains", json!({"type": "array", "contains": {"const": 1}})),
        ("propertyNames", json!({"type": "object", "propertyNames": {"maxLength": 2}})),
        ("if", json!({"if": {"const": 1}, "then": {"const": 2}})),
        ("dependentRequired", json!({"type": "object", "dependentRequired": {"a": ["b"]}})),
    ] {
        let error = generate(&engine, Constraint::JsonSchema(schema.to_string()), 0).unwrap_err();
        assert!(matches!(error, Error::UnsupportedKeyword { .. }), "{error}");
        assert!(error.to_string().contains(keyword), "{error}");
    }
}

#[test]
fn regular_expressions_and_grammars_are_followed() {
    let engine = engine();
    let lark = r#"start: DAY (", " DAY){1,2}
DAY: "mon" | "tue""#;
    let gbnf = r#"
root  ::= term ([-+*] term){1,2} " =" # a sum
term  ::= [1-9] [0-9]? | "(" a-b ")"
a-b   ::= "x" | "\"" | [^\x00-`{-\U0010FFFF]"#;
    for seed in 0..20 {
        let date = whole(&engine, Constraint::Regex("[0-9]{4}-(0[1-9]|1[0-2])".into()), seed);
        let (year, month) = date.split_once('-').unwrap();
        assert!(year.len() == 4 && year.parse::<u32>().is_ok());
        assert!((1..=12).contains(&month.parse::<u32>().unwrap()));

        let days = whole(&engine, Constraint::Lark(lark.into()), seed);
        let days: Vec<_> = days.split(", ").collect();
        assert!(
            [2, 3].contains(&days.len()) && days.iter().all(|day| ["mon", "tue"].contains(day))
        );

        let sum = whole(&engine, Constraint::Gbnf(gbnf.into()), seed);
        let terms: Vec<_> = sum.strip_suffix(" =").unwrap().split(['-', '+', '*']).collect();
        assert!([2, 3].contains(&terms.len()), "{sum}");
        for term in terms {
            let inner = term.strip_prefix('(').and_then(|term| term.strip_suffix(')'));
            let letter = |text: &str| text == "\"" || text.bytes().all(|b| b.is_ascii_lowercase());
            assert!(match inner {
                Some(inner) => inner.len() == 1 && letter(inner),
                None => term.len() < 3 && (1..100).contains(&term.parse::<u32>().unwrap()),
            });
        }
    }
}

#[test]
fn constraints_that_make_no_sense_are_refused() {
    let engine = engine();
    for constraint in [
        Constraint::JsonSchema("{".into()),
        Constraint::JsonSchema(r#"{"type": "number", "minimum": 3, "maximum": 2}"#.into()),
        Constraint::JsonSchema(r##"{"$ref": "#/nowhere"}"##.into()),
        Constraint::Regex("(".into()),
        Constraint::Lark("start: nothing".into()),
        Constraint::Gbnf("root ::= \"open".into()),
        Constraint::Gbnf("root ::= ;".into()),
    ] {
        let error = generate(&engine, constraint.clone(), 0).unwrap_err();
        assert!(matches!(error, Error::Constraint { .. }), "{constraint:?}: {error}");
    }
}

#[test]
fn a_text_cut_short_is_the_beginning_of_one() {
    let engine = engine();
    let session = engine.session(SessionOptions::default()).unwrap();
    let mut request = asked(Constraint::Regex("(abc){50}".into()), 1);
    request.options.max_tokens = Some(7);
    let result = session.generate(&request, &CancellationToken::new()).unwrap();
    assert_eq!(result.finish_reason, FinishReason::MaxTokens);
    assert!("abc".repeat(50).starts_with(&result.text) && result.text.len() >= 7);
}

#[test]
fn constrained_generations_are_cancelled_like_others() {
    let engine = engine();
    let session = engine.session(SessionOptions::default()).unwrap();
    let cancel = CancellationToken::new();
    let request = asked(Constraint::Regex("[a-z]{100,}".into()), 1);
    let mut stream = session.stream(request, cancel.clone()).unwrap();
    for _ in 0..5 {
        stream.next().unwrap().unwrap();
    }
    cancel.cancel();
    let Some(Err(Error::Cancelled { partial })) = stream.next() else { panic!("not cancelled") };
    assert_eq!(partial.tokens.len(), 5);
}

#[derive(Debug, Deserialize, JsonSchema)]
enum Kind {
    Town,
    Village,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that it is read is what counts")]
struct Place {
    kind: Kind,
    #[schemars(length(max = 5))]
    name: String,
    #[schemars(range(max = 9999))]
    inhabitants: u32,
    capital: Option<bool>,
}

#[test]
fn answers_come_as_values() {
    let session = engine().session(SessionOptions::default()).unwrap();
    let never = CancellationToken::new();
    for seed in 0..10 {
        let place: Place = session.generate_as(&asked(Constraint::Json, seed), &never).unwrap();
        assert!(place.name.chars().count() <= 5 && place.inhabitants <= 9999);
    }
    let mut short = asked(Constraint::Json, 0);
    short.options.max_tokens = Some(3);
    let error = session.generate_as::<Place>(&short, &never).unwrap_err();
    let Error::NotTheType { partial, .. } = error else { panic!("{error}") };
    assert_eq!(partial.finish_reason, FinishReason::MaxTokens);
}
