//! `tojson` as templates expect it: Python's `json.dumps`, not escaped for HTML
//! as Jinja's own is.

use minijinja::value::{Kwargs, Rest};
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// The filter: `value | tojson(indent=2, ensure_ascii=true)`.
///
/// Keys keep their order but where `sort_keys` is set. An argument without a
/// name is transformers' first, `ensure_ascii`.
pub(super) fn tojson(
    value: &Value,
    arguments: Rest<Value>,
    options: Kwargs,
) -> Result<String, Error> {
    let named: Option<bool> = options.get("ensure_ascii")?;
    let ascii = named.unwrap_or_else(|| arguments.first().is_some_and(Value::is_true));
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let sorted = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    options.assert_all_used()?;
    let [item, key] = match separators.as_deref() {
        Some([item, key]) => [item.clone(), key.clone()],
        _ => [if indent.is_some() { "," } else { ", " }, ": "].map(str::to_owned),
    };
    let formatter = Python { ascii, indent, item, key, depth: 0, empty: true };
    let failed = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    if sorted {
        let mut value = serde_json::to_value(value).map_err(failed)?;
        value.sort_all_objects();
        value.serialize(&mut serializer).map_err(failed)?;
    } else {
        value.serialize(&mut serializer).map_err(failed)?;
    }
    String::from_utf8(text).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}

/// The spaces and line breaks of `json.dumps`.
struct Python {
    ascii: bool,
    indent: Option<usize>,
    /// Between items, and between a key and its value.
    item: String,
    key: String,
    depth: usize,
    /// Whether nothing was written since the last bracket was opened.
    empty: bool,
}

impl Python {
    fn open(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        (self.depth, self.empty) = (self.depth + 1, true);
        out.write_all(bracket)
    }

    fn close(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !std::mem::take(&mut self.empty) {
            self.line(out)?;
        }
        out.write_all(bracket)
    }

    fn item(&mut self, out: &mut (impl Write + ?Sized), first: bool) -> io::Result<()> {
        self.empty = false;
        if !first {
            out.write_all(self.item.as_bytes())?;
        }
        self.line(out)
    }

    fn line(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let Some(indent) = self.indent else { return Ok(()) };
        write!(out, "\n{:1$}", "", indent.min(64) * self.depth)
    }
}

impl Formatter for Python {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(self.key.as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.ascii {
            return out.write_all(fragment.as_bytes());
        }
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii() && byte != 0x7f => out.write_all(&[byte])?,
                _ => write!(out, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::environment;
    use minijinja::context;
    use serde_json::json;

    fn rendered(template: &str) -> String {
        let value = json!({"b": [1, 2.0, {}, []], "a": {"<é&😀>": null, "t": true}});
        environment().render_str(template, context! { value }).unwrap()
    }

    #[test]
    fn text_is_that_of_json_dumps() {
        let expected = r#"{"b": [1, 2.0, {}, []], "a": {"<é&😀>": null, "t": true}}"#;
        assert_eq!(rendered("{{ value | tojson }}"), expected);
        let expected =
            r#"{"a": {"<\u00e9&\ud83d\ude00>": null, "t": true}, "b": [1, 2.0, {}, []]}"#;
        assert_eq!(rendered("{{ value | tojson(ensure_ascii=true, sort_keys=true) }}"), expected);
        let expected = r#"{"b":[1,2.0,{},[]],"a":{"<é&😀>":null,"t":true}}"#;
        assert_eq!(rendered("{{ value | tojson(separators=(',', ':')) }}"), expected);
        let expected = "{\n  \"b\": [\n    1,\n    2.0,\n    {},\n    []\n  ],\n  \"a\": {\n    \
                        \"<é&😀>\": null,\n    \"t\": true\n  }\n}";
        assert_eq!(rendered("{{ value | tojson(indent=2) }}"), expected);
    }
}
