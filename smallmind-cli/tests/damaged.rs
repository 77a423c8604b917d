//! The binary on damaged files: one line that says what is wrong, exit code 1.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_testkit::damages;
use std::process::{Command, Stdio};

#[test]
fn damaged_files_end_the_program_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let damages = damages();
    assert!(damages.len() >= 100);
    for damage in damages {
        let path = damage.write(folder.path()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smallmind"));
        command.arg("run").arg(path).args(["x", "-n", "1"]).stdin(Stdio::null());
        let output = command.output().unwrap();
        let (name, stderr) = (&damage.name, String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
        assert!(output.stdout.is_empty(), "{name}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{name}: {stderr}");
        for said in &damage.says {
            assert!(stderr.contains(said.as_str()), "{name}: {said:?} is not in {stderr}");
        }
    }
}
