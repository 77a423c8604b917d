//! The format of the file, and the way from each format to the next.

use super::postings::Changes;
use super::update;
use crate::{Analyzer, Error, Language, Stage};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};
use smallmind_abstractions::CancellationToken;
use std::path::Path;

/// What marks a file as ours: "SmRg".
const APPLICATION: i64 = 0x536d_5267;

/// The step from each format to the next; an empty file has format 0.
const STEPS: &[&str] = &[
    "
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        size INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        hash BLOB NOT NULL
    );
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        ordinal INTEGER NOT NULL,
        restricted INTEGER NOT NULL,
        byte_start INTEGER NOT NULL,
        byte_end INTEGER NOT NULL,
        line_start INTEGER NOT NULL,
        line_end INTEGER NOT NULL,
        heading TEXT NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (document, ordinal)
    );
    CREATE TABLE labels (
        chunk INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
        label TEXT NOT NULL,
        PRIMARY KEY (chunk, label)
    ) WITHOUT ROWID;
    CREATE TABLE vectors (
        chunk INTEGER PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE,
        vector BLOB NOT NULL
    );
    CREATE VIRTUAL TABLE terms USING fts5 (
        title, body, content = '', contentless_delete = 1, tokenize = 'ascii'
    );
    CREATE TRIGGER forget_terms AFTER DELETE ON chunks BEGIN
        DELETE FROM terms WHERE rowid = old.id;
    END;
",
    "
    CREATE TABLE metadata (
        document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (document, key, value)
    ) WITHOUT ROWID;
    DROP TABLE vectors;
    -- Rows are never changed, and ids never given twice: what is new since an
    -- id, and what is gone, can be told without reading a vector.
    CREATE TABLE vectors (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        chunk INTEGER NOT NULL UNIQUE REFERENCES chunks (id) ON DELETE CASCADE,
        vector BLOB NOT NULL
    );
",
    "ALTER TABLE documents ADD COLUMN pages INTEGER NOT NULL DEFAULT 0;",
    "
    DROP TRIGGER forget_terms;
    DROP TABLE terms;
    ALTER TABLE chunks ADD COLUMN length INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE postings (
        term TEXT NOT NULL,
        first INTEGER NOT NULL,
        entries BLOB NOT NULL,
        PRIMARY KEY (term, first)
    ) WITHOUT ROWID;
",
];

/// The first format with a table of postings.
const POSTINGS: i64 = 4;

/// Makes or migrates the tables. A file that is ours and new enough is only
/// read.
pub(super) fn prepare(
    connection: &mut Connection,
    path: &Path,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let known = STEPS.len() as i64;
    let (application, format) = state(connection, path)?;
    let newer = |found| Error::NewerFormat { path: path.to_owned(), found, known };
    match (application, format) {
        (APPLICATION, found) if found > known => return Err(newer(found)),
        (APPLICATION, found) if found == known => return Ok(()),
        (APPLICATION, _) => {}
        (0, 0) if is_empty(connection, path)? => wal(connection, cancel)?,
        _ => return Err(Error::NotAStore { path: path.to_owned() }),
    }
    let store = |source| Error::Store { stage: Stage::Indexing, source };
    let transaction = update::begin(connection, cancel)?;
    // Another process may have been faster.
    let (_, format) = state(&transaction, path)?;
    let done = usize::try_from(format).map_err(|_| newer(format))?;
    migrate(&transaction, STEPS.get(done..).unwrap_or_default()).map_err(store)?;
    if format < POSTINGS {
        write_postings(&transaction, cancel)?;
    }
    transaction.commit().map_err(store)
}

fn migrate(transaction: &Transaction<'_>, steps: &[&str]) -> rusqlite::Result<()> {
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", STEPS.len() as i64)
}

/// Writes where the terms of all chunks stand.
fn write_postings(transaction: &Transaction<'_>, cancel: &CancellationToken) -> Result<(), Error> {
    const READ: &str = "SELECT c.id, d.title, c.heading, c.text
        FROM chunks c JOIN documents d ON d.id = c.document ORDER BY c.id";
    const LENGTH: &str = "UPDATE chunks SET length = ?2 WHERE id = ?1";
    let store = |source| Error::Store { stage: Stage::Indexing, source };
    let code: Option<String> =
        transaction.query_row(LANGUAGE, [], |row| row.get(0)).optional().map_err(store)?;
    let language = code.and_then(|code| Language::from_code(&code)).unwrap_or(Language::Any);
    let analyzer = Analyzer::new(language);
    let mut changes = Changes::default();
    let mut read = transaction.prepare(READ).map_err(store)?;
    let mut rows = read.query([]).map_err(store)?;
    while let Some(row) = rows.next().map_err(store)? {
        cancel.check().map_err(Error::cancelled(Stage::Indexing))?;
        let mut write = || {
            let (id, terms) = (row.get::<_, i64>(0)?, update::terms_of(&analyzer, row)?);
            transaction.prepare_cached(LENGTH)?.execute(params![id, terms.length()])?;
            changes.add(id, terms);
            if changes.len > update::MOST { changes.flush(transaction) } else { Ok(()) }
        };
        write().map_err(store)?;
    }
    changes.flush(transaction).map_err(store)
}

/// Readers and a writer side by side. The mode is kept in the file.
fn wal(connection: &Connection, cancel: &CancellationToken) -> Result<(), Error> {
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Ok(()) => return Ok(()),
            Err(error) if super::is_busy(&error) => {
                cancel.check().map_err(Error::cancelled(Stage::Indexing))?;
                std::thread::sleep(super::PATIENCE);
            }
            Err(source) => return Err(Error::Store { stage: Stage::Indexing, source }),
        }
    }
}

fn state(connection: &Connection, path: &Path) -> Result<(i64, i64), Error> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let both = || Ok((number("application_id")?, number("user_version")?));
    both().map_err(|error| foreign(error, path))
}

fn is_empty(connection: &Connection, path: &Path) -> Result<bool, Error> {
    let count = "SELECT count(*) FROM sqlite_schema";
    let count: i64 =
        connection.query_row(count, [], |row| row.get(0)).map_err(|error| foreign(error, path))?;
    Ok(count == 0)
}

fn foreign(source: rusqlite::Error, path: &Path) -> Error {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotAStore { path: path.to_owned() },
        _ => Error::Store { stage: Stage::Reading, source },
    }
}

const LANGUAGE: &str = "SELECT value FROM settings WHERE name = 'language'";

/// The language the store was made for; `language` where it is new.
pub(super) fn language(
    connection: &mut Connection,
    language: Language,
    cancel: &CancellationToken,
) -> Result<String, Error> {
    let store = |source| Error::Store { stage: Stage::Indexing, source };
    let found = |c: &Connection| c.query_row(LANGUAGE, [], |row| row.get(0));
    if let Ok(found) = found(connection) {
        return Ok(found);
    }
    let transaction = update::begin(connection, cancel)?;
    let insert = "INSERT OR IGNORE INTO settings VALUES ('language', ?1)";
    transaction.execute(insert, [language.code()]).map_err(store)?;
    let found = found(&transaction).map_err(store)?;
    transaction.commit().map_err(store)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{APPLICATION, STEPS};
    use crate::{Bm25, Error, Language, Store};
    use rusqlite::Connection;
    use smallmind_abstractions::{CancellationToken, Retriever, SearchRequest};

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let never = CancellationToken::new();
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| Store::open(&folder.path().join(name), Language::English, &never);

        std::fs::write(folder.path().join("text"), "not a database, ".repeat(100)).unwrap();
        assert!(matches!(open("text"), Err(Error::NotAStore { .. })));
        let other = Connection::open(folder.path().join("other")).unwrap();
        other.execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(matches!(open("other"), Err(Error::NotAStore { .. })));
        let missing = folder.path().join("missing");
        assert!(matches!(Store::open_existing(&missing, &never), Err(Error::File { .. })));
        assert!(!missing.exists());
    }

    #[test]
    fn a_store_says_its_format_and_its_language() {
        let never = CancellationToken::new();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kb");
        drop(Store::open(&path, Language::German, &never).unwrap());
        let again = Store::open_existing(&path, &never).unwrap();
        assert_eq!(again.analyzer().language(), Language::German);
        let english = Store::open(&path, Language::English, &never);
        assert!(matches!(english, Err(Error::OtherLanguage { .. })));

        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let newer = Store::open_existing(&path, &never);
        assert!(matches!(newer, Err(Error::NewerFormat { found: 99, .. })));
    }

    #[test]
    fn a_store_of_an_older_format_is_brought_to_this_one() {
        let never = CancellationToken::new();
        let folder = tempfile::tempdir().unwrap();
        for format in 1..STEPS.len() {
            let path = folder.path().join(format.to_string());
            let old = Connection::open(&path).unwrap();
            for step in &STEPS[..format] {
                old.execute_batch(step).unwrap();
            }
            old.execute_batch(
                "INSERT INTO settings VALUES ('language', 'en');
                 INSERT INTO documents (id, source, title, size, modified, hash)
                 VALUES (1, 'a', 'Swept wings', 0, 0, '');
                 INSERT INTO chunks VALUES (7, 1, 0, 0, 0, 9, 1, 2, 'Stalls', 'They stall.');",
            )
            .unwrap();
            old.pragma_update(None, "application_id", APPLICATION).unwrap();
            old.pragma_update(None, "user_version", format as i64).unwrap();
            drop(old);
            let store = Store::open_existing(&path, &never).unwrap();
            for word in ["wing", "stalling", "stalls"] {
                let request = SearchRequest::new(word);
                let hits = Bm25::new(store.clone()).retrieve(&request, &never).unwrap();
                assert_eq!(hits.len(), 1, "format {format}: {word}");
            }
            store.update(&never, |update| update.remove("a")).unwrap();
            let left = Connection::open(&path).unwrap();
            let left = left.query_row("SELECT count(*) FROM postings", [], |row| row.get(0));
            assert_eq!(left, Ok(0i64));
        }
    }
}
