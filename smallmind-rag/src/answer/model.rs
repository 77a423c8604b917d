//! Our own engine as a [`Generator`].

use super::{Generator, Messages};
use smallmind_abstractions::{
    CancellationToken, Error, GenerationOptions, GenerationRequest, TokenId,
};
use smallmind_engine::chat::{ChatTemplate, Message, NO_TEMPLATE, RenderOptions};
use smallmind_engine::{Engine, Error as EngineError, InferenceSession, SessionOptions};

/// Tokens of a context at most: passages and an answer, on any machine.
const CONTEXT: usize = 4096;

/// For models that know no turns, and what ends their answer: they go on with
/// texts of the same kind.
const PLAIN: &str = "{{ messages | map(attribute='content') | join('\n\n') }}\nAnswer:";
const PARAGRAPH: &str = "\n\n";

/// A language model that writes answers, in the turns of the template in its
/// file. Only the template's control tokens are read as such: those written in
/// documents are plain text.
///
/// ```no_run
/// use smallmind_abstractions::CancellationToken;
/// use smallmind_engine::{Engine, EngineOptions};
/// use smallmind_rag::LanguageModel;
///
/// let never = CancellationToken::new();
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let generator = LanguageModel::new(engine)?;
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LanguageModel {
    engine: Engine,
    template: ChatTemplate,
    /// Whether the template has a place for rules.
    has_system: bool,
    /// What ends an answer.
    stop: Vec<String>,
}

impl LanguageModel {
    /// Writes with a loaded model.
    ///
    /// # Errors
    /// [`EngineError::Template`]: what is wrong with the template in its file.
    pub fn new(engine: Engine) -> Result<Self, EngineError> {
        let mut template = ChatTemplate::of(&engine)?;
        let mut stop = Vec::new();
        let missing = template.diagnostics().iter().any(|d| d.code == NO_TEMPLATE);
        // ChatML stands for it, where the model can know ChatML.
        if missing && engine.tokenizer().token_id(b"<|im_start|>").is_none() {
            template = ChatTemplate::parse(PLAIN, "", "")?;
            stop.push(PARAGRAPH.to_owned());
        }
        let has_system = has_system(&template);
        Ok(Self { engine, template, has_system, stop })
    }

    /// The loaded model.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The tokens of a prompt, up to where the answer begins.
    ///
    /// # Errors
    /// What the template refuses, or the tokenizer reports.
    pub fn tokens(&self, messages: &Messages) -> Result<Vec<TokenId>, Error> {
        let Messages { system, user } = messages;
        let messages = match self.has_system {
            true => vec![Message::system(system), Message::user(user)],
            false => vec![Message::user(format!("{system}\n\n{user}"))],
        };
        self.template.tokens(&self.engine, &messages, &options()).map_err(failed)
    }

    /// A session that holds `tokens`, or as many as a context may.
    pub(crate) fn session(&self, tokens: usize) -> Result<InferenceSession, Error> {
        let context = Some(tokens.min(self.context()));
        self.engine.session(SessionOptions { context, ..Default::default() }).map_err(failed)
    }
}

impl Generator for LanguageModel {
    fn context(&self) -> usize {
        self.engine.model().config().context_length.min(CONTEXT)
    }

    fn count(&self, messages: &Messages) -> Result<usize, Error> {
        Ok(self.tokens(messages)?.len())
    }

    fn generate(
        &self,
        messages: &Messages,
        limit: usize,
        show: &mut dyn FnMut(&str),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let stop = self.stop.clone();
        let options = GenerationOptions { max_tokens: Some(limit), stop, ..Default::default() };
        let prompt = self.tokens(messages)?;
        let session = self.session(prompt.len().saturating_add(limit))?;
        let request = GenerationRequest::new(prompt).with_options(options);
        for event in session.stream(request, cancel.clone()).map_err(stopped(cancel))? {
            show(event.map_err(stopped(cancel))?.text());
        }
        Ok(())
    }
}

/// What an error is where `cancel` may have caused it.
pub(crate) fn stopped(cancel: &CancellationToken) -> impl Fn(EngineError) -> Error {
    |error| cancel.check().map_or_else(Error::from, |()| failed(error))
}

fn failed(error: EngineError) -> Error {
    match error {
        EngineError::Encoding(error) => error,
        error => Error::Part { part: "model".to_owned(), reason: error.to_string() },
    }
}

/// Answers are short: a model that may choose does not think before them.
fn options() -> RenderOptions {
    RenderOptions { add_generation_prompt: true, thinking: Some(false), ..Default::default() }
}

/// Some templates refuse rules, and some leave them out.
fn has_system(template: &ChatTemplate) -> bool {
    let rules = "The rules of this conversation.";
    let messages = [Message::system(rules), Message::user("A question.")];
    template.render(&messages, &options()).is_ok_and(|prompt| prompt.contains(rules))
}
