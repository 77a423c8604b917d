//! Ingestion that is stopped at random points leaves the last commit, and goes
//! on from there; readers see whole commits meanwhile.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]
#![allow(clippy::print_stdout, reason = "a time is measured and not asserted")]

#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod common;

use common::{Random, found};
use smallmind_abstractions::{CancellationToken, Retriever, SearchRequest};
use smallmind_rag::ingest::{Event, Ingest};
use smallmind_rag::{Bm25, Error, Language, Stage, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CANCELS: usize = 1000;

/// Several transactions' worth.
const FILES: usize = 300;

fn write(docs: &Path, version: usize) {
    for file in 0..FILES {
        let text = format!("wings of file {file} in version {version}\n");
        fs::write(docs.join(format!("{file}.txt")), text).unwrap();
    }
}

/// The text of each source.
fn contents(store: &Arc<Store>) -> BTreeMap<String, String> {
    let request = SearchRequest::new("wings").with_limit(2 * FILES);
    found(store, &Bm25::new(store.clone()), &request)
        .into_iter()
        .map(|p| (p.source, p.text))
        .collect()
}

/// Ingests until done or stopped, `after` some time. Returns how it ended and
/// how long it took to return once it was stopped.
fn ingest_and_cancel(
    store: &Store,
    docs: &Path,
    after: Duration,
    events: &mut Vec<Event>,
) -> (Result<(), Error>, Option<Duration>) {
    let cancel = CancellationToken::new();
    thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            thread::sleep(after);
            let now = Instant::now();
            cancel.cancel();
            now
        });
        let result = Ingest::new(store).files(&[docs.to_owned()], &mut |e| events.push(e), &cancel);
        let end = Instant::now();
        let late = end.checked_duration_since(canceller.join().unwrap());
        (result, late)
    })
}

#[test]
fn a_stopped_ingest_leaves_the_last_commit_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let docs = folder.path().join("docs");
    fs::create_dir(&docs).unwrap();
    let store =
        Store::open(&folder.path().join("kb"), Language::English, &CancellationToken::new())
            .unwrap();
    let (mut random, mut version) = (Random(3), 1);
    write(&docs, version);
    let (mut committed, mut late) = (BTreeMap::new(), Vec::new());
    let mut stages = [0; 3];
    while late.len() < CANCELS {
        let mut events = Vec::new();
        let after = Duration::from_micros(random.below(15_000));
        let (result, took) = ingest_and_cancel(&store, &docs, after, &mut events);
        for event in events {
            if let Event::Added(path, _) = event {
                let text = fs::read_to_string(&path).unwrap().trim_end().to_owned();
                committed.insert(path.to_str().unwrap().to_owned(), text);
            }
        }
        assert_eq!(contents(&store), committed, "after {} cancels", late.len());
        match result {
            Ok(()) => {
                assert_eq!(committed.len(), FILES);
                version += 1;
                write(&docs, version);
            }
            Err(Error::Cancelled { stage, .. }) => {
                stages[match stage {
                    Stage::Reading => 0,
                    Stage::Indexing => 1,
                    _ => 2,
                }] += 1;
                late.push(took.unwrap_or_default());
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(version > 1, "no run came to its end");
    late.sort();
    let [p50, p99] = [0.5, 0.99].map(|share| late[(share * CANCELS as f64) as usize]);
    println!(
        "stopped in {stages:?}; cancel to return: p50 {p50:?}, p99 {p99:?}, most {:?}",
        late[CANCELS - 1]
    );
}

#[test]
fn readers_see_whole_commits_during_writes() {
    let folder = tempfile::tempdir().unwrap();
    let never = CancellationToken::new();
    let store = Store::open(&folder.path().join("kb"), Language::English, &never).unwrap();
    let done = AtomicBool::new(false);
    let put = |version: usize| {
        store
            .update(&never, |update| {
                (0..20).try_for_each(|i| {
                    let text = format!("wings in version {version}");
                    let document = smallmind_rag::Document::from_text(&i.to_string(), "", &text);
                    update.put(&document).map(drop)
                })
            })
            .unwrap();
    };
    put(0);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut seen, mut reads) = (std::collections::BTreeSet::new(), 0);
            while !done.load(Ordering::Acquire) {
                let request = SearchRequest::new("wings").with_limit(100);
                let hits = Bm25::new(store.clone()).retrieve(&request, &never).unwrap();
                assert_eq!(hits.len(), 20, "a commit is seen as a whole");
                seen.insert(hits.iter().map(|h| h.chunk).min());
                reads += 1;
            }
            (seen.len(), reads)
        });
        (1..100).for_each(put);
        done.store(true, Ordering::Release);
        let (seen, reads) = reader.join().unwrap();
        assert!(seen > 1, "{reads} reads saw {seen} commits: readers waited for the writer");
    });
}
