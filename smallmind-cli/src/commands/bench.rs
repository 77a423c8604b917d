//! `smallmind bench`.

use super::cancellation;
use crate::error::Error;
use crate::{interrupt, models, output};
use serde_json::{Value, json};
use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{
    BatchEntry, CacheType, Context, LoadOptions, Logits, Model, Precision, peaks,
};
use std::io::{Write, stdout};
use std::path::Path;
use std::time::Instant;

/// Measures prefill and decode, as llama-bench does.
#[derive(clap::Args)]
#[command(after_help = "\
pp512 is the prefill of 512 tokens, tg128 the decode of 128; rates are the
median of the repetitions, with the slowest and the fastest. Run it on a quiet
machine, in turn with what it is compared to.

Examples:
  smallmind bench smollm2-135m -p 512 -n 128 -t 1,2 -r 5
  smallmind bench model.gguf -p 0 -n 64 -d 4096 --json
  smallmind bench smollm2-135m -p 0 -n 64 --sequences 1,2,4,8
  smallmind bench --peaks -t 1,2")]
pub(crate) struct Args {
    /// The model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    #[arg(required_unless_present = "peaks")]
    model: Option<String>,
    /// Tokens to prefill; 0 leaves it out.
    #[arg(short, default_value_t = 512)]
    p: usize,
    /// Tokens to decode; 0 leaves it out.
    #[arg(short, default_value_t = 128)]
    n: usize,
    /// Tokens that the context holds already.
    #[arg(short, default_value_t = 0)]
    d: usize,
    /// Decode so many sequences at once, too; the rate is that of all together.
    #[arg(long, value_delimiter = ',', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    sequences: Vec<u16>,
    /// Threads, one or several; the physical cores where it is missing.
    #[arg(short, value_delimiter = ',')]
    threads: Vec<usize>,
    /// How keys and values are held: f32, f16 or q8_0.
    #[arg(long, value_name = "TYPE", default_value_t)]
    cache_type: CacheType,
    /// How exactly products with quantized weights are computed: int8 or int16.
    #[arg(long, value_name = "TYPE", default_value_t)]
    precision: Precision,
    /// Repetitions, after one that does not count.
    #[arg(short, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repetitions: u32,
    /// Measure the machine instead: memory bandwidth and operations a second.
    #[arg(long)]
    peaks: bool,
    /// Measure instead how soon work returns that is cancelled at random moments,
    /// -r of them.
    #[arg(long, conflicts_with = "peaks")]
    cancel: bool,
    /// Print a JSON array, an object a row.
    #[arg(long)]
    json: bool,
}

struct Row {
    test: String,
    threads: usize,
    /// Tokens a second, the slowest first.
    rates: Vec<f64>,
}

impl Row {
    fn median(&self) -> f64 {
        let (n, r) = (self.rates.len(), &self.rates);
        (r[n / 2] + r[(n - 1) / 2]) / 2.0
    }

    fn slowest(&self) -> f64 {
        self.rates[0]
    }

    fn fastest(&self) -> f64 {
        self.rates[self.rates.len() - 1]
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let cancel = interrupt::token();
    if args.peaks {
        return show_peaks(args, &cancel);
    }
    let name = args.model.as_deref().unwrap_or_default();
    if args.cancel {
        return show_cancellation(args, &models::file(name, &cancel)?, &cancel);
    }
    let file = ModelFile::open(&models::file(name, &cancel)?)?;
    let mut rows = Vec::new();
    let threads = if args.threads.is_empty() {
        vec![None]
    } else {
        args.threads.iter().map(|t| Some(*t)).collect()
    };
    for threads in threads {
        let load = LoadOptions { threads, precision: args.precision, ..Default::default() };
        let model = Model::load(&file, &load, &cancel)?;
        rows.extend(measure(args, &model, &cancel)?);
    }
    let params = file.tensors().filter_map(|t| t.shape.elements()).sum();
    show(args, name, &file, params, &rows)
}

fn measure(args: &Args, model: &Model, cancel: &CancellationToken) -> Result<Vec<Row>, Error> {
    let most = args.d + args.p.max(args.n);
    let tokens = random_tokens(most, model.config().vocab_size);
    let (past, tokens) = tokens.split_at(args.d);
    let mut context = model.new_context_with(most, args.cache_type)?;
    model.forward(&mut context, past, Logits::None, cancel)?;
    let mut rows = Vec::new();
    for (test, count, step) in [("pp", args.p, args.p), ("tg", args.n, 1)] {
        if count > 0 {
            rows.push(row(args, model, format!("{test}{count}"), count, || {
                context.truncate(args.d);
                for part in tokens[..count].chunks(step) {
                    model.forward(&mut context, part, Logits::Last, cancel)?;
                }
                Ok(())
            })?);
        }
    }
    for sequences in args.sequences.iter().map(|n| usize::from(*n)) {
        let forks = (0..sequences).map(|_| model.fork_context(&context));
        let mut contexts: Vec<Context> = forks.collect::<Result<_, _>>()?;
        let mut batch = model.new_batch();
        let (test, count) = (format!("tg{} x{sequences}", args.n), sequences * args.n);
        rows.push(row(args, model, test, count, || {
            contexts.iter_mut().for_each(|context| context.truncate(args.d));
            for token in tokens[..args.n].chunks(1) {
                let entry = |context| BatchEntry { context, tokens: token, logits: Logits::Last };
                let mut entries: Vec<_> = contexts.iter_mut().map(entry).collect();
                model.forward_batch(&mut batch, &mut entries, cancel)?;
            }
            Ok(())
        })?);
    }
    Ok(rows)
}

/// Runs a test of `count` tokens time and again. The first repetition warms up.
fn row(
    args: &Args,
    model: &Model,
    test: String,
    count: usize,
    mut run: impl FnMut() -> Result<(), Error>,
) -> Result<Row, Error> {
    let depth = if args.d > 0 { format!(" @ d{}", args.d) } else { String::new() };
    let mut rates = Vec::new();
    for repetition in 0..=args.repetitions {
        let start = Instant::now();
        run()?;
        if repetition > 0 {
            rates.push(count as f64 / start.elapsed().as_secs_f64());
        }
    }
    rates.sort_by(f64::total_cmp);
    Ok(Row { test: test + &depth, threads: model.threads(), rates })
}

/// Any tokens will do, the same ones every time.
pub(super) fn random_tokens(count: usize, vocab_size: usize) -> Vec<TokenId> {
    let mut numbers = Numbers(1);
    (0..count).map(|_| ((numbers.next() >> 33) % vocab_size as u64) as TokenId).collect()
}

/// Random numbers, the same ones every time; the upper bits are the better ones.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0
    }
}

fn show(args: &Args, name: &str, file: &ModelFile, params: u64, rows: &[Row]) -> Result<(), Error> {
    let size = file.file_size();
    if args.json {
        let objects = rows.iter().map(|r| {
            json!({
                "model": name,
                "size": size,
                "params": params,
                "test": r.test,
                "threads": r.threads,
                "repetitions": r.rates.len(),
                "tokens_per_second": {
                    "median": r.median(), "min": r.slowest(), "max": r.fastest(),
                },
            })
        });
        writeln!(stdout(), "{:#}", Value::from_iter(objects))?;
        return Ok(());
    }
    let cells = rows.iter().map(|r| {
        let rate = format!("{:.2} ({:.2} .. {:.2})", r.median(), r.slowest(), r.fastest());
        let (size, params) = (output::size(size), output::count(params));
        vec![name.to_owned(), size, params, r.threads.to_string(), r.test.clone(), rate]
    });
    let head = ["model", "size", "params", "threads", "test", "tokens/s"];
    output::table(&mut stdout().lock(), &head, &cells.collect::<Vec<_>>())?;
    Ok(())
}

fn show_cancellation(args: &Args, path: &Path, cancel: &CancellationToken) -> Result<(), Error> {
    let threads = args.threads.first().copied();
    let phases = cancellation::measure(path, threads, args.repetitions, cancel)?;
    if args.json {
        let objects = phases.iter().map(|phase| {
            let whole = phase.whole.as_secs_f64() * 1e3;
            json!({ "work": phase.name, "whole_ms": whole, "latencies_ms": phase.latencies })
        });
        writeln!(stdout(), "{:#}", Value::from_iter(objects))?;
        return Ok(());
    }
    let cells = phases.iter().map(|phase| {
        let whole = format!("{:.0}", phase.whole.as_secs_f64() * 1e3);
        let shares = [0.5, 0.99, 1.0].map(|share| format!("{:.1}", phase.percentile(share)));
        let counted = phase.latencies.len().to_string();
        [vec![phase.name.to_owned(), whole, counted], shares.to_vec()].concat()
    });
    let head = ["work", "whole ms", "cancelled", "median ms", "p99 ms", "most ms"];
    output::table(&mut stdout().lock(), &head, &cells.collect::<Vec<_>>())?;
    Ok(())
}

fn show_peaks(args: &Args, cancel: &CancellationToken) -> Result<(), Error> {
    let threads = if args.threads.is_empty() { &[1][..] } else { &args.threads };
    let peaks = threads.iter().map(|t| Ok((t, peaks::measure(*t, cancel)?)));
    let peaks: Vec<_> = peaks.collect::<Result<_, Error>>()?;
    if args.json {
        let objects = peaks.iter().map(|(t, p)| {
            json!({
                "threads": t,
                "read_gb_s": p.read_bandwidth / 1e9,
                "f32_gflop_s": p.f32_flops / 1e9,
                "int8_gop_s": p.int8_ops / 1e9,
            })
        });
        writeln!(stdout(), "{:#}", Value::from_iter(objects))?;
        return Ok(());
    }
    let cells = peaks.iter().map(|(t, p)| {
        let giga = |n: f64| format!("{:.1}", n / 1e9);
        vec![t.to_string(), giga(p.read_bandwidth), giga(p.f32_flops), giga(p.int8_ops)]
    });
    let head = ["threads", "read GB/s", "FP32 GFLOP/s", "int8 GOP/s"];
    output::table(&mut stdout().lock(), &head, &cells.collect::<Vec<_>>())?;
    Ok(())
}
