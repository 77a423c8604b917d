//! `smallmind bench --cancel`: how long work goes on once it is told to stop.

use super::bench::{Numbers, random_tokens};
use crate::error::Error;
use serde_json::{Map, json};
use smallmind_abstractions::{
    CancellationToken, Constraint, GenerationOptions, GenerationRequest, TokenId,
};
use smallmind_engine::{Engine, EngineOptions, Error as EngineError, SessionOptions};
use smallmind_runtime::Error as RuntimeError;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Tokens of the long prompt.
const PROMPT: usize = 4096;
/// Tokens decoded, were it not for the cancellation.
const DECODED: usize = 64;
/// Properties of the JSON Schema.
const PROPERTIES: usize = 400;

/// Work that was cancelled at random moments.
pub(super) struct Phase {
    pub(super) name: &'static str,
    /// How long it takes where nobody cancels.
    pub(super) whole: Duration,
    /// Milliseconds from cancel to return, the shortest first.
    pub(super) latencies: Vec<f64>,
}

impl Phase {
    /// The latency that this share of the cancellations stays within.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let at = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Cancels all that may take long with a model, `times` each.
pub(super) fn measure(
    path: &Path,
    threads: Option<usize>,
    times: u32,
    cancel: &CancellationToken,
) -> Result<Vec<Phase>, Error> {
    let load = |cancel: &CancellationToken| {
        Engine::load(path, EngineOptions { threads, ..Default::default() }, cancel)
    };
    let engine = load(cancel)?;
    let config = engine.model().config();
    let context = (PROMPT + 1).min(config.context_length);
    let session =
        engine.session(SessionOptions { context: Some(context), ..Default::default() })?;
    let prompt = random_tokens(context - 1, config.vocab_size);
    let (prefill, mut decode) = (request(&prompt, 1), request(&prompt[..8], DECODED));
    decode.options.ignore_eos = true;
    let mut constrained = request(&prompt[..1], 1);
    constrained.options.constraint = Some(Constraint::JsonSchema(schema()));
    let nothing = || Ok(());
    // What an engine knows of its vocabulary it builds once, hence the loads.
    let fresh = || load(cancel)?.session(SessionOptions::default());
    let prefill = |(): &(), token: &_| {
        session.clear()?;
        session.generate(&prefill, token).map(drop)
    };
    let decode = |(): &(), token: &_| session.generate(&decode, token).map(drop);
    Ok(vec![
        phase("load", times, cancel, nothing, |(), token| load(token).map(drop))?,
        phase("prefill of 4,096 tokens", times, cancel, nothing, prefill)?,
        phase("decode", times, cancel, nothing, decode)?,
        phase("building a grammar", times, cancel, fresh, |session, token| {
            session.generate(&constrained, token).map(drop)
        })?,
    ])
}

/// A request for some tokens after a prompt.
fn request(prompt: &[TokenId], max_tokens: usize) -> GenerationRequest {
    let options = GenerationOptions { max_tokens: Some(max_tokens), ..Default::default() };
    GenerationRequest::new(prompt.to_vec()).with_options(options)
}

/// A large schema.
fn schema() -> String {
    let property = |i| {
        let pattern = format!("^[a-z]{{1,{}}}(-[0-9]{{2}}){{0,3}}$", i % 30 + 1);
        let list = json!({ "type": "array", "items": { "type": "string", "pattern": pattern } });
        (format!("property_{i}"), list)
    };
    let properties: Map<_, _> = (0..PROPERTIES).map(property).collect();
    json!({ "type": "object", "properties": properties }).to_string()
}

/// Does some work once to its end, then cancels it at random moments.
fn phase<T>(
    name: &'static str,
    times: u32,
    cancel: &CancellationToken,
    prepare: impl Fn() -> Result<T, EngineError>,
    work: impl Fn(&T, &CancellationToken) -> Result<(), EngineError>,
) -> Result<Phase, Error> {
    let prepared = prepare()?;
    let started = Instant::now();
    work(&prepared, cancel)?;
    let whole = started.elapsed();
    let (mut numbers, mut latencies) = (Numbers(7), Vec::new());
    for _ in 0..times {
        cancel.check().map_err(RuntimeError::from)?;
        let prepared = prepare()?;
        let moment = whole.mul_f64((numbers.next() >> 11) as f64 / (1u64 << 53) as f64);
        let token = cancel.child();
        let (outcome, returned, cancelled) = thread::scope(|scope| {
            let canceller = scope.spawn(|| {
                thread::sleep(moment);
                let now = Instant::now();
                token.cancel();
                now
            });
            let outcome = work(&prepared, &token);
            (outcome, Instant::now(), canceller.join())
        });
        match (outcome, cancelled) {
            // It was done before.
            (Ok(()), _) => {}
            (Err(error), Ok(cancelled)) if was_cancelled(&error) => {
                latencies.push((returned - cancelled).as_secs_f64() * 1e3);
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
    latencies.sort_by(f64::total_cmp);
    Ok(Phase { name, whole, latencies })
}

fn was_cancelled(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Cancelled { .. } | EngineError::Runtime(RuntimeError::Cancelled(_))
    )
}
