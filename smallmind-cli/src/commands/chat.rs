//! `smallmind chat`.

use crate::error::Error;
use crate::interrupt::Interrupts;
use crate::sampling::SamplingArgs;
use crate::session::SessionArgs;
use crate::tokenizer::TokenizerArgs;
use crate::{models, output};
use smallmind_abstractions::{CancellationToken, FinishReason, GenerationOptions};
use smallmind_engine::chat::{
    ChatEvent, ChatOptions, ChatReply, ChatSession, ContextPolicy, FolderStore, Turn,
};
use smallmind_engine::{Engine, EngineOptions, Error as EngineError};
use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::path::PathBuf;

/// What `/help` says.
const HELP: &str = "\
/regenerate   another reply to what was said last
/reset        forget what was said; the system prompt stays
/save NAME    keep the chat in the folder of --chats, to go on without delay
/load NAME    go on with a chat that was kept
/exit         leave; Ctrl-D does too
Ctrl-C ends a reply. A line that begins with // is said with one /.";

/// Talks with a model, line by line.
#[derive(clap::Args)]
#[command(after_help = "\
Each line of standard input is a message; /help lists the commands. Replies go
to standard output, all else to standard error.

Examples:
  smallmind chat smollm2-135m
  smallmind chat model.gguf --system \"Answer in one sentence.\" --temp 0.7
  echo \"What is a token?\" | smallmind chat smollm2-135m -n 64")]
pub(crate) struct Args {
    /// The model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    model: String,
    /// What the model is told first.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// The most tokens of a reply; -1 is until the model ends it or the context
    /// is full.
    #[arg(short, default_value_t = -1, allow_negative_numbers = true)]
    n: i64,
    /// When the context is full, keep the last N turns. Without it that is an
    /// error.
    #[arg(long, value_name = "N")]
    keep_turns: Option<usize>,
    /// Where /save keeps chats.
    #[arg(long, value_name = "FOLDER", default_value = "chats")]
    chats: PathBuf,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
}

impl Args {
    fn chat_options(&self) -> ChatOptions {
        let policy = self.keep_turns.map_or(ContextPolicy::Refuse, ContextPolicy::KeepTurns);
        let (session, system) = (self.session.options(), self.system.clone());
        ChatOptions { session, system, policy, ..Default::default() }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let interrupts = Interrupts::new();
    let loading = interrupts.token();
    let file = models::file(&args.model, &loading)?;
    let (threads, tokenizer) = (args.session.threads, args.tokenizer.factory());
    let engine =
        Engine::load(file, EngineOptions { threads, tokenizer, ..Default::default() }, &loading)?;
    interrupts.rest();
    let mut talk = Talk {
        args,
        options: GenerationOptions {
            max_tokens: usize::try_from(args.n).ok(),
            sampling: args.sampling.options(&engine)?,
            ..Default::default()
        },
        chat: ChatSession::new(&engine, args.chat_options())?,
        engine,
        interrupts,
    };
    talk.chat.diagnostics().iter().for_each(|finding| output::note(&finding.to_string()));
    let prompted = stdin().is_terminal();
    if prompted {
        output::note("say something; /help lists the commands");
    }
    let mut line = String::new();
    loop {
        if prompted {
            // Where standard error is closed there is nobody to ask.
            drop(write!(std::io::stderr(), "> "));
        }
        line.clear();
        if stdin().lock().read_line(&mut line)? == 0 || !talk.line(line.trim())? {
            return Ok(());
        }
    }
}

/// A chat on a terminal.
struct Talk<'a> {
    args: &'a Args,
    options: GenerationOptions,
    chat: ChatSession,
    engine: Engine,
    interrupts: Interrupts,
}

impl Talk<'_> {
    /// Does what a line says; whether more may follow.
    fn line(&mut self, line: &str) -> Result<bool, Error> {
        let (command, name) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "" => {}
            "/exit" => return Ok(false),
            "/help" => output::note(HELP),
            "/reset" => self.chat.clear()?,
            "/regenerate" => {
                self.options.sampling.seed = self.options.sampling.seed.wrapping_add(1);
                self.reply(Turn::Regenerate)?;
            }
            "/save" => self.told(self.save(name.trim())),
            "/load" => {
                let loaded = self.load(name.trim()).map(|chat| self.chat = chat);
                self.told(loaded);
            }
            _ if line.starts_with("//") => self.reply(line[1..].into())?,
            _ if line.starts_with('/') => output::note("there is no such command; see /help"),
            _ => self.reply(line.into())?,
        }
        Ok(true)
    }

    /// Prints the reply to a turn while it comes.
    fn reply(&self, turn: Turn) -> Result<(), Error> {
        let cancel = self.interrupts.token();
        let outcome = self.print(turn, &cancel);
        self.interrupts.rest();
        match outcome {
            Ok(reply) => {
                match reply.result.finish_reason {
                    FinishReason::ContextFull => output::note("the context is full: see --ctx"),
                    FinishReason::MaxTokens => output::note("stopped at -n"),
                    _ => {}
                }
                Ok(())
            }
            Err(Error::Engine(EngineError::Cancelled { .. })) => {
                writeln!(stdout())?;
                output::note("interrupted");
                Ok(())
            }
            // The chat is as it was before: there are other things to say.
            Err(Error::Engine(error)) if stdin().is_terminal() => {
                output::note(&error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn print(&self, turn: Turn, cancel: &CancellationToken) -> Result<ChatReply, Error> {
        let mut out = stdout().lock();
        for event in self.chat.stream(turn, &self.options, cancel)? {
            match event? {
                ChatEvent::Truncated(gone) => output::note(&format!(
                    "the context is full: {} messages ({} tokens) are no longer seen by the model",
                    gone.messages, gone.tokens
                )),
                ChatEvent::Finished(reply) => {
                    writeln!(out)?;
                    return Ok(*reply);
                }
                event => {
                    out.write_all(event.text().as_bytes())?;
                    out.flush()?;
                }
            }
        }
        Err(Error::Interrupted)
    }

    fn save(&self, name: &str) -> Result<(), Error> {
        Ok(self.chat.save(&FolderStore::new(&self.args.chats)?, name, true)?)
    }

    fn load(&self, name: &str) -> Result<ChatSession, Error> {
        let store = FolderStore::new(&self.args.chats)?;
        Ok(ChatSession::open(&self.engine, self.args.chat_options(), &store, name)?)
    }

    /// Says what went wrong, if anything.
    fn told(&self, outcome: Result<(), Error>) {
        output::note(&outcome.map_or_else(|error| error.to_string(), |()| "done".to_owned()));
    }
}
