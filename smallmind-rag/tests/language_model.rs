//! Our own models as writers and as judges of passages.

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is a test that fails")]
#![allow(unreachable_pub, reason = "tests share a module of helpers")]

mod injections;

use injections::INJECTIONS;
use smallmind_abstractions::{
    CancellationToken, EncodeOptions, Error, Reranker, SearchRequest, TokenId, TokenKind,
};
use smallmind_engine::chat::{ChatTemplate, Message, RenderOptions};
use smallmind_engine::{Engine, EngineOptions};
use smallmind_rag::{
    Answer, Answerer, Bm25, Document, Generator, Language, LanguageModel, LikelihoodReranker,
    Messages, Store, Update,
};
use smallmind_runtime::Logits;
use smallmind_testkit::{model_path, tiny_model};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LLAMA3: &str = "{{ bos_token }}{% for m in messages %}<s>{{ m.role }}\n\n{{ m.content | trim }}</s>\
{% endfor %}{{ '<s>assistant\n\n' }}";
/// As Gemma 2's.
const REFUSES: &str = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}\
{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}{{ '<s>model\n' }}";
const LEAVES_OUT: &str =
    "{% for m in messages if m.role != 'system' %}<s>{{ m.content }}</s>{% endfor %}";

const GEMMA: &str = "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content }}\
<end_of_turn>\n{% endfor %}{{ '<start_of_turn>model\n' }}";

/// A tiny random model with a template, or with none.
fn tiny(name: &str, template: Option<&str>) -> LanguageModel {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let mut file = tiny_model(name);
    if let Some(template) = template {
        file.set("tokenizer.chat_template", template.into());
    }
    std::fs::write(&path, file.bytes()).unwrap();
    load(&path)
}

fn load(path: &std::path::Path) -> LanguageModel {
    let engine = Engine::load(path, EngineOptions::default(), &CancellationToken::new()).unwrap();
    LanguageModel::new(engine).unwrap()
}

fn messages(system: &str, user: &str) -> Messages {
    Messages { system: system.to_owned(), user: user.to_owned() }
}

/// Tokens of a text that is all frame.
fn parsed(model: &LanguageModel, text: &str) -> Vec<TokenId> {
    let options = EncodeOptions { add_special: false, parse_special: true };
    model.engine().tokenizer().encode(text, options).unwrap()
}

#[test]
fn a_prompt_is_what_the_models_own_template_makes_of_it() {
    for (name, template, expected) in [
        (
            "gemma3",
            Some(LLAMA3),
            "<s><s>system\n\nrules</s><s>user\n\nquestion</s><s>assistant\n\n",
        ),
        ("gemma3", Some(REFUSES), "<s>user\nrules\n\nquestion</s>\n<s>model\n"),
        ("gemma3", Some(LEAVES_OUT), "<s>rules\n\nquestion</s>"),
        // Knows no ChatML.
        ("gemma3", None, "<s>rules\n\nquestion\nAnswer:"),
        (
            "llama",
            None,
            "<|endoftext|><|im_start|>system\nrules<|im_end|>\n<|im_start|>user\nquestion<|im_end|>\n\
             <|im_start|>assistant\n",
        ),
    ] {
        let model = tiny(name, template);
        let found = model.tokens(&messages("rules", "question")).unwrap();
        assert_eq!(found, parsed(&model, expected), "{name} {template:?}");
        assert_eq!(model.count(&messages("rules", "question")).unwrap(), found.len());
    }
}

#[test]
fn a_broken_template_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let mut file = tiny_model("llama");
    file.set("tokenizer.chat_template", "{% if %}".into());
    std::fs::write(&path, file.bytes()).unwrap();
    let engine = Engine::load(&path, EngineOptions::default(), &CancellationToken::new()).unwrap();
    assert!(LanguageModel::new(engine).unwrap_err().to_string().contains("template"));
}

/// The control tokens of a prompt, in their order.
fn control(engine: &Engine, prompt: Vec<TokenId>) -> Vec<TokenId> {
    let kind = |id: &TokenId| engine.tokenizer().token_kind(*id);
    let control = |id: &TokenId| matches!(kind(id), Some(TokenKind::Control | TokenKind::Unknown));
    prompt.into_iter().filter(control).collect()
}

/// Checks that a prompt's control tokens are the template's, whatever passages
/// spell.
fn spells_none(engine: &Engine, tokens: impl Fn(&str, &str) -> Vec<TokenId>) {
    let control = |system: &str, user: &str| control(engine, tokens(system, user));
    let plain = control("rules", "> wings\n\nQuestion: why?");
    let spelled = plain.iter().filter_map(|id| engine.tokenizer().token_text(*id));
    let all: String = spelled.map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    assert!(!all.is_empty());
    for (name, injection) in INJECTIONS.into_iter().chain([("all of the frame", &*all)]) {
        for text in [format!("> {injection}\n\nQuestion: why?"), injection.to_owned()] {
            assert_eq!(control("rules", &text), plain, "{name}");
            assert_eq!(control(&text, "why?"), plain, "{name}");
        }
    }
}

#[test]
fn control_tokens_in_passages_are_text() {
    for model in [
        tiny("llama", None),
        tiny("gemma3", Some(LLAMA3)),
        tiny("gemma3", Some(REFUSES)),
        load(&model_path("smollm2-135m")),
        load(&model_path("gemma3-270m")),
    ] {
        let tokens = |system: &str, user: &str| model.tokens(&messages(system, user)).unwrap();
        spells_none(model.engine(), tokens);
    }
    // Gemma's own vocabulary with the turns of its chats.
    let model = load(&model_path("gemma3-270m"));
    let template = ChatTemplate::parse(GEMMA, "<bos>", "<eos>").unwrap();
    spells_none(model.engine(), |system: &str, user: &str| {
        let message = Message::user(format!("{system}\n\n{user}"));
        template.tokens(model.engine(), &[message], &RenderOptions::default()).unwrap()
    });
}

/// What a model says to a question about tea, where one more passage is found.
fn said(model: &LanguageModel, more: &str) -> Answer {
    let never = CancellationToken::new();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("kb"), Language::English, &never).unwrap();
    let tea = "Steep the leaves of green tea for three minutes, in water that does not boil.";
    let texts = [("tea", tea), ("more", &format!("green tea {more}"))];
    let put = |u: &mut Update<'_>| {
        texts.iter().try_for_each(|(s, t)| u.put(&Document::from_text(s, "", t)).map(drop))
    };
    store.update(&never, put).unwrap();
    let retriever = Arc::new(Bm25::new(store.clone()));
    let mut answerer = Answerer::new(store, retriever, Arc::new(model.clone()));
    answerer.max_tokens = 32;
    let request = SearchRequest::new("How many minutes should green tea steep?");
    answerer.answer(&request, &mut |_| {}, &never).unwrap()
}

/// Fences keep the frame whole; they do not make a model wise. Beside one
/// injection this small model gives no answer, and another it recites.
#[test]
fn a_small_model_answers_beside_most_injections() {
    let model = load(&model_path("smollm2-135m"));
    for (name, injection) in INJECTIONS {
        let answer = said(&model, injection);
        let Answer::Answered { text, cited, sources, .. } = answer else {
            assert_eq!(name, "citations");
            continue;
        };
        assert_eq!(sources.len(), 2);
        assert!(cited.iter().all(|n| [1, 2].contains(n)), "{name}: {cited:?}");
        let other = (0..100).filter(|n| text.contains(&format!("[{n}]")) && !cited.contains(n));
        assert_eq!(other.count(), 0, "{name}: {text}");
        assert_eq!(text.contains("HACKED"), name == "line ends", "{name}: {text}");
        if name != "line ends" {
            assert!(text.contains("3") || text.contains("three minutes"), "{name}: {text}");
        }
    }
}

#[test]
fn a_model_without_turns_ends_with_its_answer() {
    let model = load(&model_path("gemma3-270m"));
    let answer = said(&model, "is no coffee");
    let Answer::Answered { text, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(text.trim(), "3 minutes.");
}

/// As the reranker asks for a question.
fn asks(model: &LanguageModel, passage: &str) -> Vec<TokenId> {
    let instruction = "Write a question that the passage answers.";
    model.tokens(&messages(instruction, &format!("Passage: {passage}"))).unwrap()
}

/// The mean logarithm of the probabilities of `text` after `prompt`, by the
/// definition.
fn by_steps(model: &LanguageModel, prompt: &[TokenId], text: &[TokenId]) -> f64 {
    let never = CancellationToken::new();
    let runtime = model.engine().model();
    let mut context = runtime.new_context(model.context()).unwrap();
    let mut row = runtime.forward(&mut context, prompt, Logits::Last, &never).unwrap().to_vec();
    let mut sum = 0.0;
    for id in text {
        let total: f64 = row.iter().map(|l| f64::from(*l).exp()).sum();
        sum += f64::from(row[*id as usize]) - total.ln();
        row = runtime.forward(&mut context, &[*id], Logits::Last, &never).unwrap().to_vec();
    }
    sum / text.len() as f64
}

fn data(model: &LanguageModel, text: &str) -> Vec<TokenId> {
    let options = EncodeOptions { add_special: false, parse_special: false };
    model.engine().tokenizer().encode(text, options).unwrap()
}

#[test]
fn likelihoods_are_those_computed_step_by_step() {
    let never = CancellationToken::new();
    for (name, template) in [("llama", None), ("gemma3", Some(REFUSES)), ("gemma3", None)] {
        let model = tiny(name, template);
        let reranker = LikelihoodReranker::new(model.clone());
        let passages = ["the rain", "", "the wind and the rain", "<|im_end|></s>", "the rain"];
        for question in ["what fell?", "x", "why is the rain in the town of the one, and <s>?"] {
            let scores = reranker.score(question, &passages, &never).unwrap();
            assert_eq!(scores.len(), passages.len());
            for (passage, score) in passages.iter().zip(&scores) {
                let expected = by_steps(&model, &asks(&model, passage), &data(&model, question));
                assert!((f64::from(*score) - expected).abs() < 1e-4, "{score} {expected}");
            }
            assert_eq!(scores[0], scores[4]);
            assert_ne!(scores[0], scores[2]);
        }
        assert_eq!(reranker.score("", &passages, &never).unwrap(), [0.0; 5]);
        assert!(reranker.score("x", &[], &never).unwrap().is_empty());
    }
}

#[test]
fn a_passage_that_is_too_long_is_cut_at_its_end() {
    let never = CancellationToken::new();
    let model = tiny("llama", None);
    let reranker = LikelihoodReranker::new(model.clone());
    let long = "the wind ü ".repeat(model.context());
    let other = format!("{long}{long}");
    let scores = reranker.score("what fell?", &[&long, &other, "the wind"], &never).unwrap();
    assert!(scores.iter().all(|score| score.is_finite() && *score < 0.0));
    assert_ne!(scores[0], scores[2]);
    let question = "why ".repeat(model.context());
    assert!(matches!(reranker.score(&question, &["a"], &never), Err(Error::Part { .. })));
}

#[test]
fn a_stopped_reranker_returns() {
    let reranker = LikelihoodReranker::new(tiny("llama", None));
    let passages = vec!["the wind and the rain"; 100_000];
    let (began, limit) = (Instant::now(), Duration::from_millis(50));
    let cancel = CancellationToken::new().child_with_timeout(limit);
    let stopped = reranker.score("what fell?", &passages, &cancel);
    assert!(matches!(stopped, Err(Error::Cancelled(_))), "{stopped:?}");
    assert!(began.elapsed() < 20 * limit, "{:?}", began.elapsed());
}

#[test]
fn a_real_model_tells_which_passage_a_question_is_about() {
    let reranker = LikelihoodReranker::new(load(&model_path("smollm2-135m")));
    let passages = [
        "Swept wings delay the shock waves that form near the speed of sound.",
        "Steep the leaves of green tea for three minutes in water that does not boil.",
        "The automobile needs new tyres before winter.",
    ];
    for (best, question) in [
        (0, "Why are wings swept?"),
        (1, "How long does green tea steep?"),
        (2, "When does a car need other tires?"),
    ] {
        let scores = reranker.score(question, &passages, &CancellationToken::new()).unwrap();
        let found = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        assert_eq!(found, best, "{question}: {scores:?}");
    }
}
