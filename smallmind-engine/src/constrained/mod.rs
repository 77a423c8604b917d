//! Generations whose text follows a grammar, by the crate `llguidance`.
//!
//! Before each token is chosen, the tokens that no text of the grammar goes on
//! with are ruled out. Building a grammar and finding a mask are both bounded
//! by the limits of `llguidance`; nobody waits for the former once it is cancelled.

mod gbnf;
mod patterns;
mod typed;
mod vocabulary;

use crate::Error;
use crate::choice::Mask;
use llguidance::api::{StopReason, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, SimpleVob, TokEnv};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use smallmind_abstractions::{Constraint, TokenId, Tokenizer};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use vocabulary::Vocabulary;

/// What makes grammars for one vocabulary.
pub(crate) struct Grammars {
    factory: ParserFactory,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl Grammars {
    pub(crate) fn new(tokenizer: &Arc<dyn Tokenizer>) -> Result<Self, Error> {
        let vocabulary =
            Vocabulary::new(tokenizer).ok_or_else(|| refused("no token ends a text"))?;
        let vocabulary: TokEnv = Arc::new(vocabulary);
        let slices = SlicedBiasComputer::general_slices();
        let mut factory =
            ParserFactory::new(&vocabulary, InferenceCapabilities::default(), &slices)
                .map_err(refused)?;
        factory.quiet().limits_mut().verbose_errors = false;
        Ok(Self { factory })
    }

    /// A text that begins, constrained.
    pub(crate) fn begin(&self, constraint: &Constraint) -> Result<Constrained, Error> {
        let grammar = grammar(constraint)?;
        // A grammar comes from outside; what it may break is this one call.
        let matcher =
            catch_unwind(AssertUnwindSafe(|| Matcher::new(self.factory.create_parser(grammar))))
                .map_err(|_| refused("the grammar cannot be built"))?;
        match matcher.get_error() {
            None => Ok(Constrained { matcher, mask: SimpleVob::new() }),
            Some(message) => Err(refused(message)),
        }
    }
}

/// A text in progress and what it may go on with.
pub(crate) struct Constrained {
    matcher: Matcher,
    mask: SimpleVob,
}

impl std::fmt::Debug for Constrained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constrained").finish_non_exhaustive()
    }
}

impl Mask for Constrained {
    fn allowed(&mut self) -> Result<&[u32], Error> {
        self.mask = self.matcher.compute_mask_or_eos().map_err(refused)?;
        Ok(self.mask.as_slice())
    }

    fn accept(&mut self, id: TokenId) -> Result<(), Error> {
        self.matcher.consume_token(id).map_err(refused)
    }

    fn is_complete(&self) -> bool {
        self.matcher.stop_reason() != StopReason::NotStopped
    }
}

fn grammar(constraint: &Constraint) -> Result<TopLevelGrammar, Error> {
    Ok(match constraint {
        Constraint::Json => schema(json!({})),
        Constraint::JsonSchema(text) => {
            let mut value = serde_json::from_str(text).map_err(refused)?;
            patterns::translate(&mut value)?;
            schema(value)
        }
        Constraint::Regex(regex) => TopLevelGrammar::from_regex(regex),
        Constraint::Lark(grammar) => TopLevelGrammar::from_lark(grammar.clone()),
        Constraint::Gbnf(grammar) => TopLevelGrammar::from_lark(gbnf::to_lark(grammar)?),
    })
}

/// The grammar of a schema, with one way to put white space: models would
/// otherwise go on with it forever. A schema may say otherwise by `x-guidance`.
fn schema(mut schema: Value) -> TopLevelGrammar {
    if let Value::Object(keys) = &mut schema {
        keys.entry("x-guidance").or_insert_with(
            || json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "}),
        );
    }
    TopLevelGrammar::from_json_schema(schema)
}

/// The error for a constraint that cannot be used, which names the keywords
/// where those are why.
fn refused(reason: impl std::fmt::Display) -> Error {
    let reason = reason.to_string();
    match reason.split_once("Unimplemented keys: ") {
        Some((_, keywords)) => {
            let end = keywords.find(']').map_or(keywords.len(), |at| at + 1);
            Error::UnsupportedKeyword { keywords: keywords[..end].to_owned() }
        }
        None => Error::Constraint { reason },
    }
}
