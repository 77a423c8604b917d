//! A process that is killed while it writes loses nothing it has committed.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
#![allow(clippy::print_stdout, reason = "the child tells its parent what it has committed")]

#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod common;

use common::{Random, found};
use rusqlite::Connection;
use smallmind_abstractions::{Access, CancellationToken, SearchRequest};
use smallmind_rag::ingest::Ingest;
use smallmind_rag::{Bm25, Language, Store};
use std::fs;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const KILLS: usize = 200;

/// More than one transaction's.
const FILES: usize = 80;

/// The test, which the child runs too.
const TEST: &str = "what_a_killed_process_has_committed_is_there";

/// Names the folder in which the child works, and so makes a process the child.
const FOLDER: &str = "SMALLMIND_CRASH_FOLDER";

fn open(folder: &Path) -> Arc<Store> {
    Store::open(&folder.join("kb"), Language::English, &CancellationToken::new()).unwrap()
}

/// What the child runs until it is killed: brings the store up to date with one
/// version of the files after the other, and says which it has committed.
fn work(folder: &Path) -> ! {
    let store = open(folder);
    let docs = folder.join("docs");
    let first = versions(&store).into_iter().max().unwrap_or(0) + 1;
    for version in first.. {
        for file in 0..FILES {
            fs::write(docs.join(format!("{file}.txt")), format!("wings version {version}\n"))
                .unwrap();
        }
        Ingest::new(&store)
            .files(std::slice::from_ref(&docs), &mut |_| {}, &CancellationToken::new())
            .unwrap();
        println!("committed {version}");
        stdout().flush().unwrap();
    }
    unreachable!("versions have no end");
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", TEST, "--nocapture"]).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Lets a child work for a while after it has begun, kills it, and returns the
/// last version it said it had committed.
fn work_and_kill(folder: &Path, time: Duration) -> Option<u64> {
    let mut child = start(folder);
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.filter_map(|line| line.split_once("committed ")?.1.parse().ok()).last()
}

/// The version of each document.
fn versions(store: &Arc<Store>) -> Vec<u64> {
    let never = CancellationToken::new();
    let request = SearchRequest::new("wings").with_limit(2 * FILES);
    let passages = found(store, &Bm25::new(store.clone()), &request);
    let status = store.status(&Access::Everything, &never).unwrap();
    assert_eq!(passages.len() as u64, status.chunks, "each chunk is found by its words");
    assert_eq!(passages.len() as u64, status.documents, "each document has its chunk");
    passages.iter().map(|p| p.text.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

fn assert_intact(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let check: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut orphans = connection.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!orphans.exists([]).unwrap());
}

#[test]
fn what_a_killed_process_has_committed_is_there() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        work(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    let mut random = Random(11);
    let (mut committed, mut newest) = (0, 0);
    for kill in 0..KILLS {
        let time = Duration::from_micros(random.below(80_000));
        committed = work_and_kill(folder.path(), time).unwrap_or(committed);
        let versions = versions(&open(folder.path()));
        assert_intact(&folder.path().join("kb"));
        let is_whole = versions.len() == FILES || committed == 0;
        assert!(is_whole, "after kill {kill}: {} documents", versions.len());
        let oldest = versions.iter().min().copied().unwrap_or(0);
        assert!(oldest >= committed, "after kill {kill}: {oldest} is there, not {committed}");
        // It may have committed what it was killed before it could say.
        let most = newest.max(committed) + 1;
        newest = versions.iter().max().copied().unwrap_or(0);
        assert!(newest <= most, "after kill {kill}: {newest} is there, of {most} begun");
    }
    assert!(committed > 0, "no child lived long enough to commit");
}
