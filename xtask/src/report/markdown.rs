//! The report as people read it.

use super::dense::Dense;
use super::kernels::Products;
use super::memory::{Allocations, Requests};
use super::start::Start;
use super::{Line, Report, chart};
use crate::endtoend::{Peaks, Spread};
use std::collections::BTreeMap;

pub(super) fn write(report: &Report) -> String {
    let m = &report.machine;
    let mut sections = vec![
        "# Benchmarks".to_owned(),
        format!(
            "Written by `cargo xtask report`; the numbers are in [benchmarks.json](benchmarks.json). \
             Speeds are tokens a second: the median of {} rounds, and the slowest and the fastest. \
             A round is the median of {} repetitions; with 4,096 tokens there is one of one. In each \
             round SmallMind and llama.cpp, where it is asked for, run in turn, and the ratio is \
             taken of the two.",
            report.effort.rounds, report.effort.repetitions
        ),
        "## Machine".to_owned(),
        format!(
            "- {}, {} logical cores\n- {}\n- {}\n- {}, commit {}",
            m.cpu,
            m.logical_cores,
            m.flags.join(" "),
            m.system,
            m.rustc,
            m.commit
        ),
        "The most it did of what could limit a model, measured between the rounds:".to_owned(),
        peaks(&report.speeds),
        "## Speed".to_owned(),
        "pp512 is the prefill of 512 tokens, tg128 the decode of 128, @ d4096 after 4,096 others. \
         The rate counts the matrices alone: GOP/s of the layers in prefill, GB/s of all weights \
         read in decode; its share is of the int8 or the bandwidth peak of the same rounds. Weights \
         that a cache holds in part can exceed the latter."
            .to_owned(),
        speeds(&report.speeds),
    ];
    let charts = chart::charts(&report.speeds);
    sections.extend(charts.iter().map(|(name, _)| format!("![{name}]({name})")));
    sections.push("## Kernels".to_owned());
    sections.push(
        "Products with a matrix of 512 × 768 on one thread, by criterion (`cargo xtask bench` has \
         all kernels): GEMM with 64 tokens, GEMV with one. The share is of one thread's FP32 peak \
         for F32, F16 and BF16, of its int8 peak for the others."
            .to_owned(),
    );
    sections.push(kernels(&report.kernels));
    sections.push(
        "Products of matrices of floats, M × K by K × N, and numpy's OpenBLAS in the same minutes, \
         both with large pages; the share is of the FP32 peak."
            .to_owned(),
    );
    sections.push(dense(&report.dense));
    sections.push("## Start and memory".to_owned());
    sections.push(
        "One process, from start to exit, that continues a prompt of five words by one token, \
         with the file in the page cache; llama.cpp's time is without Python's own start."
            .to_owned(),
    );
    sections.push(starts(&report.starts));
    sections.push(
        "What a session asks of the allocator, for a prompt of 1,024 tokens and what follows, and \
         the peak RSS of the process above, which includes the pages of the file it maps."
            .to_owned(),
    );
    sections.push(memory(report));
    sections.join("\n\n") + "\n"
}

pub(super) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let head: Vec<_> = head.iter().map(|&h| h.to_owned()).collect();
    let rule = "|---".repeat(head.len()) + "|";
    let rows = rows.map(|r| line(&r));
    [line(&head), rule].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// The highest of all rounds.
fn peaks(lines: &[Line]) -> String {
    let mut most = BTreeMap::<usize, Peaks>::new();
    for peaks in lines.iter().map(|l| l.speed.peaks) {
        most.entry(peaks.threads).and_modify(|m| *m = m.max(peaks)).or_insert(peaks);
    }
    let rows = most.values().map(|p| {
        let rates = [p.read_gb_s, p.f32_gflop_s, p.int8_gop_s].map(|r| format!("{r:.1}"));
        [vec![p.threads.to_string()], rates.to_vec()].concat()
    });
    table(&["threads", "read GB/s", "FP32 GFLOP/s", "int8 GOP/s"], rows)
}

/// The columns of the peer and the baseline are there where they say something.
fn speeds(lines: &[Line]) -> String {
    let with_peer = lines.iter().any(|l| l.speed.peer.is_some());
    let with_before = lines.iter().any(|l| l.before.is_some());
    let mut head = vec!["model", "threads", "test", "SmallMind"];
    head.extend(with_peer.then_some(["llama.cpp", "ratio"]).into_iter().flatten());
    head.extend(with_before.then_some(["before", "change"]).into_iter().flatten());
    head.extend(["rate", "of peak"]);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let rows = lines.iter().map(|Line { speed: s, share, before }| {
        let mut cells =
            vec![s.model.clone(), s.threads.to_string(), s.test.clone(), s.ours.to_string()];
        if with_peer {
            cells.push(or_none(s.peer.map(|p| p.to_string())));
            cells.push(or_none(s.ratio.map(|r| format!("{r:.2}"))));
        }
        if with_before {
            cells.push(or_none(before.map(|b| format!("{b:.1}"))));
            cells.push(or_none(before.map(|b| format!("{:.2}", s.ours.median / b))));
        }
        let unit = if s.test.starts_with("pp") { "GOP/s" } else { "GB/s" };
        let share = share.as_ref();
        cells.push(or_none(share.map(|s| format!("{:.1} {unit}", s.rate))));
        cells.push(or_none(share.map(|s| format!("{:.0}%", 100.0 * s.of_peak))));
        cells
    });
    table(&head, rows)
}

fn kernels(products: &[Products]) -> String {
    let rows = products.iter().map(|p| {
        let (gemm, gemv) = (format!("{:.1}", p.gemm), format!("{:.1}", p.gemv));
        vec![p.tensor_type.clone(), gemm, format!("{:.0}%", 100.0 * p.of_peak), gemv]
    });
    table(&["type", "GEMM GOP/s", "of peak", "GEMV GOP/s"], rows)
}

fn dense(products: &[Dense]) -> String {
    let number = |x: Option<f64>, digits: usize| {
        x.map_or_else(|| "–".to_owned(), |x| format!("{x:.digits$}"))
    };
    let rows = products.iter().map(|p| {
        let of_peak = format!("{:.0}%", 100.0 * p.of_peak);
        let shape = p.shape.replace('x', " × ");
        let rates = [number(Some(p.ours), 1), number(p.peer, 1), number(p.ratio, 2), of_peak];
        [vec![shape, p.threads.to_string()], rates.to_vec()].concat()
    });
    table(&["shape", "threads", "GFLOP/s", "OpenBLAS", "ratio", "of peak"], rows)
}

fn starts(starts: &[Start]) -> String {
    let none = || "–".to_owned();
    let rows = starts.iter().map(|s| {
        let ms = |seconds: f64| format!("{:.0}", 1e3 * seconds);
        let spread = |Spread { median, min, max }: Spread| {
            format!("{} ms ({} .. {})", ms(median), ms(min), ms(max))
        };
        let ratio = s.peer.map(|peer| format!("{:.2}", s.seconds.median / peer.median));
        let load = format!("{} ms", ms(s.load_seconds));
        let (peer, ratio) = (s.peer.map_or_else(none, spread), ratio.unwrap_or_else(none));
        vec![s.model.clone(), s.container.to_owned(), spread(s.seconds), load, peer, ratio]
    });
    table(&["model", "from", "whole process", "load", "llama.cpp", "ratio"], rows)
}

fn memory(report: &Report) -> String {
    let none = || "–".to_owned();
    let mb = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let starts = report.starts.iter().filter(|start| start.container == "GGUF");
    let rows = report.memory.iter().zip(starts).flat_map(|(m, start)| {
        let row = |when: String, a: &Allocations, rss: Option<u64>| {
            let of = |r: Requests| format!("{:.2} ({:.0} B)", r.requests, r.bytes);
            let requests = [a.first_prompt, a.warm_chunk, a.warm_token].map(of);
            let rss = rss.map_or_else(none, mb);
            [vec![m.model.clone(), when], requests.to_vec(), vec![rss]].concat()
        };
        let before = m.before.as_ref();
        let before =
            before.map(|b| row(format!("at {}", b.commit), &b.allocations, Some(b.peak_rss_bytes)));
        let file = mb(start.file_bytes);
        before.into_iter().chain([row(
            format!("now, of a file of {file}"),
            &m.now,
            start.peak_rss_bytes,
        )])
    });
    table(
        &["model", "", "first prompt", "each chunk of a later one", "each token", "peak RSS"],
        rows,
    )
}
