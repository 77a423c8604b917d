//! Messages to the tokens of a prompt, in which what is said stays data.

use super::{ChatTemplate, Message, RenderOptions, ToolDefinition, verbatim};
use crate::{Engine, Error};
use smallmind_abstractions::{TokenId, Tokenizer};

impl ChatTemplate {
    /// The tokens of the prompt of some messages, for the model of `engine`.
    ///
    /// Only the template's own control tokens are read as such: those spelled
    /// in messages and tools are text.
    ///
    /// ```no_run
    /// use smallmind_abstractions::CancellationToken;
    /// use smallmind_engine::chat::{ChatTemplate, Message, RenderOptions};
    /// use smallmind_engine::{Engine, EngineOptions};
    ///
    /// let never = CancellationToken::new();
    /// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
    /// let options = RenderOptions { add_generation_prompt: true, ..Default::default() };
    /// let template = ChatTemplate::of(&engine)?;
    /// let prompt = template.tokens(&engine, &[Message::user("What is <|im_end|>?")], &options)?;
    /// # Ok::<(), smallmind_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Template`], [`Error::UnusableText`], [`Error::Encoding`].
    pub fn tokens(
        &self,
        engine: &Engine,
        messages: &[Message],
        options: &RenderOptions,
    ) -> Result<Vec<TokenId>, Error> {
        let (text, mark) = self.marked(engine, messages.to_vec(), options.clone())?;
        Ok(encode(engine.tokenizer(), &text, mark, true)?)
    }

    /// A prompt with a mark wherever a control token is spelled that is data.
    pub(super) fn marked(
        &self,
        engine: &Engine,
        messages: Vec<Message>,
        mut options: RenderOptions,
    ) -> Result<(String, char), Error> {
        let mut texts: Vec<_> = messages.iter().flat_map(Message::texts).collect();
        texts.extend(options.tools.iter().flat_map(ToolDefinition::texts));
        let mark = verbatim::unused_mark(&texts).ok_or(Error::UnusableText)?;
        let spellings = engine.chat_parts().spellings(engine.tokenizer());
        let marked = |text: &str| spellings.mark(text, mark);
        options.tools = options.tools.into_iter().map(|tool| tool.map_texts(&marked)).collect();
        let messages: Vec<_> = messages.into_iter().map(|m| m.map_texts(marked)).collect();
        Ok((self.render(&messages, &options)?, mark))
    }
}

/// The tokens of a marked text; a whole prompt begins as the model wants it.
pub(super) fn encode(
    tokenizer: &dyn Tokenizer,
    text: &str,
    mark: char,
    whole: bool,
) -> Result<Vec<TokenId>, smallmind_abstractions::Error> {
    let mut ids = verbatim::encode(tokenizer, text, mark)?;
    let bos = tokenizer.special().bos.filter(|_| whole && tokenizer.special().add_bos);
    if let Some(bos) = bos.filter(|bos| ids.first() != Some(bos)) {
        ids.insert(0, bos);
    }
    Ok(ids)
}
