//! Longest and all prefixes of a text that are in a set.

/// A trie over bytes: the children of a node lie side by side.
#[derive(Debug)]
pub(crate) struct Trie {
    /// Children of the root by their byte, plus one.
    root: Box<[u32; 256]>,
    /// The byte that leads to each node.
    labels: Vec<u8>,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    first: u32,
    children: u32,
    /// [`NONE`] where no key ends.
    value: u32,
}

const NONE: u32 = u32::MAX;

/// A node on the way through a [`Trie`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Trie {
    /// A trie of keys and values. The last of equal keys counts, and empty
    /// keys do not.
    pub(crate) fn new<'a>(keys: impl Iterator<Item = (&'a [u8], u32)>) -> Self {
        let mut keys: Vec<_> = keys.filter(|(key, _)| !key.is_empty()).collect();
        keys.sort_by(|a, b| a.0.cmp(b.0));
        let mut trie = Self { root: Box::new([0; 256]), labels: Vec::new(), nodes: Vec::new() };
        // Keys with the same bytes up to a depth are a range; each node has one.
        let mut ranges = Vec::new();
        trie.add_children(&keys, 0..keys.len(), 0, &mut ranges);
        for (node, label) in trie.labels.iter().enumerate() {
            trie.root[usize::from(*label)] = node as u32 + 1;
        }
        let mut done = 0;
        while let Some((range, depth)) = ranges.get(done).cloned() {
            let first = trie.nodes.len() as u32;
            let start = trie.end_key(done, &keys, &range, depth);
            trie.add_children(&keys, start..range.end, depth, &mut ranges);
            let node = &mut trie.nodes[done];
            (node.first, node.children) = (first, ranges.len() as u32 - first);
            done += 1;
        }
        trie
    }

    /// Sets the value of a node where keys end there; returns the first key
    /// that goes on.
    fn end_key(
        &mut self,
        node: usize,
        keys: &[(&[u8], u32)],
        range: &std::ops::Range<usize>,
        depth: usize,
    ) -> usize {
        let ends = keys[range.clone()].iter().take_while(|(key, _)| key.len() == depth).count();
        if ends > 0 {
            self.nodes[node].value = keys[range.start + ends - 1].1;
        }
        range.start + ends
    }

    fn add_children(
        &mut self,
        keys: &[(&[u8], u32)],
        range: std::ops::Range<usize>,
        depth: usize,
        ranges: &mut Vec<(std::ops::Range<usize>, usize)>,
    ) {
        let mut start = range.start;
        while start < range.end {
            let label = keys[start].0[depth];
            let same = keys[start..range.end].partition_point(|(key, _)| key[depth] == label);
            self.labels.push(label);
            self.nodes.push(Node { first: 0, children: 0, value: NONE });
            ranges.push((start..start + same, depth + 1));
            start += same;
        }
    }

    /// The node that a first byte leads to.
    #[inline]
    pub(crate) fn start(&self, byte: u8) -> Option<Place> {
        self.root[usize::from(byte)].checked_sub(1).map(Place)
    }

    /// The node that one more byte leads to.
    #[inline]
    pub(crate) fn next(&self, place: Place, byte: u8) -> Option<Place> {
        let node = self.nodes[place.0 as usize];
        let first = node.first as usize;
        let labels = &self.labels[first..first + node.children as usize];
        let found = if labels.len() <= 8 {
            labels.iter().position(|label| *label == byte)
        } else {
            labels.binary_search(&byte).ok()
        };
        found.map(|index| Place(node.first + index as u32))
    }

    /// The value of the key that ends at a node.
    #[inline]
    pub(crate) fn value(&self, place: Place) -> Option<u32> {
        Some(self.nodes[place.0 as usize].value).filter(|value| *value != NONE)
    }

    /// Every key that `text` begins with, shortest first: length and value.
    pub(crate) fn prefixes<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, u32)> {
        let mut place = text.first().and_then(|byte| self.start(*byte));
        let mut length = 0;
        std::iter::from_fn(move || {
            while let Some(here) = place {
                length += 1;
                place = text.get(length).and_then(|byte| self.next(here, *byte));
                if let Some(value) = self.value(here) {
                    return Some((length, value));
                }
            }
            None
        })
    }

    /// The longest key that `text` begins with: length and value.
    pub(crate) fn longest(&self, text: &[u8]) -> Option<(usize, u32)> {
        self.prefixes(text).last()
    }

    /// How many bytes of `text` lead along keys, whether one ends there or not.
    pub(crate) fn depth(&self, text: &[u8]) -> usize {
        let Some(mut place) = text.first().and_then(|byte| self.start(*byte)) else { return 0 };
        for (depth, byte) in text.iter().enumerate().skip(1) {
            match self.next(place, *byte) {
                Some(next) => place = next,
                None => return depth,
            }
        }
        text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_found() {
        let keys = ["a", "abc", "b", "abcd", "", "世", "a"];
        let trie = Trie::new(keys.iter().enumerate().map(|(i, k)| (k.as_bytes(), i as u32)));
        let all: Vec<_> = trie.prefixes(b"abcde").collect();
        assert_eq!(all, [(1, 6), (3, 1), (4, 3)]);
        assert_eq!(trie.longest(b"abx"), Some((1, 6)));
        assert_eq!(trie.longest("世界".as_bytes()), Some((3, 5)));
        assert_eq!(trie.longest(b"x"), None);
        assert_eq!(trie.longest(b""), None);
        assert_eq!(trie.depth(b"abx"), 2);
        assert_eq!(trie.depth("世界".as_bytes()), 3);
        assert_eq!(Trie::new(std::iter::empty()).longest(b"a"), None);
    }
}
