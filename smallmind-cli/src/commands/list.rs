//! `smallmind list`.

use crate::error::Error;
use crate::output;
use serde_json::json;
use smallmind_engine::hub::{ModelStore, catalogue};
use std::io::{Write, stdout};

/// Lists the models that have a name, and those that are here.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

struct Row {
    name: String,
    licence: &'static str,
    size: Option<u64>,
    path: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let mut here = ModelStore::open_default()?.list()?;
    let mut rows: Vec<_> = catalogue()
        .iter()
        .map(|entry| {
            let stored = here.iter().position(|m| m.name == entry.name).map(|i| here.remove(i));
            Row {
                name: entry.name.to_owned(),
                licence: entry.licence,
                size: stored.as_ref().map(|s| s.size).or(entry.size),
                path: stored.map(|s| s.path.display().to_string()),
            }
        })
        .collect();
    rows.extend(here.into_iter().map(|m| Row {
        name: m.name,
        licence: "",
        size: Some(m.size),
        path: Some(m.path.display().to_string()),
    }));
    if args.json {
        let objects = rows.iter().map(
            |r| json!({ "name": r.name, "licence": r.licence, "size": r.size, "path": r.path }),
        );
        writeln!(stdout(), "{:#}", serde_json::Value::from_iter(objects))?;
        return Ok(());
    }
    let cells = |r: &Row| {
        let size = r.size.map_or_else(|| "?".to_owned(), output::size);
        let path = r.path.clone().unwrap_or_else(|| "not here".to_owned());
        vec![r.name.clone(), size, r.licence.to_owned(), path]
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    output::table(&mut stdout().lock(), &["name", "size", "licence", "file"], &rows)?;
    Ok(())
}
