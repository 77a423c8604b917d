//! Patterns of JSON Schemas, which are JavaScript's, as Rust reads them: `\s`
//! and its like are other characters there.

use super::refused;
use crate::Error;
use jsonschema_regex::to_rust_regex;
use serde_json::{Map, Value};

/// What holds values, not schemas.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// Translates all patterns of a schema.
pub(super) fn translate(schema: &mut Value) -> Result<(), Error> {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().try_for_each(translate),
        Value::Object(keys) => keys.iter_mut().try_for_each(|(key, value)| match value {
            _ if DATA.contains(&key.as_str()) => Ok(()),
            Value::String(pattern) if key == "pattern" => {
                *pattern = translated(pattern)?;
                Ok(())
            }
            Value::Object(properties) if key == "patternProperties" => {
                for (pattern, mut schema) in std::mem::take(properties) {
                    translate(&mut schema)?;
                    insert(properties, translated(&pattern)?, schema)?;
                }
                Ok(())
            }
            _ => translate(value),
        }),
        _ => Ok(()),
    }
}

fn insert(
    properties: &mut Map<String, Value>,
    pattern: String,
    schema: Value,
) -> Result<(), Error> {
    match properties.insert(pattern, schema) {
        None => Ok(()),
        Some(_) => Err(refused("two keys of patternProperties mean the same")),
    }
}

fn translated(pattern: &str) -> Result<String, Error> {
    let unknown = |()| refused(format!("the pattern {pattern:?} is not supported"));
    Ok(to_rust_regex(pattern).map_err(unknown)?.into_owned())
}
