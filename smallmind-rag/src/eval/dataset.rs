//! Collections in the layout of BEIR: `corpus.jsonl`, `queries.jsonl`,
//! `qrels/test.tsv`.

use super::Judgements;
use crate::Error;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A document of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestDocument {
    /// Its name in the judgements.
    pub id: String,
    /// May be empty.
    pub title: String,
    /// The rest.
    pub text: String,
}

/// A question and what answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its name in the judgements.
    pub id: String,
    /// The question.
    pub text: String,
    /// The grades of the documents that were judged.
    pub judgements: Judgements,
}

/// A collection of documents and judged questions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dataset {
    /// What is searched in.
    pub documents: Vec<TestDocument>,
    /// The questions that have judgements.
    pub queries: Vec<Query>,
}

impl Dataset {
    /// Reads a folder in BEIR's layout.
    ///
    /// # Errors
    /// [`Error::File`] where a file cannot be read, [`Error::Line`] where a
    /// line is not what it should be.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let mut judgements = judgements(&folder.join("qrels").join("test.tsv"))?;
        let documents = objects(&folder.join("corpus.jsonl"), |object| {
            let [id, text] = ["_id", "text"].map(|key| string(object, key));
            let title = string(object, "title").unwrap_or_default();
            Ok(TestDocument { id: id?, title, text: text? })
        })?;
        let mut queries = objects(&folder.join("queries.jsonl"), |object| {
            let id = string(object, "_id")?;
            let judgements = judgements.remove(&id).unwrap_or_default();
            Ok(Query { id, text: string(object, "text")?, judgements })
        })?;
        queries.retain(|q| !q.judgements.is_empty());
        Ok(Self { documents, queries })
    }
}

fn objects<T>(
    path: &Path,
    mut read: impl FnMut(&Value) -> Result<T, String>,
) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    lines(path, |_, line| {
        let object = serde_json::from_str(line).map_err(|e| e.to_string())?;
        all.push(read(&object)?);
        Ok(())
    })?;
    Ok(all)
}

fn string(object: &Value, key: &str) -> Result<String, String> {
    let value = object[key].as_str().map(str::to_owned);
    value.ok_or_else(|| format!("expected an object with a string '{key}'"))
}

fn judgements(path: &Path) -> Result<HashMap<String, Judgements>, Error> {
    let mut all = HashMap::<_, Judgements>::new();
    lines(path, |number, line| {
        let mut fields = line.split('\t');
        let (Some(query), Some(document), Some(grade)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err("expected query, document and grade, divided by tabs".to_owned());
        };
        match grade.trim().parse() {
            Ok(grade) => {
                all.entry(query.to_owned()).or_default().insert(document.to_owned(), grade);
            }
            // The first line names the columns.
            Err(_) if number == 1 => {}
            Err(error) => return Err(format!("the grade '{grade}': {error}")),
        }
        Ok(())
    })?;
    Ok(all)
}

/// Gives `read` each line that is not blank, with its number from 1.
fn lines(
    path: &Path,
    mut read: impl FnMut(usize, &str) -> Result<(), String>,
) -> Result<(), Error> {
    let file = |source| Error::File { path: path.to_owned(), source };
    let reader = BufReader::new(File::open(path).map_err(file)?);
    for (line, text) in (1..).zip(reader.lines()) {
        let text = text.map_err(file)?;
        if !text.trim().is_empty() {
            read(line, &text).map_err(|reason| Error::Line {
                path: path.to_owned(),
                line,
                reason,
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn reads_what_beir_writes_and_names_the_line_that_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("qrels")).unwrap();
        write("corpus.jsonl", "{\"_id\":\"1\",\"text\":\"a\"}\n\n");
        write("queries.jsonl", "{\"_id\":\"q\",\"text\":\"?\"}\n{\"_id\":\"r\",\"text\":\"?\"}\n");
        write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq\t1\t2\n");
        let dataset = Dataset::load(folder.path()).unwrap();
        assert_eq!((dataset.documents.len(), dataset.queries.len()), (1, 1));
        assert_eq!(dataset.queries[0].judgements["1"], 2);

        write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq\t1\tmuch\n");
        assert!(matches!(Dataset::load(folder.path()), Err(Error::Line { line: 2, .. })));
        write("qrels/test.tsv", "");
        write("corpus.jsonl", "{\"_id\":1}");
        assert!(matches!(Dataset::load(folder.path()), Err(Error::Line { line: 1, .. })));
    }
}
