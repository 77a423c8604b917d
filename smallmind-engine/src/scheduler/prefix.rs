//! Keys and values of texts that begin alike, kept for those to come.
//!
//! A tree over token ids, an edge a page: the path from the root to a node
//! spells the text whose last page the node holds. The page least lately used
//! goes first, of those that nothing else follows.

use smallmind_abstractions::TokenId;
use smallmind_runtime::SharedPage;

/// What a prefix cache holds and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PrefixStats {
    /// Prompts that were looked up.
    pub lookups: u64,
    /// Tokens of these prompts.
    pub prompt_tokens: u64,
    /// Those of them that were found.
    pub cached_tokens: u64,
    /// Pages held.
    pub pages: usize,
    /// Bytes of these pages.
    pub bytes: usize,
    /// Pages that had to go.
    pub evicted: u64,
}

impl PrefixStats {
    /// Found tokens to all looked up; `None` before the first.
    pub fn hit_rate(&self) -> Option<f64> {
        let tokens = self.prompt_tokens;
        (tokens > 0).then(|| self.cached_tokens as f64 / tokens as f64)
    }
}

#[derive(Debug)]
pub(super) struct PrefixCache {
    first: Vec<Node>,
    budget: usize,
    /// Counts uses.
    clock: u64,
    stats: PrefixStats,
}

#[derive(Debug)]
struct Node {
    /// As many as the page holds; fewer only where nothing follows.
    tokens: Vec<TokenId>,
    page: SharedPage,
    /// When it was last used, which no two nodes share.
    used: u64,
    next: Vec<Node>,
}

impl Node {
    /// How many of the tokens it begins with.
    fn common(&self, tokens: &[TokenId]) -> usize {
        self.tokens.iter().zip(tokens).take_while(|(a, b)| a == b).count()
    }
}

impl PrefixCache {
    /// An empty one that holds at most `budget` bytes.
    pub(super) fn new(budget: usize) -> Self {
        Self { first: Vec::new(), budget, clock: 0, stats: PrefixStats::default() }
    }

    pub(super) fn stats(&self) -> PrefixStats {
        self.stats
    }

    /// The pages that hold the beginning of a prompt, and how many tokens of
    /// it. The last token is never among them: its logits are what is wanted.
    pub(super) fn find(&mut self, prompt: &[TokenId]) -> (Vec<SharedPage>, usize) {
        let wanted = prompt.split_last().map_or(prompt, |(_, rest)| rest);
        let (mut pages, mut len, mut level) = (Vec::new(), 0, &mut self.first);
        loop {
            let best = level.iter_mut().max_by_key(|node| node.common(&wanted[len..]));
            let Some(node) = best else { break };
            let common = node.common(&wanted[len..]);
            if common == 0 {
                break;
            }
            self.clock += 1;
            node.used = self.clock;
            pages.push(node.page.clone());
            len += common;
            if common < SharedPage::TOKENS {
                break;
            }
            level = &mut node.next;
        }
        self.stats.lookups += 1;
        self.stats.prompt_tokens += prompt.len() as u64;
        self.stats.cached_tokens += len as u64;
        (pages, len)
    }

    /// Keeps the pages of some tokens, from the first.
    pub(super) fn insert(
        &mut self,
        tokens: &[TokenId],
        pages: impl IntoIterator<Item = SharedPage>,
    ) {
        let mut level = &mut self.first;
        for (tokens, page) in tokens.chunks(SharedPage::TOKENS).zip(pages) {
            self.clock += 1;
            let known = |node: &Node| node.common(tokens) == tokens.len().min(node.tokens.len());
            let at = level.iter().position(known).unwrap_or_else(|| {
                self.stats.pages += 1;
                self.stats.bytes += page.bytes();
                let node =
                    Node { tokens: tokens.to_vec(), page: page.clone(), used: 0, next: Vec::new() };
                level.push(node);
                level.len() - 1
            });
            let node = &mut level[at];
            node.used = self.clock;
            if node.tokens.len() < tokens.len() {
                node.tokens = tokens.to_vec();
                node.page = page;
            }
            level = &mut node.next;
        }
        while self.stats.bytes > self.budget {
            let Some(used) = oldest(&self.first) else { break };
            self.stats.pages -= 1;
            self.stats.bytes -= remove(&mut self.first, used);
            self.stats.evicted += 1;
        }
    }
}

/// When the node least lately used was, of those that nothing follows.
fn oldest(level: &[Node]) -> Option<u64> {
    level.iter().filter_map(|node| oldest(&node.next).or(Some(node.used))).min()
}

/// Removes the node that was used then, and says what it took.
fn remove(level: &mut Vec<Node>, used: u64) -> usize {
    match level.iter().position(|node| node.used == used) {
        Some(at) => level.swap_remove(at).page.bytes(),
        None => level.iter_mut().map(|node| remove(&mut node.next, used)).sum(),
    }
}

#[cfg(test)]
#[path = "prefix_tests.rs"]
mod tests;
