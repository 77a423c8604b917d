//! What is kept is found again, and what is used least goes first.

use super::*;
use smallmind_abstractions::CancellationToken;
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{Context, LoadOptions, Logits, Model};

const PAGE: usize = SharedPage::TOKENS;

/// A model with long contexts, and contexts that hold some tokens.
struct Texts(Model);

impl Texts {
    fn new() -> Self {
        let file = ModelFile::open(&smallmind_testkit::model_path("smollm2-135m")).expect("opens");
        let options = LoadOptions { threads: Some(1), ..Default::default() };
        Self(Model::load(&file, &options, &CancellationToken::new()).expect("loads"))
    }

    fn keep(&self, cache: &mut PrefixCache, tokens: &[TokenId]) -> Context {
        let mut context = self.0.new_context(PAGE * 4).expect("memory");
        let never = CancellationToken::new();
        self.0.forward(&mut context, tokens, Logits::None, &never).expect("computes");
        cache.insert(tokens, context.pages(tokens.len()));
        context
    }
}

fn text(seed: TokenId, len: usize) -> Vec<TokenId> {
    (0..len as TokenId).map(|i| 1000 + seed * 1000 + i).collect()
}

#[test]
fn the_longest_beginning_is_found_and_the_least_used_goes_first() {
    let texts = Texts::new();
    let mut cache = PrefixCache::new(usize::MAX);
    let long = text(1, 2 * PAGE + 10);
    assert_eq!(cache.find(&long).1, 0);
    texts.keep(&mut cache, &long);
    let mut beside = long[..PAGE + 20].to_vec();
    beside.extend(text(2, 30));
    texts.keep(&mut cache, &beside);
    // Three pages and one that parts from the second: the first is shared.
    assert_eq!(cache.stats().pages, 4);
    for (prompt, found) in [
        (&long[..], 2 * PAGE + 9),
        (&long[..PAGE + 1], PAGE),
        (&long[..30], 29),
        (&beside[..], PAGE + 49),
        (&beside[..PAGE + 22], PAGE + 21),
        (&text(3, 100)[..], 0),
        (&[][..], 0),
    ] {
        let (pages, len) = cache.find(prompt);
        assert_eq!((pages.len(), len), (found.div_ceil(PAGE), found));
    }
    // More of a text takes the place of its beginning.
    let mut longer = long.clone();
    longer.extend(text(4, 20));
    texts.keep(&mut cache, &longer);
    assert_eq!((cache.stats().pages, cache.find(&longer).1), (4, longer.len() - 1));
    let stats = cache.stats();
    assert_eq!(stats.lookups, 9);
    let rate = stats.cached_tokens as f64 / stats.prompt_tokens as f64;
    assert_eq!(stats.hit_rate(), Some(rate));
    // Room for five pages: the branch that was not used lately goes, and with
    // the next one what followed it, from its end.
    let page = stats.bytes / stats.pages;
    cache.budget = 5 * page;
    texts.keep(&mut cache, &text(5, 2 * PAGE));
    assert_eq!(cache.stats().evicted, 1);
    assert_eq!(cache.find(&beside).1, PAGE + 20);
    assert_eq!(cache.find(&longer).1, longer.len() - 1);
    texts.keep(&mut cache, &text(6, PAGE));
    assert_eq!((cache.stats().evicted, cache.stats().bytes), (2, 5 * page));
    assert_eq!(cache.find(&text(5, 2 * PAGE)).1, PAGE);
    assert_eq!(cache.find(&longer).1, longer.len() - 1);
}
