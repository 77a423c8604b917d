//! What a text may be held to.

use crate::error::Error;
use smallmind_abstractions::Constraint;
use std::path::{Path, PathBuf};

/// At most one of these.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct ConstraintArgs {
    /// Generate any JSON.
    #[arg(long)]
    json_value: bool,
    /// Generate JSON that fits the JSON Schema in FILE.
    #[arg(long, value_name = "FILE")]
    json_schema: Option<PathBuf>,
    /// Generate a text of the grammar in FILE: Lark where the name ends in
    /// .lark, llama.cpp's GBNF otherwise.
    #[arg(long, value_name = "FILE")]
    grammar: Option<PathBuf>,
    /// Generate a text that matches a regular expression.
    #[arg(long, value_name = "REGEX")]
    regex: Option<String>,
}

impl ConstraintArgs {
    pub(crate) fn constraint(&self) -> Result<Option<Constraint>, Error> {
        if let Some(file) = &self.json_schema {
            return Ok(Some(Constraint::JsonSchema(read(file)?)));
        }
        if let Some(file) = &self.grammar {
            let lark = file.extension().is_some_and(|extension| extension == "lark");
            let kind = if lark { Constraint::Lark } else { Constraint::Gbnf };
            return Ok(Some(kind(read(file)?)));
        }
        let regex = self.regex.clone().map(Constraint::Regex);
        Ok(regex.or(self.json_value.then_some(Constraint::Json)))
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file)
        .map_err(|error| Error::Usage(format!("cannot read '{}': {error}", file.display())))
}
