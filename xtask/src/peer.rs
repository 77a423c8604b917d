//! llama.cpp, which speeds are held against.

use crate::command::{output, root, run, say, target};
use serde_json::Value;
use smallmind_testkit::model_path;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

const PACKAGES: [&str; 2] = ["llama-cpp-python==0.3.36", "numpy"];

/// A Python that has llama.cpp and numpy.
pub(crate) struct Peer {
    /// A program and its first arguments.
    python: Vec<OsString>,
}

impl Peer {
    /// The Python that a command starts, or one under `target/`, which is set up where
    /// it is missing: llama.cpp is built from source, for some minutes.
    pub(crate) fn new(command: Option<&str>) -> Result<Self, String> {
        if let Some(command) = command {
            return Ok(Self { python: command.split_whitespace().map(Into::into).collect() });
        }
        let folder = target().join("peer");
        let bin = if cfg!(windows) { "Scripts" } else { "bin" };
        let python = folder.join(bin).join(format!("python{}", env::consts::EXE_SUFFIX));
        let ready = output(Command::new(&python).args(["-c", "import llama_cpp, numpy"])).is_ok();
        if !ready {
            say("setting up llama.cpp as a peer: some minutes, once");
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
        }
        Ok(Self { python: vec![python.into()] })
    }

    /// Tokens a second, by the name of a test. The arguments are those of
    /// `smallmind bench`.
    pub(crate) fn measure(&self, model: &str, args: &str) -> Result<Value, String> {
        let model = model_path(model);
        let args = args.split_whitespace().map(OsStr::new);
        self.ask("speed.py", [model.as_os_str()].into_iter().chain(args))
    }

    /// Tokens a second of sequences that are decoded together, by the name of a
    /// test. The arguments are those of `smallmind bench`.
    pub(crate) fn measure_sequences(&self, model: &str, args: &str) -> Result<Value, String> {
        let model = model_path(model);
        let args = args.split_whitespace().map(OsStr::new);
        self.ask("batch_speed.py", [model.as_os_str()].into_iter().chain(args))
    }

    /// Seconds that it takes to build a model's tokenizer and to encode a text.
    pub(crate) fn measure_tokenizer(&self, model: &str, text: &Path) -> Result<Value, String> {
        self.ask("tokenizer_speed.py", [model_path(model).as_os_str(), text.as_os_str()])
    }

    /// Seconds from loading a model to its first token.
    pub(crate) fn measure_start(&self, model: &str) -> Result<f64, String> {
        let result = self.ask("start_speed.py", [model_path(model).as_os_str()])?;
        result["seconds"].as_f64().ok_or_else(|| "the peer says no time".to_owned())
    }

    /// GFLOP/s of products of matrices, by shape (`MxKxN`).
    pub(crate) fn measure_dense(&self, threads: usize, shapes: &[String]) -> Result<Value, String> {
        let threads = threads.to_string();
        let args = [&threads].into_iter().chain(shapes).map(OsStr::new);
        self.ask("dense_speed.py", args)
    }

    fn ask<'a>(
        &self,
        script: &str,
        args: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<Value, String> {
        let [program, first @ ..] = &self.python[..] else {
            return Err("--peer takes a command".to_owned());
        };
        let mut command = Command::new(program);
        command.args(first).arg(root().join("smallmind-testkit/reference").join(script));
        let text = output(command.args(args))?;
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line).map_err(|e| format!("the peer does not print JSON: {e}: {line}"))
    }
}
