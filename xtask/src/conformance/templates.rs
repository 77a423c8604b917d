//! Chat templates against Jinja itself, run as transformers does.
//!
//! Every template that the reference comes with renders conversations of every
//! kind; the prompts are compared by digests of what Jinja made of the same
//! (`--bless`, with jinja2 at the Python's hand).

use super::Result;
use crate::command::{root, run, say};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use smallmind_engine::chat::{
    ChatTemplate, Message, RenderOptions, Role, ToolCall, ToolDefinition,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const PROGRAM: &str = include_str!("templates.py");
const HEADER: &str = "\
# Digests of prompts, one a conversation, by chat template; - where the template
# refuses it, ? where it fails otherwise, as it may do or not. The prompts are
# jinja2's, asked by `cargo xtask conformance --peer … --bless`.
";
/// Noon, so that the date is the same in nearly all zones.
const TIME: u64 = 1_721_995_200;
/// What stands for a digest where there is no prompt.
const REFUSED: &str = "-";
const FAILED: &str = "?";
const BOS: &str = "<s>";
const EOS: &str = "</s>";

/// A conversation and how it is rendered.
struct Case {
    name: &'static str,
    messages: Vec<Message>,
    options: RenderOptions,
}

/// Where minijinja fails: on a list without elements, turned round.
const KNOWN: [(&str, &str); 1] = [("Reka-Edge", "nothing")];

/// What jinja2 makes of a case.
#[derive(Deserialize)]
#[serde(untagged)]
enum Theirs {
    Prompt(String),
    /// Of nothing, where the template refuses it; `false`, where it fails.
    None(Option<bool>),
}

/// The digest of each case, by template.
type Digests = BTreeMap<String, Vec<String>>;

/// Compares all templates in a folder, and returns how many prompts differ.
pub(super) fn compare(folder: &Path, peer: Option<&str>, bless: bool) -> Result<usize> {
    let cases = cases();
    let mut expected = read()?;
    let theirs = peer.map(|python| ask(python, folder, &cases)).transpose()?;
    let (mut templates, mut differences) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_none_or(|extension| extension != "jinja") {
            continue;
        }
        templates += 1;
        let source = fs::read_to_string(&path)?;
        let ours: Vec<_> = cases.iter().map(|case| render(&source, case)).collect();
        if let Some(theirs) = theirs.as_ref().and_then(|all| all.get(name)) {
            show_differences(name, &cases, &ours, theirs);
            if bless {
                expected.insert(name.to_owned(), theirs.iter().map(Theirs::digest).collect());
            }
        }
        let known = expected.get(name).map(Vec::as_slice).unwrap_or_default();
        for (i, (case, ours)) in cases.iter().zip(&ours).enumerate() {
            let found = ours.as_ref().map_or_else(|_| REFUSED.to_owned(), |text| digest(text));
            let same = known.get(i).is_some_and(|known| *known == found || known == FAILED);
            if !same && !KNOWN.contains(&(name, case.name)) {
                differences += 1;
                say(&format!("{name}: {} differs from jinja2's", case.name));
            }
        }
    }
    if bless {
        write(&expected)?;
    }
    let all = templates * cases.len();
    say(&format!("{templates} chat templates, {all} prompts, {differences} differences"));
    Ok(differences)
}

fn render(source: &str, case: &Case) -> std::result::Result<String, String> {
    ChatTemplate::parse(source, BOS, EOS)
        .and_then(|template| template.render(&case.messages, &case.options))
        .map_err(|e| e.to_string())
}

/// Says where prompts part.
fn show_differences(
    name: &str,
    cases: &[Case],
    ours: &[std::result::Result<String, String>],
    theirs: &[Theirs],
) {
    for ((case, ours), theirs) in cases.iter().zip(ours).zip(theirs) {
        match (ours, theirs) {
            (Ok(ours), Theirs::Prompt(theirs)) if ours != theirs => {
                let same = ours.bytes().zip(theirs.bytes()).take_while(|(a, b)| a == b).count();
                let around = |text: &str| {
                    let text = text.as_bytes();
                    let part = &text[same.saturating_sub(30)..text.len().min(same + 60)];
                    String::from_utf8_lossy(part).into_owned()
                };
                let [ours, theirs] = [ours, theirs].map(|text| around(text));
                say(&format!("{name}: {}: {ours:?}, expected {theirs:?}", case.name));
            }
            (Err(error), Theirs::Prompt(_)) => say(&format!("{name}: {}: {error}", case.name)),
            (Ok(_), Theirs::None(None)) => {
                say(&format!("{name}: {}: refused by the template in jinja2", case.name));
            }
            _ => {}
        }
    }
}

impl Theirs {
    fn digest(&self) -> String {
        match self {
            Self::Prompt(prompt) => digest(prompt),
            Self::None(None) => REFUSED.to_owned(),
            Self::None(Some(_)) => FAILED.to_owned(),
        }
    }
}

/// Every kind of conversation, with every way to render it.
fn cases() -> Vec<Case> {
    let system = || Message::system("You are terse; say \"yes\" & 'no' <só>.");
    let user = |text: &str| Message::user(text);
    let thought = Message {
        reasoning: Some("Two and two are four.\nSo I say 4.".into()),
        ..Message::assistant("4")
    };
    let call = ToolCall {
        id: Some("call00001".into()),
        name: "weather".into(),
        arguments: json!({"city": "Köln", "days": 2, "exact": true, "near": ["Bonn", null]}),
    };
    let calling =
        |content: &str| Message { tool_calls: vec![call.clone()], ..Message::assistant(content) };
    let result = || Message::tool(&call, "{\"sky\": \"grey\", \"degrees\": 7.5}");
    let conversations = [
        ("user", vec![user("Hello, world!")]),
        ("system", vec![system(), user("Hello")]),
        ("turns", vec![user(" a "), Message::assistant("b\n"), user("c\n\n")]),
        ("system and turns", vec![system(), user("a"), Message::assistant("b"), user("c")]),
        ("thinking", vec![user("2+2?"), thought, user("and 3+3?")]),
        ("call", vec![system(), user("Weather?"), calling(""), result()]),
        (
            "call and answer",
            vec![
                user("Weather?"),
                calling("I look."),
                result(),
                Message::assistant("Grey."),
                user("!"),
            ],
        ),
        ("replied", vec![user("a"), Message::assistant("b")]),
        ("empty texts", vec![system(), user(""), Message::assistant(""), user("")]),
        ("nothing", vec![]),
    ];
    let tools = vec![
        ToolDefinition::new(
            "weather",
            "The weather in a city, of some days",
            json!({
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Where \"it\" is"},
                    "days": {"type": "integer", "description": "How many", "default": 1},
                    "exact": {"type": "boolean"},
                    "unit": {"type": "string", "enum": ["C", "F"]},
                    "near": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["city"],
            }),
        ),
        ToolDefinition::new("now", "The time", json!({"type": "object", "properties": {}})),
    ];
    let ways = [
        (true, false, None),
        (true, true, None),
        (false, true, Some(true)),
        (true, false, Some(false)),
    ];
    let time = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(TIME));
    let mut cases = Vec::new();
    for (name, messages) in conversations {
        for (add_generation_prompt, with_tools, thinking) in ways {
            let tools = if with_tools { tools.clone() } else { Vec::new() };
            let options = RenderOptions { add_generation_prompt, tools, thinking, time };
            cases.push(Case { name, messages: messages.clone(), options });
        }
    }
    debug_assert!(cases.iter().any(|case| case.messages.iter().any(|m| m.role == Role::Tool)));
    cases
}

/// The variables that a template sees of a case.
fn variables(case: &Case) -> Result<Value> {
    let see = |name: &str| {
        let source = format!("{{{{ {name} | tojson }}}}");
        let text = ChatTemplate::parse(&source, BOS, EOS)?.render(&case.messages, &case.options)?;
        Ok::<_, Box<dyn std::error::Error>>(serde_json::from_str::<Value>(&text)?)
    };
    let mut variables = Map::new();
    for name in
        ["messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"]
    {
        variables.insert(name.to_owned(), see(name)?);
    }
    if let Some(thinking) = case.options.thinking {
        for name in ["enable_thinking", "thinking"] {
            variables.insert(name.to_owned(), thinking.into());
        }
    }
    Ok(variables.into())
}

/// What jinja2 of a Python renders.
fn ask(python: &str, folder: &Path, cases: &[Case]) -> Result<BTreeMap<String, Vec<Theirs>>> {
    let work = root().join("target/conformance/templates");
    fs::create_dir_all(&work)?;
    let paths = ["templates.py", "cases.json", "prompts.json"].map(|name| work.join(name));
    let [program, input, output] = &paths;
    let cases = cases
        .iter()
        .map(|case| Ok(json!({ "name": case.name, "time": TIME, "variables": variables(case)? })));
    fs::write(program, PROGRAM)?;
    fs::write(input, Value::from(cases.collect::<Result<Vec<_>>>()?).to_string())?;
    run(Command::new(python).arg(program).arg(folder).arg(input).arg(output))?;
    Ok(serde_json::from_str(&fs::read_to_string(output)?)?)
}

/// The first eight bytes of SHA-256.
fn digest(prompt: &str) -> String {
    Sha256::digest(prompt)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/templates.txt"))
}

fn read() -> Result<Digests> {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, words.collect()))
        })
        .collect())
}

fn write(digests: &Digests) -> Result<()> {
    let mut text = HEADER.to_owned();
    for (name, digests) in digests {
        writeln!(text, "{name} {}", digests.join(" "))?;
    }
    Ok(fs::write(path(), text)?)
}
