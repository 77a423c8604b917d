//! Finds passages by their words.
//!
//! `cargo run --release -p smallmind-rag --example retrieval`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use smallmind_abstractions::{CancellationToken, Retriever, SearchRequest};
use smallmind_rag::{Bm25, Document, Error, Language, Store};

fn main() -> Result<(), Error> {
    let never = CancellationToken::new();
    let store = Store::open("kb".as_ref(), Language::English, &never)?;
    let tea = Document::from_text("tea.txt", "Tea", "Steep for three minutes.");
    store.update(&never, |update| update.put(&tea))?;
    let request = SearchRequest::new("how long does tea steep?");
    for hit in Bm25::new(store.clone()).retrieve(&request, &never)? {
        println!("{:?}", store.passages(&[hit.chunk], &request.access, &never)?);
    }
    Ok(())
}
