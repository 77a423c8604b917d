//! Messages to a prompt, by the template in the model's file.

use super::Message;
use crate::{Engine, Error};
use minijinja::{Environment, ErrorKind, context};
use smallmind_abstractions::{Diagnostic, ReasonCode, Severity};
use std::sync::Arc;

/// Where a file has its template.
const KEY: &str = "tokenizer.chat_template";
/// What errors call it.
const NAME: &str = "chat";
/// Instructions that a template may run: it comes from a stranger.
const FUEL: u64 = 10_000_000;

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
}

/// How a model wants its messages.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
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
        let mut diagnostics = Vec::new();
        let source = engine.metadata().get_optional(KEY).map_err(smallmind_runtime::Error::from)?;
        if source.is_none() {
            let text = format!("the file has no {KEY}: ChatML stands for it");
            diagnostics.push(Diagnostic::new(NO_TEMPLATE, Severity::Warning, text));
        }
        let source: String = source.unwrap_or(CHATML).to_owned();
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |text: String| -> Result<(), _> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, text))
        });
        environment.add_template_owned(NAME, source).map_err(refused)?;
        let special = engine.tokenizer().special();
        let text = |id: Option<u32>| {
            let text = id.and_then(|id| engine.tokenizer().token_text(id));
            text.map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
        };
        let (bos, eos) = (text(special.bos), text(special.eos));
        Ok(Self { environment: Arc::new(environment), bos, eos, diagnostics })
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
        let add_generation_prompt = options.add_generation_prompt;
        let (bos_token, eos_token) = (&self.bos, &self.eos);
        let values = context! { messages, add_generation_prompt, bos_token, eos_token };
        self.environment.get_template(NAME).and_then(|t| t.render(values)).map_err(refused)
    }
}

fn refused(error: minijinja::Error) -> Error {
    Error::Template { reason: error.to_string() }
}
