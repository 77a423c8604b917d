//! How much memory a program takes.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use std::{fs, io};

/// The most memory that a program holds, in bytes, read every millisecond
/// while it runs; `None` where the system does not say.
///
/// # Errors
/// Where the program does not start or end.
pub fn peak_rss(command: &mut Command) -> io::Result<Option<u64>> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    while child.try_wait()?.is_none() {
        let now = fs::read_to_string(&status).ok().and_then(|text| {
            let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        peak = now.map(|kb| kb * 1024).or(peak);
        sleep(Duration::from_millis(1));
    }
    Ok(peak)
}
