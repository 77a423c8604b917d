//! Pulls from a hub on this machine that misbehaves on request.

use super::*;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How the hub answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// Redirects to another path first, which has no digest.
    Redirecting,
    /// Breaks off in the middle, the first time.
    BreakingOnce,
    /// Says another digest than the file's.
    Lying,
    Missing,
    /// Says nothing at all.
    Silent,
}

struct Hub {
    endpoint: Endpoint,
    requests: Arc<Mutex<Vec<String>>>,
}

const FILE: &[u8] = &[7; 300_000];

fn hub(mood: Mood) -> Hub {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (seen, broken) = (Arc::clone(&requests), AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let request = read_request(&stream);
            let first = broken.fetch_add(1, Ordering::Relaxed) == 0;
            seen.lock().unwrap().push(request.clone());
            answer(&stream, mood, &request, first);
        }
    });
    Hub { endpoint: Endpoint { url, token: Some("secret".to_owned()) }, requests }
}

fn read_request(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|l| !l.is_empty()).collect::<Vec<_>>().join("\n").to_lowercase()
}

fn answer(mut stream: &TcpStream, mood: Mood, request: &str, first: bool) {
    let digest = if mood == Mood::Lying { "0".repeat(64) } else { digest_of(FILE) };
    let tag = format!("x-linked-etag: \"{digest}\"\r\n");
    let start = request.lines().find_map(|l| l.strip_prefix("range: bytes=")?.strip_suffix('-'));
    let start: usize = start.map_or(0, |s| s.parse().unwrap());
    let (head, body) = match mood {
        Mood::Silent => {
            // Holds the connection until the client gives it up.
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest));
            return;
        }
        Mood::Missing => ("404 Not Found\r\ncontent-length: 0\r\n".to_owned(), &FILE[..0]),
        Mood::Redirecting if !request.contains("/elsewhere") => {
            (format!("302 Found\r\nlocation: /elsewhere\r\n{tag}content-length: 0\r\n"), &FILE[..0])
        }
        _ if start > 0 => {
            let length = FILE.len() - start;
            (format!("206 Partial Content\r\n{tag}content-length: {length}\r\n"), &FILE[start..])
        }
        _ => {
            let end = if mood == Mood::BreakingOnce && first { 100_000 } else { FILE.len() };
            (format!("200 OK\r\n{tag}content-length: {}\r\n", FILE.len()), &FILE[..end])
        }
    };
    drop(write!(stream, "HTTP/1.1 {head}connection: close\r\n\r\n"));
    drop(stream.write_all(body));
}

fn digest_of(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, bytes).unwrap();
    sha256_of(file.path(), &CancellationToken::new()).unwrap()
}

fn model() -> ModelReference {
    ModelReference::parse("hf:owner/repository/folder/model.gguf").unwrap()
}

fn store(home: &Path, hub: &Hub) -> ModelStore {
    ModelStore { home: home.to_owned(), endpoint: hub.endpoint.clone() }
}

fn pull(store: &ModelStore) -> Result<PathBuf, Error> {
    store.pull(&model(), &mut |_| (), &CancellationToken::new())
}

#[test]
fn a_file_is_pulled_checked_listed_and_removed() {
    let (home, hub) = (tempfile::tempdir().unwrap(), hub(Mood::Redirecting));
    let store = store(home.path(), &hub);
    let path = pull(&store).unwrap();
    assert_eq!(fs::read(&path).unwrap(), FILE);
    let requests = hub.requests.lock().unwrap().clone();
    assert!(requests[0].starts_with("get /owner/repository/resolve/main/folder/model.gguf"));
    assert!(requests[0].contains("authorization: bearer secret"));
    assert!(!requests[1].contains("secret"), "the token is for the hub alone");
    let record = fs::read_to_string(beside(&path, "json")).unwrap();
    assert!(record.contains(&digest_of(FILE)), "{record}");
    let listed = store.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, "hf:owner/repository/folder/model.gguf");
    assert_eq!(pull(&store).unwrap(), path);
    assert_eq!(hub.requests.lock().unwrap().len(), 2, "what is here is not pulled again");
    assert!(store.remove(&model()).unwrap());
    assert!(!store.remove(&model()).unwrap());
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn a_broken_download_goes_on_where_it_was() {
    let (home, hub) = (tempfile::tempdir().unwrap(), hub(Mood::BreakingOnce));
    let store = store(home.path(), &hub);
    let error = pull(&store).unwrap_err().to_string();
    assert!(!store.path_of(&model()).exists(), "{error}");
    assert_eq!(fs::read(pull(&store).unwrap()).unwrap(), FILE);
    assert!(hub.requests.lock().unwrap()[1].contains("range: bytes=100000-"));
}

#[test]
fn wrong_and_missing_files_are_refused() {
    for (mood, why) in [(Mood::Lying, "expected 0000"), (Mood::Missing, "404")] {
        let (home, hub) = (tempfile::tempdir().unwrap(), hub(mood));
        let store = store(home.path(), &hub);
        let error = pull(&store).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("hf:owner"), "{error}");
        assert!(!store.path_of(&model()).exists());
        assert!(!beside(&store.path_of(&model()), "partial").exists());
    }
}

#[test]
fn a_beginning_that_is_no_beginning_is_found_out() {
    let (home, hub) = (tempfile::tempdir().unwrap(), hub(Mood::Well));
    let store = store(home.path(), &hub);
    let path = store.path_of(&model());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(beside(&path, "partial"), [8; 1000]).unwrap();
    assert!(pull(&store).unwrap_err().to_string().contains("SHA-256"));
    assert_eq!(fs::read(pull(&store).unwrap()).unwrap(), FILE);
}

#[test]
fn two_at_once_bring_it_once() {
    let (home, hub) = (tempfile::tempdir().unwrap(), hub(Mood::Well));
    let store = store(home.path(), &hub);
    std::thread::scope(|scope| {
        let pulls = [(); 4].map(|()| scope.spawn(|| pull(&store)));
        for pull in pulls {
            assert_eq!(fs::read(pull.join().unwrap().unwrap()).unwrap(), FILE);
        }
    });
    assert_eq!(hub.requests.lock().unwrap().len(), 1);
}

#[test]
fn a_silent_server_can_be_given_up() {
    let (home, hub) = (tempfile::tempdir().unwrap(), hub(Mood::Silent));
    let cancel = CancellationToken::with_timeout(Duration::from_millis(100));
    let outcome = store(home.path(), &hub).pull(&model(), &mut |_| (), &cancel);
    assert!(matches!(outcome, Err(Error::Encoding(AbstractError::Cancelled(_)))), "{outcome:?}");
}

#[test]
fn an_unreachable_source_is_passed_over() {
    let (home, mut hub) = (tempfile::tempdir().unwrap(), hub(Mood::Well));
    // Nothing listens on this port any more.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let good = std::mem::replace(&mut hub.endpoint.url, format!("http://{closed}"));
    let store = store(home.path(), &hub);
    let mut said = Vec::new();
    let mut progress = |event: PullEvent<'_>| {
        if let PullEvent::Failed { source, reason } = event {
            said.push(format!("{source}: {reason}"));
        }
    };
    let outcome = store.pull(&model(), &mut progress, &CancellationToken::new());
    assert!(matches!(outcome, Err(Error::Pull { .. })));
    assert!(said.len() == 1 && !said[0].contains('\n'), "{said:?}");
    let working = ModelStore { endpoint: Endpoint { url: good, token: None }, ..store };
    assert_eq!(fs::read(pull(&working).unwrap()).unwrap(), FILE);
}

#[test]
fn files_of_the_users_own_are_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = ModelReference::File(home.path().join("mine.gguf"));
    let store = ModelStore::open(home.path());
    assert!(matches!(store.remove(&file), Err(Error::NotInStore { .. })));
}
