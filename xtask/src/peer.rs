//! llama.cpp, which speeds are held against.

use crate::command::{output, root, run, say, target};
use serde_json::Value;
use smallmind_testkit::model_path;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGES: [&str; 2] = ["llama-cpp-python==0.3.36", "numpy"];

/// A Python that has llama.cpp.
pub(crate) struct Peer {
    python: PathBuf,
}

impl Peer {
    /// The Python that is named, or one under `target/`, which is set up where
    /// it is missing: llama.cpp is built from source, for some minutes.
    pub(crate) fn new(python: Option<&str>) -> Result<Self, String> {
        if let Some(python) = python {
            return Ok(Self { python: python.into() });
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
        Ok(Self { python })
    }

    /// Tokens a second, by the name of a test. The arguments are those of
    /// `smallmind bench`.
    pub(crate) fn measure(&self, model: &str, args: &str) -> Result<Value, String> {
        let args = args.split_whitespace().map(OsStr::new);
        self.ask("speed.py", model, args)
    }

    /// Seconds that it takes to build a model's tokenizer and to encode a text.
    pub(crate) fn measure_tokenizer(&self, model: &str, text: &Path) -> Result<Value, String> {
        self.ask("tokenizer_speed.py", model, [text.as_os_str()])
    }

    fn ask<'a>(
        &self,
        script: &str,
        model: &str,
        args: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<Value, String> {
        let mut command = Command::new(&self.python);
        command.arg(root().join("smallmind-testkit/reference").join(script));
        let text = output(command.arg(model_path(model)).args(args))?;
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line).map_err(|e| format!("the peer does not print JSON: {e}: {line}"))
    }
}
