//! `smallmind run`.

use crate::error::Error;
use crate::tokenizer::TokenizerArgs;
use crate::{interrupt, models, output};
use serde_json::json;
use smallmind_abstractions::{
    FinishReason, GenerationEvent, GenerationOptions, GenerationRequest, GenerationResult,
    SamplingOptions,
};
use smallmind_engine::{
    CacheType, Engine, EngineOptions, Error as EngineError, Precision, SessionOptions,
};
use std::io::{IsTerminal, Read, Write, stdin, stdout};
use std::time::{Duration, Instant};

/// Continues a text, token by token.
#[derive(clap::Args)]
#[command(after_help = "\
Without PROMPT the text comes from standard input. Greedy unless --temp is
above 0: the same model and prompt give the same text.

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
    /// Temperature; 0 always takes the most probable token.
    #[arg(long, default_value_t = 0.0)]
    temp: f32,
    /// Keep the K most probable tokens; 0 keeps all.
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: usize,
    /// Keep the most probable tokens that sum to P.
    #[arg(long, value_name = "P", default_value_t = 0.95)]
    top_p: f32,
    /// Keep tokens at least P times as probable as the first.
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    min_p: f32,
    /// Seeds the sampling.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads; the physical cores where it is missing.
    #[arg(short, long)]
    threads: Option<usize>,
    /// Tokens that the context holds; 4096, or what the model was trained for.
    #[arg(short, long, value_name = "TOKENS")]
    ctx: Option<usize>,
    /// How keys and values are held: f32, f16 or q8_0.
    #[arg(long, value_name = "TYPE", default_value_t)]
    cache_type: CacheType,
    /// How exactly products with quantized weights are computed: int8 or int16.
    #[arg(long, value_name = "TYPE", default_value_t)]
    precision: Precision,
    /// Take control tokens written in the prompt as such.
    #[arg(long)]
    special: bool,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
    /// Print one JSON object at the end instead of the text.
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
    let engine = Engine::load(
        file,
        EngineOptions {
            threads: args.threads,
            precision: args.precision,
            tokenizer: args.tokenizer.factory(),
        },
        &cancel,
    )?;
    let loaded = started.elapsed();
    let session = engine.session(SessionOptions {
        context: args.ctx,
        cache_type: args.cache_type,
        ..Default::default()
    })?;
    let request = GenerationRequest::new(prompt).with_options(options(args));
    let mut out = stdout().lock();
    for event in session.stream(request, cancel)? {
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

fn options(args: &Args) -> GenerationOptions {
    GenerationOptions {
        max_tokens: usize::try_from(args.n).ok(),
        sampling: SamplingOptions {
            temperature: args.temp,
            top_k: args.top_k,
            top_p: args.top_p,
            min_p: args.min_p,
            seed: args.seed,
            ..Default::default()
        },
        parse_special: args.special,
        ..Default::default()
    }
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
    output::note(&format!(
        "prefill {} tokens, {}; decode {} tokens, {}; loaded in {:.2} s, first token after {:.2} s{why}",
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
        "finish_reason": result.finish_reason.as_str(),
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
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
