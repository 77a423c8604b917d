//! Values as Python prints them, where a template writes one that is no text.

use minijinja::value::ValueKind;
use minijinja::{Error, Output, State, Value};
use std::fmt::{self, Write};

/// What `{{ value }}` writes.
pub(super) fn write(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    Ok(str(out, value)?)
}

/// The filter `string`.
pub(super) fn string(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    str(&mut text, value)?;
    Ok(text)
}

/// The test `iterable`: None is not, in Python.
pub(super) fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// `str(value)`.
fn str(out: &mut dyn Write, value: &Value) -> fmt::Result {
    match value.kind() {
        ValueKind::String => out.write_str(value.as_str().unwrap_or_default()),
        ValueKind::Undefined => Ok(()),
        _ => repr(out, value),
    }
}

/// `repr(value)`.
fn repr(out: &mut dyn Write, value: &Value) -> fmt::Result {
    match value.kind() {
        ValueKind::None => out.write_str("None"),
        ValueKind::Undefined => out.write_str("Undefined"),
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::String => quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            out.write_char('[')?;
            for (i, item) in value.try_iter().into_iter().flatten().enumerate() {
                out.write_str(if i > 0 { ", " } else { "" })?;
                repr(out, &item)?;
            }
            out.write_char(']')
        }
        ValueKind::Map => {
            out.write_char('{')?;
            for (i, key) in value.try_iter().into_iter().flatten().enumerate() {
                out.write_str(if i > 0 { ", " } else { "" })?;
                repr(out, &key)?;
                out.write_str(": ")?;
                repr(out, &value.get_item(&key).unwrap_or_default())?;
            }
            out.write_char('}')
        }
        _ => write!(out, "{value}"),
    }
}

/// A string as Python quotes it.
fn quoted(out: &mut dyn Write, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            '\\' => out.write_str("\\\\"),
            c if c == quote => write!(out, "\\{c}"),
            c if c.is_control() && u32::from(c) < 0x100 => write!(out, "\\x{:02x}", u32::from(c)),
            c => out.write_char(c),
        }?;
    }
    out.write_char(quote)
}

#[cfg(test)]
mod tests {
    use super::super::environment;
    use minijinja::context;
    use serde_json::json;

    #[test]
    fn values_are_printed_as_by_python() {
        let value = json!({"a": [1, 2.5, true, null], "it's": "\"\n", "b": {"'": "\u{1}é"}});
        let text = environment().render_str("{{ value }}|{{ value.a[2] }}", context! { value });
        let expected = r#"{'a': [1, 2.5, True, None], "it's": '"\n', 'b': {"'": '\x01é'}}|True"#;
        assert_eq!(text.unwrap(), expected);
        let text = environment().render_str("{{ [1, none] | string ~ 'x' }}{{ y }}", ());
        assert_eq!(text.unwrap(), "[1, None]x");
        let source = "{{ none is iterable }} {{ [] is iterable }} {{ 'a' is iterable }}";
        assert_eq!(environment().render_str(source, ()).unwrap(), "False True True");
    }
}
