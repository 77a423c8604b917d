//! Our own engine as a [`Generator`].

use super::{Generator, Messages};
use smallmind_abstractions::{
    CancellationToken, EncodeOptions, Error, GenerationOptions, GenerationRequest, TokenId,
};
use smallmind_engine::{Engine, SessionOptions};

/// Tokens of a context at most: passages and an answer, on any machine.
const CONTEXT: usize = 4096;

/// What stands around rules and question, and between them.
struct Frame {
    /// A token that models have who know the frame.
    mark: &'static str,
    parts: [&'static str; 3],
}

const FRAMES: [Frame; 2] = [
    Frame {
        mark: "<|im_start|>",
        parts: [
            "<|im_start|>system\n",
            "<|im_end|>\n<|im_start|>user\n",
            "<|im_end|>\n<|im_start|>assistant\n",
        ],
    },
    Frame {
        mark: "<start_of_turn>",
        parts: ["<start_of_turn>user\n", "\n\n", "<end_of_turn>\n<start_of_turn>model\n"],
    },
];

/// For models that know no turns.
const PLAIN: [&str; 3] = ["", "\n\n", "\nAnswer:"];

/// A language model that writes answers. Only what frames rules and question
/// is read for control tokens: those written in documents are plain text.
///
/// ```no_run
/// use smallmind_abstractions::CancellationToken;
/// use smallmind_engine::{Engine, EngineOptions};
/// use smallmind_rag::LanguageModel;
///
/// let never = CancellationToken::new();
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let generator = LanguageModel::new(engine);
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LanguageModel {
    engine: Engine,
    frame: [&'static str; 3],
}

impl LanguageModel {
    /// Writes with a loaded model, in the turns its vocabulary has marks for.
    pub fn new(engine: Engine) -> Self {
        let knows = |f: &&Frame| {
            let options = EncodeOptions { add_special: false, parse_special: true };
            engine.tokenizer().encode(f.mark, options).is_ok_and(|ids| ids.len() == 1)
        };
        let frame = FRAMES.iter().find(knows).map_or(PLAIN, |f| f.parts);
        Self { engine, frame }
    }

    fn tokens(&self, messages: &Messages) -> Result<Vec<TokenId>, Error> {
        let Messages { system, user } = messages;
        let data = EncodeOptions { add_special: false, parse_special: false };
        let frame = EncodeOptions { parse_special: true, ..data };
        let first = EncodeOptions { add_special: true, parse_special: true };
        let [before, between, after] = self.frame;
        let parts =
            [(before, first), (system, data), (between, frame), (user, data), (after, frame)];
        let mut tokens = Vec::new();
        for (text, options) in parts {
            tokens.extend(self.engine.tokenizer().encode(text, options)?);
        }
        Ok(tokens)
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
        let failed = |error: smallmind_engine::Error| match cancel.check() {
            Err(cause) => Error::Cancelled(cause),
            Ok(()) => Error::Part { part: "model".to_owned(), reason: error.to_string() },
        };
        let options = GenerationOptions { max_tokens: Some(limit), ..Default::default() };
        let request = GenerationRequest::new(self.tokens(messages)?).with_options(options);
        let context = SessionOptions { context: Some(self.context()), ..Default::default() };
        let session = self.engine.session(context).map_err(failed)?;
        for event in session.stream(request, cancel.clone()).map_err(failed)? {
            show(event.map_err(failed)?.text());
        }
        Ok(())
    }
}
