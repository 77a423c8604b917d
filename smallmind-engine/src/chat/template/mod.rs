//! Messages to a prompt, by the template in the model's file.

mod json;
mod python;
mod source;
mod values;

use super::{Message, ToolDefinition};
use crate::{Engine, Error};
use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::strtime};
use minijinja::{Environment, ErrorKind, Value};
use minijinja_contrib::pycompat::unknown_method_callback;
use smallmind_abstractions::{Diagnostic, ReasonCode, Severity};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

/// Where a file has its template.
const KEY: &str = "tokenizer.chat_template";
/// What errors call it.
const NAME: &str = "chat";
/// Instructions that a template may run: it comes from a stranger.
const FUEL: u64 = 10_000_000;
/// Bytes that a template may have, and write for each byte it was given.
const MAX_SOURCE: usize = 1 << 20;
const MAX_GROWTH: usize = 16;

/// What stands for a template where a file has none: ChatML.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' \
+ message.content + '<|im_end|>\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A file has no chat template.
pub const NO_TEMPLATE: ReasonCode = ReasonCode::new("CHAT_TEMPLATE_MISSING");

/// How messages become a prompt.
#[derive(Debug, Clone, Default)]
pub struct RenderOptions {
    /// Whether the prompt ends where the model's reply begins.
    pub add_generation_prompt: bool,
    /// Functions that the model may call.
    pub tools: Vec<ToolDefinition>,
    /// Whether the model should think before it answers, for templates that
    /// ask; those decide where this is `None`.
    pub thinking: Option<bool>,
    /// The time that templates are told, in the zone of the system; now where
    /// it is `None`.
    pub time: Option<SystemTime>,
}

/// How a model wants its messages.
///
/// Templates are Jinja as transformers runs it (`apply_chat_template`), with
/// `raise_exception`, `strftime_now` and its `tojson`.
///
/// ```
/// use smallmind_engine::chat::{ChatTemplate, Message, RenderOptions};
///
/// let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}";
/// let template = ChatTemplate::parse(source, "", "</s>")?;
/// let prompt = template.render(&[Message::user("Hello")], &RenderOptions::default())?;
/// assert_eq!(prompt, "<user>Hello</s>");
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    source: Arc<str>,
    bos: String,
    eos: String,
    diagnostics: Vec<Diagnostic>,
}

impl ChatTemplate {
    /// The template of a model's file; ChatML where it has none.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn of(engine: &Engine) -> Result<Self, Error> {
        let source = engine.metadata().get_optional(KEY).map_err(smallmind_runtime::Error::from)?;
        let special = engine.tokenizer().special();
        let text = |id: Option<u32>| {
            let text = id.and_then(|id| engine.tokenizer().token_text(id));
            text.map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
        };
        let (bos, eos) = (text(special.bos), text(special.eos));
        let mut template = Self::parse(source.unwrap_or(CHATML), &bos, &eos)?;
        if source.is_none() {
            let text = format!("the file has no {KEY}: ChatML stands for it");
            template.diagnostics.push(Diagnostic::new(NO_TEMPLATE, Severity::Warning, text));
        }
        Ok(template)
    }

    /// A template, and the texts of the tokens that it may name.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn parse(source: &str, bos: &str, eos: &str) -> Result<Self, Error> {
        if source.len() > MAX_SOURCE {
            let reason = format!("it has {} bytes, of at most {MAX_SOURCE}", source.len());
            return Err(Error::Template { reason });
        }
        let mut environment = environment();
        let text = source::without_generation_marks(source);
        environment.add_template_owned(NAME, text).map_err(refused)?;
        Ok(Self {
            environment: Arc::new(environment),
            source: source.into(),
            bos: bos.to_owned(),
            eos: eos.to_owned(),
            diagnostics: Vec::new(),
        })
    }

    /// The template itself.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What was found in the file.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The prompt of some messages.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String, Error> {
        let messages: Vec<_> = messages.iter().map(values::message).collect();
        let tools: Vec<_> = options.tools.iter().map(values::tool).collect();
        let given = serde_json::to_vec(&(&messages, &tools)).map_or(0, |text| text.len());
        let mut values = vec![
            ("messages", Value::from_serialize(messages)),
            ("add_generation_prompt", options.add_generation_prompt.into()),
            ("bos_token", self.bos.as_str().into()),
            ("eos_token", self.eos.as_str().into()),
            ("tools", if tools.is_empty() { ().into() } else { Value::from_serialize(tools) }),
            ("documents", ().into()),
        ];
        if let Some(thinking) = options.thinking {
            values.extend(["enable_thinking", "thinking"].map(|name| (name, thinking.into())));
        }
        let time = options.time.unwrap_or_else(SystemTime::now);
        values.push(("strftime_now", Value::from_function(move |format: &str| date(time, format))));
        let values: Value = values.into_iter().collect();
        let room = MAX_SOURCE.saturating_add(given.saturating_mul(MAX_GROWTH));
        let mut prompt = Limited { text: Vec::new(), room };
        let template = self.environment.get_template(NAME).map_err(refused)?;
        // minijinja 2.24 panics on slices of empty lists with a negative step.
        let render = || template.render_captured_to(values, &mut prompt).map(drop);
        match catch_unwind(AssertUnwindSafe(render)) {
            Ok(rendered) => rendered.map_err(refused)?,
            Err(_) => return Err(Error::Template { reason: "it cannot be rendered".to_owned() }),
        }
        String::from_utf8(prompt.text).map_err(|e| Error::Template { reason: e.to_string() })
    }
}

/// The language of templates.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_formatter(python::write);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment.add_filter("tojson", json::tojson);
    environment.add_filter("string", python::string);
    environment.add_test("iterable", python::is_iterable);
    environment.add_function("raise_exception", |text: String| -> Result<(), _> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, text))
    });
    environment
}

/// A time, by the rules of C's `strftime`.
fn date(time: SystemTime, format: &str) -> Result<String, minijinja::Error> {
    let wrong = |e: jiff::Error| minijinja::Error::new(ErrorKind::InvalidOperation, e.to_string());
    let time = Timestamp::try_from(time).map_err(wrong)?.to_zoned(TimeZone::system());
    strtime::format(format, &time).map_err(wrong)
}

/// Text that does not grow beyond all measure.
struct Limited {
    text: Vec<u8>,
    room: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(room) = self.room.checked_sub(bytes.len()) else {
            return Err(io::Error::other("it writes more than any prompt needs"));
        };
        self.room = room;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn refused(error: minijinja::Error) -> Error {
    use std::error::Error as _;
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Error::Template { reason: format!("{error}{cause}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn rendered(source: &str, options: &RenderOptions) -> Result<String, String> {
        let template = ChatTemplate::parse(source, "<s>", "</s>").map_err(|e| e.to_string())?;
        template.render(&[Message::user("hi")], options).map_err(|e| e.to_string())
    }

    #[test]
    fn templates_see_what_they_expect() {
        let tools = vec![ToolDefinition::new("f", "does", serde_json::json!({"type": "object"}))];
        // Noon, so that the date is the same in nearly all zones.
        let time = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_721_995_200));
        let options = RenderOptions { tools, thinking: Some(false), time, ..Default::default() };
        let source = "{{ bos_token }}{{ tools[0].function.name }} {{ enable_thinking }} \
                      {{ strftime_now('%d %b %Y') }} {{ messages[0] }}";
        let expected = "<s>f False 26 Jul 2024 {'role': 'user', 'content': 'hi'}";
        assert_eq!(rendered(source, &options).unwrap(), expected);
        let source = "{{ tools is none }} {{ enable_thinking is defined }}";
        assert_eq!(rendered(source, &RenderOptions::default()).unwrap(), "True False");
    }

    #[test]
    fn strangers_cannot_have_all_the_time_and_room() {
        let options = RenderOptions::default();
        for (source, reason) in [
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                "fuel",
            ),
            ("{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", "more than any prompt"),
            ("{{ raise_exception('no tools here') }}", "no tools here"),
            ("{{ strftime_now('%') }}", "strftime"),
            ("{% if %}", "syntax"),
        ] {
            let found = rendered(source, &options).unwrap_err();
            assert!(found.contains(reason), "{source}: {found}");
        }
        assert!(rendered(&" ".repeat(MAX_SOURCE + 1), &options).unwrap_err().contains("1048577"));
    }
}
