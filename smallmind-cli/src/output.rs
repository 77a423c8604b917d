//! How things are written on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use tempfile::TempDir;

/// Whether standard error is a terminal that wants colour.
fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// What stands before an error.
pub(crate) fn error_label() -> &'static str {
    if colour() { "\x1b[1;31merror:\x1b[0m" } else { "error:" }
}

/// A line on standard error, dim on a terminal.
pub(crate) fn note(text: &str) {
    let line = if colour() { format!("\x1b[2m{text}\x1b[0m\n") } else { format!("{text}\n") };
    // Where standard error is closed there is nobody to tell.
    drop(io::stderr().write_all(line.as_bytes()));
}

/// Bytes as people read them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.2} {}", UNITS[unit]) }
}

/// A count as people read it: `134.52 M`.
pub(crate) fn count(n: u64) -> String {
    match n {
        0..1_000_000 => n.to_string(),
        1_000_000..1_000_000_000 => format!("{:.2} M", n as f64 / 1e6),
        _ => format!("{:.2} B", n as f64 / 1e9),
    }
}

/// A table with a line under its head, columns as wide as what is in them.
pub(crate) fn table(out: &mut impl Write, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let width = |i: usize| {
        let cells = rows.iter().map(|r| r[i].chars().count());
        cells.max().unwrap_or(0).max(head[i].chars().count())
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "| {} |", padded.collect::<Vec<_>>().join(" | "))
    };
    line(&mut head.iter().copied())?;
    let rule: Vec<_> = widths.iter().map(|w| "-".repeat(*w)).collect();
    line(&mut rule.iter().map(String::as_str))?;
    rows.iter().try_for_each(|row| line(&mut row.iter().map(String::as_str)))
}

/// A bar of bytes on a terminal.
pub(crate) fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{wide_bar} {binary_bytes}/{binary_total_bytes} {eta} {msg}")
    {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A folder for what is on its way to a file, on the same file system.
pub(crate) fn beside(file: &Path) -> io::Result<TempDir> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    TempDir::new_in(folder.unwrap_or(Path::new(".")))
}

/// Whether a file is to be .smq, by its name.
pub(crate) fn is_smq(file: &Path) -> bool {
    file.extension().is_some_and(|e| e == "smq")
}

/// A bar of files, and what becomes of them.
#[cfg(feature = "rag")]
pub(crate) fn files() -> ProgressStyle {
    ProgressStyle::with_template("{wide_bar} {pos}/{len} files, {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
