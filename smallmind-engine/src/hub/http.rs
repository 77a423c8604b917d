//! Files over HTTP: resumed where they broke off, given up when they stall.

use super::SourceError;
use super::digest::is_sha256;
use super::store::Download;
use crate::Error;
use smallmind_abstractions::CancellationToken;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// What an unreachable server may cost before the next source is tried.
const CONNECT: Duration = Duration::from_secs(4);
const FIRST_BYTE: Duration = Duration::from_secs(20);
/// How long a download may stand still.
const STALL: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 5;

/// What the server says of the whole file.
#[derive(Debug, Default)]
pub(super) struct Remote {
    pub(super) sha256: Option<String>,
}

/// The hub, or what stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) token: Option<String>,
}

impl Endpoint {
    /// What `HF_ENDPOINT` and `HF_TOKEN` say, or the public hub.
    pub(super) fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|v: &String| !v.is_empty());
        let url = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Self { url: url.trim_end_matches('/').to_owned(), token: variable("HF_TOKEN") }
    }
}

/// Downloads a file of the hub to the partial file, from where that ends.
pub(super) fn fetch(
    endpoint: &Endpoint,
    repository: &str,
    path: &str,
    download: &mut Download<'_>,
) -> Result<Remote, SourceError> {
    let url = format!("{}/{repository}/resolve/main/{path}", endpoint.url);
    let token = endpoint.token.clone();
    let start = std::fs::metadata(download.partial).map_or(0, |m| m.len());
    let (response, remote) =
        in_background(download.cancel, move || request(&url, token.as_deref(), start))?;
    let start = match response.status() {
        StatusCode::PARTIAL_CONTENT => start,
        StatusCode::OK => 0,
        // The partial file is no beginning of the file.
        StatusCode::RANGE_NOT_SATISFIABLE if start > 0 => {
            let partial = download.partial;
            std::fs::remove_file(partial).map_err(|e| Error::store(partial, "remove", e))?;
            return fetch(endpoint, repository, path, download);
        }
        status => return Err(SourceError::Failed(explain(status))),
    };
    let length = response.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    download.total = download.total.or(length.map(|n| n + start));
    receive(response.into_body(), start, download)?;
    match download.total {
        Some(total) if download.done < total => {
            Err(SourceError::Failed(format!("the connection broke at byte {}", download.done)))
        }
        _ => Ok(remote),
    }
}

fn explain(status: StatusCode) -> String {
    let why = match status.as_u16() {
        401 | 403 => ": accept the model's terms there and set HF_TOKEN",
        404 => ": no such repository or file",
        _ => "",
    };
    format!("the server answered {status}{why}")
}

/// Follows redirects by hand: what the hub says of the file stands in the first
/// answer, and the token is for the hub alone.
fn request(
    url: &str,
    token: Option<&str>,
    start: u64,
) -> Result<(Response<Body>, Remote), SourceError> {
    let config = Agent::config_builder()
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(FIRST_BYTE))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("smallmind/", env!("CARGO_PKG_VERSION")))
        .build();
    let agent = Agent::new_with_config(config);
    let (mut url, mut remote) = (url.to_owned(), Remote::default());
    for hop in 0..=MAX_REDIRECTS {
        let mut get = agent.get(&url);
        if let (0, Some(token)) = (hop, token) {
            get = get.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if start > 0 {
            get = get.header(header::RANGE, format!("bytes={start}-"));
        }
        let response = get.call().map_err(|e| SourceError::Failed(e.to_string()))?;
        let text = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let tag = text("x-linked-etag").or_else(|| text("etag"));
        let digest = tag.map(|t| t.trim_start_matches("W/").trim_matches('"').to_owned());
        remote.sha256 = remote.sha256.or(digest.filter(|t| is_sha256(t)));
        let Some(to) = text("location").filter(|_| response.status().is_redirection()) else {
            return Ok((response, remote));
        };
        url = absolute(&url, to);
    }
    Err(SourceError::Failed(format!("more than {MAX_REDIRECTS} redirects")))
}

/// A redirect's target, which may leave out the host.
fn absolute(url: &str, to: String) -> String {
    let host = url.find("://").and_then(|at| url[at + 3..].find('/').map(|n| &url[..at + 3 + n]));
    if to.starts_with('/') { format!("{}{to}", host.unwrap_or(url)) } else { to }
}

/// Runs `f` on a thread of its own, so that waiting for it can be cancelled.
fn in_background<T: Send + 'static>(
    cancel: &CancellationToken,
    f: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let (send, receive) = sync_channel(1);
    // Nobody is there to take the result of a request that was given up.
    std::thread::spawn(move || drop(send.send(f())));
    next(&receive, cancel, CONNECT * 2 + FIRST_BYTE)?
        .unwrap_or_else(|| Err(SourceError::Failed("the request ended early".to_owned())))
}

/// The next thing to come; `None` where nothing will.
fn next<T>(
    from: &Receiver<T>,
    cancel: &CancellationToken,
    patience: Duration,
) -> Result<Option<T>, SourceError> {
    let start = Instant::now();
    loop {
        match from.recv_timeout(Duration::from_millis(20)) {
            Ok(thing) => return Ok(Some(thing)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                cancel.check().map_err(|c| Error::Encoding(c.into()))?;
            }
        }
        if start.elapsed() > patience {
            return Err(SourceError::Failed(format!("nothing came for {patience:?}")));
        }
    }
}

/// Writes a body to the partial file from byte `start` on.
fn receive(body: Body, start: u64, download: &mut Download<'_>) -> Result<(), SourceError> {
    let partial = download.partial;
    let failed = |e| Error::store(partial, "write", e);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(partial)
        .map_err(failed)?;
    file.set_len(start).map_err(failed)?;
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    download.report(start);
    let (send, blocks) = sync_channel(4);
    let mut reader = body.into_reader();
    std::thread::spawn(move || {
        loop {
            let mut block = vec![0; 256 * 1024];
            let read = reader.read(&mut block);
            let end = !matches!(read, Ok(n) if n > 0);
            let sent = send.send(read.map(|n| {
                block.truncate(n);
                block
            }));
            if end || sent.is_err() {
                return;
            }
        }
    });
    while let Some(block) = next(&blocks, download.cancel, STALL)? {
        let block = block.map_err(|e| SourceError::Failed(e.to_string()))?;
        if block.is_empty() {
            break;
        }
        download.write(&mut file, &block)?;
        download.report(download.done + block.len() as u64);
    }
    Ok(())
}
