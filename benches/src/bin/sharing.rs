//! Prints what requests that share one scheduler wait, as JSON: how long until
//! the first token of a prompt alone, beside seven others' decodes, and with its
//! beginning in the prefix cache.
//!
//!     cargo run --release -p smallmind-benches --bin sharing -- MODEL.gguf

use serde_json::{Value, json};
use smallmind_abstractions::{CancellationToken, GenerationRequest};
use smallmind_engine::scheduler::{Priority, ScheduledStream, Scheduler, SchedulerOptions};
use smallmind_engine::{Engine, EngineOptions, Error};
use std::io::Write;
use std::time::Instant;

const OTHERS: u32 = 7;
/// Tokens that prompts begin with alike, and those that follow.
const SHARED: u32 = 1024;
const OWN: u32 = 32;
const REQUESTS: u32 = 8;
const PROMPTS: [u32; 3] = [32, 128, 512];
const REPETITIONS: u32 = 5;

fn main() -> Result<(), Error> {
    let never = CancellationToken::new();
    let model = std::env::args().nth(1).unwrap_or_default();
    let options = EngineOptions { threads: Some(2), ..Default::default() };
    let engine = Engine::load(model, options, &never)?;
    let report = json!({ "newcomers": newcomers(&engine)?, "prefix": prefix(&engine)? });
    // Nobody is left to tell where standard output is gone.
    let _ = writeln!(std::io::stdout(), "{report}");
    Ok(())
}

/// The time to the first token, alone and beside others, by prompt.
fn newcomers(engine: &Engine) -> Result<Vec<Value>, Error> {
    let scheduler = Scheduler::new(engine.clone(), options(0))?;
    let mut seed = 0;
    let mut wait = |tokens| {
        let mut times = Vec::new();
        for _ in 0..REPETITIONS {
            seed += 1;
            times.push(first_token(&scheduler, ids(seed, tokens))?.0);
        }
        times.sort_by(f64::total_cmp);
        Ok::<f64, Error>(times[times.len() / 2])
    };
    wait(PROMPTS[0])?;
    let mut waits = || PROMPTS.iter().map(|p| wait(*p)).collect::<Result<Vec<_>, _>>();
    let alone = waits()?;
    let mut others: Vec<_> = (0..OTHERS)
        .map(|i| submit(&scheduler, ids(1000 + i, 8), 4000))
        .collect::<Result<_, _>>()?;
    others.iter_mut().try_for_each(|other| other.next().transpose().map(drop))?;
    let beside = waits()?;
    let rows = PROMPTS.iter().zip(alone).zip(beside);
    let row =
        |((prompt, alone), beside)| json!({ "prompt": prompt, "alone": alone, "beside": beside });
    Ok(rows.map(row).collect())
}

/// Prompts that begin alike, one after another.
fn prefix(engine: &Engine) -> Result<Value, Error> {
    let scheduler = Scheduler::new(engine.clone(), options(256 << 20))?;
    let mut times = Vec::new();
    for i in 0..REQUESTS {
        let mut prompt = ids(1, SHARED);
        prompt.extend(ids(2 + i, OWN));
        times.push(first_token(&scheduler, prompt)?.0);
    }
    let stats = scheduler.stats().prefix;
    let later = times[1..].iter().sum::<f64>() / f64::from(REQUESTS - 1);
    Ok(json!({
        "prompt": SHARED + OWN,
        "requests": REQUESTS,
        "first": times[0],
        "later": later,
        "hit_rate": stats.hit_rate().unwrap_or_default(),
        "bytes": stats.bytes,
    }))
}

fn options(prefix_cache: usize) -> SchedulerOptions {
    SchedulerOptions { prefix_cache, ..Default::default() }
}

fn ids(seed: u32, count: u32) -> Vec<u32> {
    (0..count).map(|i| 1000 + (i * 7919 + seed * 31) % 20_000).collect()
}

fn submit(
    scheduler: &Scheduler,
    prompt: Vec<u32>,
    tokens: usize,
) -> Result<ScheduledStream, Error> {
    let mut request = GenerationRequest::new(prompt);
    request.options.max_tokens = Some(tokens);
    request.options.ignore_eos = true;
    scheduler.submit(&request, Priority::Normal, &CancellationToken::new())
}

/// Seconds until the first token, and the stream, which ends with it.
fn first_token(scheduler: &Scheduler, prompt: Vec<u32>) -> Result<(f64, ScheduledStream), Error> {
    let start = Instant::now();
    let mut stream = submit(scheduler, prompt, 1)?;
    stream.next().transpose()?;
    Ok((start.elapsed().as_secs_f64(), stream))
}
