//! `smallmind run`.

use crate::constraint::ConstraintArgs;
use crate::error::Error;
use crate::sampling::SamplingArgs;
use crate::session::SessionArgs;
use crate::tokenizer::TokenizerArgs;
use crate::{interrupt, models, output};
use serde_json::json;
use smallmind_abstractions::{
    CancellationToken, FinishReason, GenerationEvent, GenerationOptions, GenerationRequest,
    GenerationResult, TokenLogprobs,
};
use smallmind_engine::{
    Engine, EngineOptions, Error as EngineError, InferenceSession, Precision, SessionOptions,
    Speculation,
};
use std::io::{IsTerminal, Read, Write, stdin, stdout};
use std::time::{Duration, Instant};

/// Continues a text, token by token.
#[derive(clap::Args)]
#[command(after_help = "\
Without PROMPT the text comes from standard input. Greedy unless --temp or the
model file says otherwise; the same model, prompt, options and seed give the
same text.

Examples:
  smallmind run smollm2-135m \"The capital of France is\"
  smallmind run smollm2-135m --special -n 64 \"<|im_start|>user
  Hi!<|im_end|>
  <|im_start|>assistant
  \"
  cat story.txt | smallmind run model.gguf -n 200 --temp 0.8 --top-p 0.95 --seed 7")]
pub(crate) struct Args {
    /// The model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    model: String,
    /// The text to continue; standard input where it is missing.
    prompt: Option<String>,
    /// The most tokens to generate; -1 is until the model ends its text or the
    /// context is full.
    #[arg(short, default_value_t = 256, allow_negative_numbers = true)]
    n: i64,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Go on after the model's end of the text.
    #[arg(long)]
    ignore_eos: bool,
    /// Print the prompt first.
    #[arg(long)]
    echo: bool,
    /// End where TEXT appears; may be given again.
    #[arg(short = 'r', long, visible_alias = "reverse-prompt", value_name = "TEXT")]
    stop: Vec<String>,
    #[command(flatten)]
    constraint: ConstraintArgs,
    /// Generate N completions, with one seed after the other.
    #[arg(long, value_name = "N", default_value_t = 1)]
    completions: usize,
    /// With --json: how probable each token was, and its K best alternatives,
    /// at most 20.
    #[arg(long, value_name = "K", requires = "json")]
    logprobs: Option<usize>,
    #[command(flatten)]
    session: SessionArgs,
    /// How exactly products with quantized weights are computed: int8 or int16.
    #[arg(long, value_name = "TYPE", default_value_t)]
    precision: Precision,
    /// Guess what comes next by what followed the same words before; the text
    /// is the same, sooner where it repeats itself.
    #[arg(long, conflicts_with = "draft_model")]
    lookup: bool,
    /// Guess what comes next by a smaller model of the same vocabulary.
    #[arg(long, value_name = "MODEL")]
    draft_model: Option<String>,
    /// Take control tokens written in the prompt as such.
    #[arg(long)]
    special: bool,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
    /// Print one JSON object for each completion instead of the text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let cancel = interrupt::token();
    let prompt = match &args.prompt {
        Some(prompt) => prompt.clone(),
        None => read_prompt()?,
    };
    let file = models::file(&args.model, &cancel)?;
    let started = Instant::now();
    let engine = Engine::load(file, engine_options(args), &cancel)?;
    let loaded = started.elapsed();
    let session = engine.session(SessionOptions {
        speculation: speculation(args, &cancel)?,
        ..args.session.options()
    })?;
    let mut request = GenerationRequest::new(prompt).with_options(options(args, &engine)?);
    for _ in 0..args.completions {
        complete(args, &session, request.clone(), &cancel, loaded)?;
        request.options.sampling.seed = request.options.sampling.seed.wrapping_add(1);
    }
    Ok(())
}

fn engine_options(args: &Args) -> EngineOptions {
    EngineOptions {
        threads: args.session.threads,
        precision: args.precision,
        tokenizer: args.tokenizer.factory(),
    }
}

fn speculation(args: &Args, cancel: &CancellationToken) -> Result<Speculation, Error> {
    let Some(draft) = &args.draft_model else {
        return Ok(if args.lookup { Speculation::Lookup } else { Speculation::Off });
    };
    let file = models::file(draft, cancel)?;
    Ok(Speculation::Draft(Engine::load(file, engine_options(args), cancel)?))
}

/// Prints one completion.
fn complete(
    args: &Args,
    session: &InferenceSession,
    request: GenerationRequest,
    cancel: &CancellationToken,
    loaded: Duration,
) -> Result<(), Error> {
    let mut out = stdout().lock();
    for event in session.stream(request, cancel.clone())? {
        match event {
            Ok(GenerationEvent::Finished(result)) => {
                return finish(args, &mut out, &result, loaded);
            }
            Ok(event) if !args.json => {
                out.write_all(event.text().as_bytes())?;
                out.flush()?;
            }
            Ok(_) => {}
            Err(EngineError::Cancelled { partial }) => {
                finish(args, &mut out, &partial, loaded)?;
                return Err(Error::Interrupted);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn read_prompt() -> Result<String, Error> {
    if stdin().is_terminal() {
        output::note("type the text to continue, then Ctrl-D");
    }
    let mut bytes = Vec::new();
    stdin().read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|e| Error::Usage(format!("the prompt is not UTF-8: {e}")))
}

fn options(args: &Args, engine: &Engine) -> Result<GenerationOptions, Error> {
    Ok(GenerationOptions {
        max_tokens: usize::try_from(args.n).ok(),
        stop: args.stop.clone(),
        sampling: args.sampling.options(engine)?,
        parse_special: args.special,
        ignore_eos: args.ignore_eos,
        echo: args.echo,
        logprobs: args.logprobs,
        constraint: args.constraint.constraint()?,
        ..Default::default()
    })
}

/// Ends the text and says what it took.
fn finish(
    args: &Args,
    out: &mut impl Write,
    result: &GenerationResult,
    loaded: Duration,
) -> Result<(), Error> {
    if args.json {
        writeln!(out, "{:#}", to_json(result, loaded))?;
    } else {
        writeln!(out)?;
    }
    let (usage, timings) = (&result.usage, &result.timings);
    let rate = |r: Option<f64>| r.map_or_else(|| "-".to_owned(), |r| format!("{r:.1} tokens/s"));
    let why = match result.finish_reason {
        FinishReason::ContextFull => "; the context is full: see --ctx",
        FinishReason::MaxTokens => "; stopped at -n",
        FinishReason::Cancelled => "; interrupted",
        _ => "",
    };
    let guesses = match usage.drafted_tokens {
        0 => String::new(),
        drafted => format!(", {} of {drafted} guesses right", usage.accepted_tokens),
    };
    output::note(&format!(
        "prefill {} tokens, {}; decode {} tokens, {}{guesses}; loaded in {:.2} s, first token after {:.2} s{why}",
        usage.prompt_tokens,
        rate(timings.prefill_rate(usage)),
        usage.completion_tokens,
        rate(timings.decode_rate()),
        loaded.as_secs_f64(),
        timings.time_to_first_token.as_secs_f64(),
    ));
    Ok(())
}

fn to_json(result: &GenerationResult, loaded: Duration) -> serde_json::Value {
    let (usage, timings) = (&result.usage, &result.timings);
    json!({
        "text": result.text,
        "tokens": result.tokens,
        "logprobs": result.logprobs.iter().map(logprobs_to_json).collect::<Vec<_>>(),
        "finish_reason": result.finish_reason.as_str(),
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "drafted_tokens": usage.drafted_tokens,
            "accepted_tokens": usage.accepted_tokens,
        },
        "timings": {
            "load_seconds": loaded.as_secs_f64(),
            "time_to_first_token_seconds": timings.time_to_first_token.as_secs_f64(),
            "prefill_seconds": timings.prefill.as_secs_f64(),
            "prefill_tokens_per_second": timings.prefill_rate(usage),
            "decode_seconds": timings.decode.as_secs_f64(),
            "decode_tokens_per_second": timings.decode_rate(),
        },
    })
}

fn logprobs_to_json(logprobs: &TokenLogprobs) -> serde_json::Value {
    let top: Vec<_> = logprobs
        .top
        .iter()
        .map(|(id, logprob)| json!({ "token": id, "logprob": logprob }))
        .collect();
    json!({ "logprob": logprobs.logprob, "top": top })
}
