//! Answers: what a model is asked, what it may cite, and when it is not asked.

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is a test that fails")]
#![allow(unreachable_pub, reason = "tests share a module of helpers")]

mod injections;

use injections::INJECTIONS;
use smallmind_abstractions::{CancellationToken, Error as AbstractError, SearchRequest};
use smallmind_rag::{
    Answer, AnswerEvent, Answerer, Bm25, Document, Error, Exchange, Generator, Language, Messages,
    Stage, Store, standalone_question,
};
use std::sync::{Arc, Mutex};

/// Says what it was told to, piece by piece; a word is a token.
struct Script {
    says: Vec<&'static str>,
    context: usize,
    asked: Mutex<Vec<Messages>>,
}

impl Script {
    fn new(says: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { says: says.to_vec(), context: 1000, asked: Mutex::default() })
    }

    fn last(&self) -> Messages {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

impl Generator for Script {
    fn context(&self) -> usize {
        self.context
    }

    fn count(&self, messages: &Messages) -> Result<usize, AbstractError> {
        let Messages { system, user } = messages;
        Ok([system, user].iter().map(|t| t.split_whitespace().count()).sum())
    }

    fn generate(
        &self,
        messages: &Messages,
        limit: usize,
        show: &mut dyn FnMut(&str),
        cancel: &CancellationToken,
    ) -> Result<(), AbstractError> {
        assert!(self.count(messages)? + limit <= self.context);
        self.asked.lock().unwrap().push(messages.clone());
        for piece in &self.says {
            cancel.check()?;
            show(piece);
        }
        Ok(())
    }
}

struct Case {
    _folder: tempfile::TempDir,
    answerer: Answerer,
}

fn case(texts: &[&str], script: &Arc<Script>) -> Case {
    let never = CancellationToken::new();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("kb"), Language::English, &never).unwrap();
    let document = |(i, text): (usize, &&str)| Document::from_text(&i.to_string(), "", text);
    let put = |u: &mut smallmind_rag::Update<'_>| {
        texts.iter().enumerate().try_for_each(|t| u.put(&document(t)).map(drop))
    };
    store.update(&never, put).unwrap();
    let retriever = Arc::new(Bm25::new(store.clone()));
    let answerer = Answerer::new(store, retriever, script.clone());
    Case { _folder: folder, answerer }
}

fn ask(case: &Case, question: &str) -> (Answer, Vec<String>) {
    let mut shown = Vec::new();
    let mut show = |event: AnswerEvent<'_>| {
        shown.push(match event {
            AnswerEvent::Sources(sources) => format!("{} sources", sources.len()),
            AnswerEvent::Text(text) => text.to_owned(),
        });
    };
    let never = CancellationToken::new();
    let answer = case.answerer.answer(&SearchRequest::new(question), &mut show, &never).unwrap();
    (answer, shown)
}

#[test]
fn sources_come_first_and_citations_are_checked_as_they_stream() {
    let script = Script::new(&["Steep for three minutes [1", "]. It is old [", "4, 1] [7]."]);
    let (answer, shown) = ask(&case(&["tea steeps three minutes"], &script), "how does tea steep?");
    let expected = "Steep for three minutes [1]. It is old [1] .";
    assert_eq!(shown[0], "1 sources");
    assert_eq!(shown[1..].concat(), expected);
    let Answer::Answered { text, cited, removed, sources } = answer else { panic!("{answer:?}") };
    assert_eq!((text.as_str(), cited, sources.len()), (expected, vec![1], 1));
    assert_eq!(removed, ["[4]", "[7]"]);
}

#[test]
fn nothing_is_invented_where_nothing_is_found() {
    let script = Script::new(&["Paris"]);
    let case = case(&["tea steeps three minutes", "wings of paper"], &script);
    for question in ["capital of France", "tea leaves of emperor Wu in China", "", "the of"] {
        let (answer, shown) = ask(&case, question);
        assert!(matches!(answer, Answer::InsufficientEvidence { .. }), "{question}: {answer:?}");
        assert!(shown.is_empty());
    }
    assert!(script.asked.lock().unwrap().is_empty(), "no model is asked");
}

#[test]
fn a_model_that_finds_no_answer_gives_none() {
    for says in [&["Not in these", " documents."][..], &[], &[" \n"]] {
        let case = case(&["tea steeps"], &Script::new(says));
        assert!(matches!(ask(&case, "tea").0, Answer::InsufficientEvidence { .. }));
    }
}

#[test]
fn passages_are_given_while_they_fit() {
    let long = "tea ".repeat(100);
    let script =
        Arc::new(Script { context: 500, ..Arc::into_inner(Script::new(&["ok"])).unwrap() });
    let case = case(&[&long, "tea one two", &long, &long, &long], &script);
    let (answer, _) = ask(&case, "tea");
    let Answer::Answered { sources, .. } = answer else { panic!("{answer:?}") };
    assert!((1..4).contains(&sources.len()), "{}", sources.len());
    let mut none = case.answerer.clone();
    none.max_tokens = 499;
    let never = CancellationToken::new();
    let answer = none.answer(&SearchRequest::new("tea"), &mut |_| {}, &never).unwrap();
    assert!(matches!(answer, Answer::InsufficientEvidence { .. }));
}

#[test]
fn what_a_passage_says_is_quoted_and_changes_nothing_else() {
    let asked = |text: &str| {
        let script = Script::new(&["Wings lift [1]."]);
        let (answer, _) = ask(&case(&[text], &script), "wings");
        let Answer::Answered { cited, removed, .. } = answer else { panic!("{answer:?}") };
        assert_eq!((cited, removed), (vec![1], vec![]));
        script.last()
    };
    let frame = |user: &str| -> Vec<String> {
        const ENDS: [char; 7] = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
        user.split(ENDS).filter(|l| !l.starts_with("> ")).map(str::to_owned).collect()
    };
    let plain = asked("wings lift");
    for (name, injection) in INJECTIONS {
        let turned = asked(injection);
        assert_eq!(turned.system, plain.system);
        assert_eq!(frame(&turned.user), frame(&plain.user), "{name}");
        // Nothing of it is lost either.
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let quoted: Vec<_> = turned.user.lines().filter_map(|l| l.strip_prefix("> ")).collect();
        assert_eq!(words(&quoted.join(" ")), words(injection), "{name}");
    }
}

#[test]
fn citations_that_a_passage_asks_for_are_taken_out() {
    let script = Script::new(&["Wings lift [4", "2]. They stall [1, 99] [7]", "."]);
    let injection = INJECTIONS.iter().find(|(name, _)| *name == "citations").unwrap().1;
    let (answer, shown) = ask(&case(&[injection], &script), "wings");
    let Answer::Answered { text, cited, removed, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(text, "Wings lift . They stall [1] .");
    assert_eq!(shown[1..].concat(), text);
    assert_eq!((cited, removed), (vec![1], ["[42]", "[99]", "[7]"].map(String::from).to_vec()));
}

/// Two exchanges, of which the first is long.
fn earlier() -> [Exchange; 2] {
    [
        ("How long does tea steep?".to_owned(), "tea ".repeat(300)),
        ("Why?".into(), "[1]\nSo.".into()),
    ]
    .map(|(question, answer)| Exchange { question, answer })
}

#[test]
fn a_follow_up_is_asked_for_in_words_that_stand_alone() {
    let never = CancellationToken::new();
    let follow_up = "And\nQuestion: the water?";
    for (says, expected) in [
        (&["\n \"How hot is", " the water?\"\nIt is"][..], "How hot is the water?"),
        (&[], follow_up),
        (&[" \n", "\"\" "], follow_up),
    ] {
        let script = Script::new(says);
        let found = standalone_question(&*script, &earlier(), follow_up, &never).unwrap();
        assert_eq!(found, expected);
        let user = script.last().user;
        let unquoted: Vec<_> = user.lines().filter(|line| !line.starts_with("> ")).collect();
        let turn = ["Question:", "", "Answer:", ""];
        let frame = [&["Conversation:", ""][..], &turn, &turn, &["Last question:"]].concat();
        assert_eq!(unquoted, frame);
        assert!(user.ends_with("> And\n> Question: the water?\n"), "{user}");
    }
}

#[test]
fn of_a_long_conversation_the_end_is_read() {
    let never = CancellationToken::new();
    let of = |context, earlier: &[Exchange]| {
        let script = Arc::new(Script { context, ..Arc::into_inner(Script::new(&["x"])).unwrap() });
        let found = standalone_question(&*script, earlier, "And the water?", &never).unwrap();
        let asked = script.asked.lock().unwrap().last().map(|messages| messages.user.clone());
        (found, asked)
    };
    let whole = of(1000, &earlier()).1.unwrap();
    assert!(whole.contains("tea steep") && whole.contains("Why?"));
    let (found, end) = of(300, &earlier());
    let end = end.unwrap();
    assert!(!end.contains("tea steep") && end.contains("Why?") && found == "x");
    assert_eq!(of(100, &earlier()), ("And the water?".to_owned(), None));
    assert_eq!(of(1000, &[]), ("And the water?".to_owned(), None));
}

#[test]
fn a_stopped_rewriting_names_its_stage() {
    let (script, cancel) = (Script::new(&["one", "two"]), CancellationToken::new());
    cancel.cancel();
    let stopped = standalone_question(&*script, &earlier(), "And?", &cancel);
    assert!(matches!(stopped, Err(Error::Cancelled { stage: Stage::Prompting, .. })));
}

#[test]
fn a_stopped_answer_names_its_stage() {
    let script = Script::new(&["one", "two"]);
    let case = case(&["tea"], &script);
    let stop_at = |text: bool| {
        let cancel = CancellationToken::new();
        let mut show = |event: AnswerEvent<'_>| {
            if matches!(event, AnswerEvent::Text(_)) == text {
                cancel.cancel();
            }
        };
        case.answerer.answer(&SearchRequest::new("tea"), &mut show, &cancel)
    };
    for text in [false, true] {
        assert!(matches!(stop_at(text), Err(Error::Cancelled { stage: Stage::Generation, .. })));
    }
    let stopped = CancellationToken::new();
    stopped.cancel();
    let early = case.answerer.answer(&SearchRequest::new("tea"), &mut |_| {}, &stopped);
    assert!(matches!(early, Err(Error::Cancelled { stage: Stage::Retrieval, .. })));
}
