//! What the whole program takes of the machine's memory, at most.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_testkit::{model_path, peak_rss};
use std::fs;
use std::process::Command;

/// What is neither the file nor keys and values.
const REST: u64 = 40 << 20;
/// Of 1,024 tokens in half precision, for each model.
const CACHES: [(&str, u64); 2] =
    [("smollm2-135m", (30 * 2 * 3 * 64 * 2) << 10), ("gemma3-270m", (18 * 2 * 256 * 2) << 10)];

#[test]
fn the_program_takes_the_file_the_cache_and_little_more() {
    for (model, cache) in CACHES {
        let path = model_path(model);
        let file = fs::metadata(&path).unwrap().len();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smallmind"));
        command.arg("run").arg(path).args(["The capital of France is", "-n", "8", "-c", "1024"]);
        let (peak, most) = (peak_rss(&mut command).unwrap().unwrap(), file + cache + REST);
        // A program that ended at once would take little, too.
        assert!(peak > file / 2 && peak <= most, "{model}: {} MB of {}", peak >> 20, most >> 20);
    }
}
