//! Calls of functions out of what a model writes.
//!
//! Models write them each as their template shows them; what a template's text
//! mentions tells which way. While a reply streams, nothing that may turn out
//! to be the beginning of a call is shown, and what turns out to be none is
//! shown as it was written.

use super::ToolCall;
use serde_json::{Map, Value};

/// How a model writes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallSyntax {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>` (Hermes, Qwen), and
    /// within the tags also `<function=NAME><parameter=KEY>…` (Qwen3-Coder).
    ToolCall,
    /// `<function=NAME>{…}</function>` (Functionary).
    Function,
    /// `[TOOL_CALLS][{"name": …, "arguments": {…}}]`, or `NAME[ARGS]{…}` after
    /// the first (Mistral).
    Mistral,
    /// The whole reply is `{"name": …, "parameters": {…}}` (Llama 3).
    Json,
}

impl CallSyntax {
    /// That of a template.
    pub(super) fn of(template: &str) -> Self {
        let ways = [
            ("[TOOL_CALLS]", Self::Mistral),
            ("<tool_call>", Self::ToolCall),
            ("<function=", Self::Function),
        ];
        ways.into_iter().find(|(mark, _)| template.contains(mark)).map_or(Self::Json, |way| way.1)
    }

    /// What begins a call and ends it; where nothing does, a call is all of the
    /// reply, or all of the rest.
    fn marks(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::ToolCall => ("<tool_call>", Some("</tool_call>")),
            Self::Function => ("<function=", Some("</function>")),
            Self::Mistral => ("[TOOL_CALLS]", None),
            Self::Json => ("{", None),
        }
    }

    /// Calls of what stands between the marks; `None` where there is none.
    fn read(self, body: &str) -> Option<Vec<ToolCall>> {
        match self {
            Self::ToolCall => {
                let body = body.trim();
                match body.strip_prefix("<function=") {
                    Some(rest) => Some(vec![parameters(rest)?]),
                    None => calls(serde_json::from_str(body).ok()?),
                }
            }
            Self::Function => {
                let (name, arguments) = body.split_once('>')?;
                Some(vec![call(name, serde_json::from_str(arguments).ok()?)?])
            }
            Self::Mistral => match body.split("[TOOL_CALLS]").map(named).collect() {
                Some(calls) => Some(calls),
                None => calls(serde_json::from_str(body.trim()).ok()?),
            },
            Self::Json => {
                // Several stand one after the other, some with semicolons between.
                let body = format!("{{{body}");
                let parts = serde_json::Deserializer::from_str(&body).into_iter::<Value>();
                match parts.collect::<Result<Vec<_>, _>>() {
                    Ok(parts) => calls(parts.into()),
                    Err(_) => {
                        let parts = body.split(';').map(serde_json::from_str::<Value>);
                        calls(parts.collect::<Result<Vec<_>, _>>().ok()?.into())
                    }
                }
            }
        }
    }
}

/// `NAME[ARGS]{…}`, with an identifier before the arguments in some files.
fn named(text: &str) -> Option<ToolCall> {
    let (name, arguments) = text.split_once("[ARGS]")?;
    let name = name.split_once("[CALL_ID]").map_or(name, |(name, _)| name);
    call(name.trim(), serde_json::from_str(arguments).ok()?)
}

/// `NAME>` and `<parameter=KEY>VALUE</parameter>` for each argument.
fn parameters(text: &str) -> Option<ToolCall> {
    let (name, mut rest) = text.split_once('>')?;
    let mut arguments = Map::new();
    while let Some((_, parameter)) = rest.split_once("<parameter=") {
        let (key, value) = parameter.split_once('>')?;
        let (value, after) = value.split_once("</parameter>")?;
        let value = value.strip_prefix('\n').unwrap_or(value);
        let value = value.strip_suffix('\n').unwrap_or(value);
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        arguments.insert(key.to_owned(), value);
        rest = after;
    }
    call(name, arguments.into())
}

/// A call, or an array of some.
fn calls(value: Value) -> Option<Vec<ToolCall>> {
    let values = match value {
        Value::Array(values) => values,
        value => vec![value],
    };
    let calls: Option<Vec<_>> = values.into_iter().map(object).collect();
    calls.filter(|calls| !calls.is_empty())
}

fn object(value: Value) -> Option<ToolCall> {
    let arguments = value.get("arguments").or_else(|| value.get("parameters"))?;
    let id = value["id"].as_str().map(str::to_owned);
    Some(ToolCall { id, ..call(value["name"].as_str()?, arguments.clone())? })
}

/// Arguments are an object, or text that is one.
fn call(name: &str, arguments: Value) -> Option<ToolCall> {
    let arguments = match arguments {
        Value::String(text) => serde_json::from_str(&text).ok()?,
        other => other,
    };
    let sound = !name.is_empty() && arguments.is_object();
    sound.then(|| ToolCall { id: None, name: name.to_owned(), arguments })
}

/// Takes a reply piece by piece apart into text and calls.
#[derive(Debug, Clone)]
pub(super) struct CallReader {
    syntax: CallSyntax,
    /// What is not decided yet; within a call, all of it after its mark.
    pending: String,
    in_call: bool,
    /// Whether anything but space was read.
    begun: bool,
    text: String,
    calls: Vec<ToolCall>,
}

impl CallReader {
    pub(super) fn new(syntax: CallSyntax) -> Self {
        let (pending, text, calls) = Default::default();
        Self { syntax, pending, in_call: false, begun: false, text, calls }
    }

    /// What may stand in a control token, which has no text of its own.
    pub(super) fn mark(&self) -> &'static str {
        self.syntax.marks().0
    }

    /// Takes a piece, and returns what is text beyond doubt.
    pub(super) fn push(&mut self, piece: &str) -> String {
        self.pending += piece;
        let shown = self.text.len();
        while self.step() {}
        self.text[shown..].to_owned()
    }

    /// The rest of the text, when nothing follows any more.
    pub(super) fn finish(&mut self) -> String {
        let shown = self.text.len();
        if self.in_call {
            self.close(self.pending.len(), 0);
        }
        self.text += &std::mem::take(&mut self.pending);
        self.text[shown..].to_owned()
    }

    /// All of the text, and the calls.
    pub(super) fn into_parts(self) -> (String, Vec<ToolCall>) {
        let text = if self.calls.is_empty() { self.text } else { self.text.trim().to_owned() };
        (text, self.calls)
    }

    /// Decides on some of what is pending; whether there may be more to decide.
    fn step(&mut self) -> bool {
        let (open, close) = self.syntax.marks();
        if self.in_call {
            let Some(close) = close else { return false };
            let Some(at) = self.pending.find(close) else { return false };
            self.close(at, close.len());
            return true;
        }
        if self.syntax == CallSyntax::Json && self.begun {
            self.text += &std::mem::take(&mut self.pending);
            return false;
        }
        let anywhere = self.syntax != CallSyntax::Json;
        let space = self.pending.len() - self.pending.trim_start().len();
        let found = if anywhere {
            self.pending.find(open)
        } else {
            self.pending[space..].starts_with(open).then_some(space)
        };
        let Some(at) = found else {
            let unsure = if anywhere { beginning_of(open, &self.pending) } else { 0 };
            if anywhere || space < self.pending.len() {
                let rest = self.pending.split_off(self.pending.len() - unsure);
                self.text += &std::mem::replace(&mut self.pending, rest);
                self.begun = true;
            }
            return false;
        };
        self.text += &self.pending[..at];
        self.pending.drain(..at + open.len());
        (self.in_call, self.begun) = (true, true);
        true
    }

    /// Ends a call at `at`, where `mark` bytes say so.
    fn close(&mut self, at: usize, mark: usize) {
        let rest = self.pending.split_off(at + mark);
        let body = std::mem::replace(&mut self.pending, rest);
        match self.syntax.read(&body[..at]) {
            Some(calls) => self.calls.extend(calls),
            None => self.text += &format!("{}{body}", self.mark()),
        }
        self.in_call = false;
    }
}

/// Bytes at the end of a text that `mark` may begin with.
fn beginning_of(mark: &str, text: &str) -> usize {
    let longest = mark.len().min(text.len() + 1);
    (1..longest).rev().find(|len| text.ends_with(&mark[..*len])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The text and calls of a reply that comes in two pieces, wherever it is
    /// cut, and byte by byte; what was shown is always the text.
    fn read(syntax: CallSyntax, reply: &str) -> (String, Vec<(String, Value)>) {
        let cuts = reply.char_indices().map(|(at, _)| vec![&reply[..at], &reply[at..]]);
        let single = reply.char_indices().map(|(at, c)| &reply[at..at + c.len_utf8()]);
        let mut all = Vec::new();
        for pieces in cuts.chain([single.collect::<Vec<_>>()]) {
            let mut reader = CallReader::new(syntax);
            let mut shown: String = pieces.iter().map(|piece| reader.push(piece)).collect();
            assert!(!shown.contains(reader.mark()) || reader.calls.is_empty(), "{shown}");
            shown += &reader.finish();
            let (text, calls) = reader.into_parts();
            assert!(text == shown || !calls.is_empty() && text == shown.trim(), "{shown}");
            all.push((text, calls.into_iter().map(|c| (c.name, c.arguments)).collect()));
        }
        assert!(all.windows(2).all(|w| w[0] == w[1]), "{reply}");
        all.remove(0)
    }

    #[test]
    fn calls_are_read_as_each_family_writes_them() {
        use CallSyntax::{Function, Json, Mistral, ToolCall};
        let weather = || ("weather".to_owned(), json!({"city": "Köln"}));
        let two = || vec![weather(), ("clock".to_owned(), json!({"zone": 2}))];
        for (syntax, reply, text, calls) in [
            (
                ToolCall,
                "I look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\"}}\n\
                 </tool_call>\n<tool_call>{\"name\":\"clock\",\"arguments\":\"{\\\"zone\\\":2}\"}",
                "I look.",
                two(),
            ),
            (
                ToolCall,
                "<tool_call>\n<function=weather>\n<parameter=city>\nKöln\n</parameter>\n</function>\n\
                 </tool_call><tool_call><function=clock><parameter=zone>2</parameter></tool_call>",
                "",
                two(),
            ),
            (
                Function,
                "<function=weather>{\"city\": \"Köln\"}</function><function=clock>{\"zone\": 2}",
                "",
                two(),
            ),
            (
                Mistral,
                "[TOOL_CALLS] [{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\"}}, \
                 {\"name\": \"clock\", \"arguments\": {\"zone\": 2}}]",
                "",
                two(),
            ),
            (
                Mistral,
                "[TOOL_CALLS]weather[ARGS]{\"city\": \"Köln\"}[TOOL_CALLS]clock[CALL_ID]a[ARGS]{\"zone\":2}",
                "",
                two(),
            ),
            (
                Json,
                "{\"name\": \"weather\", \"parameters\": {\"city\": \"Köln\"}}; \
                 {\"name\": \"clock\", \"parameters\": {\"zone\": 2}}",
                "",
                two(),
            ),
            (
                Json,
                " {\"name\": \"weather\", \"parameters\": {\"city\": \"Köln\"}}",
                "",
                vec![weather()],
            ),
        ] {
            assert_eq!(read(syntax, reply), (text.to_owned(), calls), "{reply}");
        }
    }

    #[test]
    fn what_is_no_call_is_text_to_the_letter() {
        for (syntax, reply) in [
            (CallSyntax::ToolCall, "a < b <tool_calm> <tool_call>{\"name\": 3}</tool_call> c"),
            (CallSyntax::ToolCall, "see <tool_call>{\"name\": \"f\", \"argum"),
            (CallSyntax::ToolCall, "ends with <tool_"),
            (CallSyntax::Function, "<function=>{}</function> <function=f>[1]</function>"),
            (CallSyntax::Mistral, "[TOOL [TOOL_CALLS][] x"),
            (CallSyntax::Json, "The answer is {\"name\": \"f\", \"parameters\": {}}"),
            (CallSyntax::Json, "  {\"name\": \"f\"}"),
            (CallSyntax::Json, "  "),
        ] {
            assert_eq!(read(syntax, reply), (reply.to_owned(), Vec::new()));
        }
    }
}
