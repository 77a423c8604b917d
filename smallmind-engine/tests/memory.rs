//! What a model takes of the machine's memory, at most.
#![cfg(target_os = "linux")]

use smallmind_abstractions::{CancellationToken, GenerationRequest};
use smallmind_engine::{Engine, EngineOptions, SessionOptions};
use smallmind_runtime::CacheType;
use smallmind_testkit::model_path;
use std::fs;

/// What is not weights, nor keys and values.
const REST: usize = 40 << 20;

/// The most that this process has held.
fn peak_rss() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("a Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("a peak");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<usize>();
    kilobytes.expect("a number") << 10
}

// One test, since all share the process; the larger model comes last.
#[test]
fn a_model_takes_its_file_its_cache_and_little_more() {
    let never = CancellationToken::new();
    for name in ["smollm2-135m", "gemma3-270m"] {
        let path = model_path(name);
        let file = fs::metadata(&path).expect("a model that was fetched").len() as usize;
        let engine = Engine::load(path, EngineOptions::default(), &never).expect("loads");
        let session = engine.session(SessionOptions::default()).expect("a session");
        let mut request = GenerationRequest::new("The capital of France is");
        request.options.max_tokens = Some(8);
        session.generate(&request, &never).expect("generates");
        let cache = engine.model().context_bytes(4096, CacheType::default());
        let (peak, most) = (peak_rss(), file + cache + REST);
        assert!(peak <= most, "{name}: {} MB, not {} MB", peak >> 20, most >> 20);
    }
}
