//! Chats that are kept and opened again.

use super::*;
use smallmind_engine::chat::{CACHE_UNUSED, FolderStore, MemoryStore, SessionStore};
use smallmind_engine::{CacheType, Speculation};
use std::io::{self, Read};

fn open(engine: &Engine, store: &dyn SessionStore, name: &str) -> Result<ChatSession, Error> {
    ChatSession::open(engine, ChatOptions::default(), store, name)
}

/// A chat of two turns.
fn talk(engine: &Engine) -> ChatSession {
    let chat = chat(engine);
    send(&chat, "the rain in the town");
    send(&chat, "and then?");
    chat
}

fn bytes(store: &dyn SessionStore, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.load(name).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn put(store: &dyn SessionStore, name: &str, bytes: &[u8]) {
    store.save(name, &mut |to| to.write_all(bytes)).unwrap();
}

#[test]
fn a_chat_goes_on_where_it_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Box<dyn SessionStore>; 2] =
        [Box::new(MemoryStore::new()), Box::new(FolderStore::new(folder.path()).unwrap())];
    for (store, name) in stores.iter().zip(MODELS) {
        let engine = engine(name);
        let chat = talk(&engine);
        chat.save(&**store, "plain", false).unwrap();
        chat.save(&**store, "cached", true).unwrap();
        assert_eq!(store.names().unwrap(), ["cached", "plain"]);
        let [plain, cached] = ["plain", "cached"].map(|n| open(&engine, &**store, n).unwrap());
        assert_eq!(plain.messages().unwrap(), chat.messages().unwrap());
        assert_eq!(plain.system().unwrap().as_deref(), Some("Be short."));
        assert_eq!(cached.tokens().unwrap(), chat.tokens().unwrap());
        let expected = send(&chat, "or else?");
        let [plain, cached] = [plain, cached].map(|chat| send(&chat, "or else?"));
        assert_eq!([&plain.message, &cached.message], [&expected.message; 2], "{name}");
        assert_eq!(plain.result.usage.cached_tokens, 0);
        assert_eq!(cached.result.usage, expected.result.usage);
        assert!(store.remove("plain").unwrap() && !store.remove("plain").unwrap());
        assert!(matches!(open(&engine, &**store, "plain"), Err(Error::NoSuchChat { .. })));
    }
}

#[test]
fn a_damaged_chat_is_refused_by_name_wherever_it_is_damaged() {
    let (engine, store) = (engine("llama"), MemoryStore::new());
    talk(&engine).save(&store, "monday", true).unwrap();
    let sound = bytes(&store, "monday");
    let check = |damaged: &[u8], what: &str| {
        put(&store, "monday", damaged);
        let error = open(&engine, &store, "monday").unwrap_err();
        assert!(matches!(error, Error::ChatDamaged { .. }), "{what}: {error}");
        assert!(error.to_string().contains("'monday' is damaged"), "{error}");
    };
    for at in (0..sound.len()).step_by(sound.len() / 200).chain([0, 8, 12, 19, sound.len() - 1]) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x20;
        check(&damaged, &format!("byte {at}"));
        check(&sound[..at], &format!("cut at {at}"));
    }
    put(&store, "monday", &sound);
    open(&engine, &store, "monday").unwrap();
}

#[test]
fn a_chat_of_another_version_is_refused_by_number() {
    let (engine, store) = (engine("llama"), MemoryStore::new());
    talk(&engine).save(&store, "monday", true).unwrap();
    let sound = bytes(&store, "monday");
    for version in [1u8, 3] {
        let mut other = sound.clone();
        other[8] = version;
        put(&store, "monday", &other);
        let error = open(&engine, &store, "monday").unwrap_err().to_string();
        assert!(error.contains(&format!("version is {version}; expected 2")), "{error}");
    }
}

#[test]
fn a_chat_with_another_model_is_refused_by_name() {
    let (engine, store) = (engine("llama"), MemoryStore::new());
    talk(&engine).save(&store, "monday", false).unwrap();
    for name in ["llama-yarn", "qwen3"] {
        let other = super::engine(name);
        let error = open(&other, &store, "monday").unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::ChatOfAnotherModel { .. }), "{text}");
        assert!(text.contains("'monday'") && text.contains("'llama'") && text.contains(name));
    }
    // The same file loaded again is no other model.
    open(&super::engine("llama"), &store, "monday").unwrap();
}

#[test]
fn keys_and_values_that_do_not_fit_are_computed_again() {
    let (engine, store) = (engine("llama"), MemoryStore::new());
    let chat = talk(&engine);
    chat.save(&store, "monday", true).unwrap();
    let expected = send(&chat, "or else?").message;
    for (context, cache_type) in [(None, CacheType::F32), (Some(40), CacheType::F16)] {
        let mut options = ChatOptions::default();
        (options.session.context, options.session.cache_type) = (context, cache_type);
        let other = ChatSession::open(&engine, options, &store, "monday").unwrap();
        assert!(other.diagnostics().iter().any(|finding| finding.code == CACHE_UNUSED));
        assert!(other.tokens().unwrap().is_empty());
        if context.is_none() {
            assert_eq!(send(&other, "or else?").message, expected);
        }
    }
}

#[test]
fn a_folder_takes_no_names_that_lead_out_of_it_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(folder.path().join("chats")).unwrap();
    let long = "x".repeat(101);
    for name in ["", "..", ".hidden", "a/b", "a\\b", "c:d", "ü", &long] {
        let error = store.save(name, &mut |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        assert!(store.load(name).is_err() && store.remove(name).is_err());
    }
    put(&store, "a", b"one");
    let failed = store.save("a", &mut |to| {
        to.write_all(b"half of tw")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert!(failed.is_err());
    assert_eq!((bytes(&store, "a"), store.names().unwrap()), (b"one".to_vec(), vec!["a".into()]));
    assert_eq!(std::fs::read_dir(folder.path().join("chats")).unwrap().count(), 1);
}

#[test]
fn guesses_are_neither_saved_nor_forked() {
    let (engine, store) = (engine("llama"), MemoryStore::new());
    let options = || {
        let mut options = ChatOptions::default();
        options.session.speculation = Speculation::Lookup;
        options
    };
    let chat = ChatSession::new(&engine, options()).unwrap();
    send(&chat, "the rain the rain the rain the rain");
    chat.save(&store, "monday", true).unwrap();
    let opened = ChatSession::open(&engine, options(), &store, "monday").unwrap();
    let fork = chat.fork(None).unwrap();
    let expected = send(&chat, "and then?");
    assert_eq!(send(&opened, "and then?").message, expected.message);
    assert_eq!(send(&fork, "and then?").message, expected.message);
}
