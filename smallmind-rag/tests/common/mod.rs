//! What several tests share.

use smallmind_abstractions::{
    CancellationToken, Embedder, EmbeddingRole, Error as AbstractError, Retriever, SearchRequest,
};
use smallmind_rag::{Passage, Store};

/// What a retriever finds in a store.
pub fn found(store: &Store, by: &dyn Retriever, request: &SearchRequest) -> Vec<Passage> {
    let never = CancellationToken::new();
    let hits = by.retrieve(request, &never).unwrap();
    let chunks: Vec<_> = hits.iter().map(|h| h.chunk).collect();
    let passages = store.passages(&chunks, &request.access, &never).unwrap();
    assert_eq!(passages.len(), hits.len(), "all that is found can be read");
    passages
}

/// A small generator (SplitMix64), so that a failure can be had again.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A direction in a space of `dimensions`, of length 1.
    pub fn direction(&mut self, dimensions: usize) -> Vec<f32> {
        let mut even = || (self.next() >> 40) as f32 / 16_777_216.0 - 0.5;
        // A sum of even numbers is nearly normal.
        let values: Vec<f32> = (0..dimensions).map(|_| even() + even() + even()).collect();
        let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        values.iter().map(|v| v / length).collect()
    }
}

/// Gives each text a direction of its own: that of the sum of its words'.
pub struct Words(pub usize);

impl Embedder for Words {
    fn id(&self) -> &str {
        "words"
    }

    fn dimensions(&self) -> usize {
        self.0
    }

    fn embed(
        &self,
        texts: &[&str],
        _role: EmbeddingRole,
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, AbstractError> {
        let mut rows = Vec::new();
        for text in texts {
            cancel.check()?;
            let mut row = vec![0.0; self.0];
            for word in text.split_whitespace() {
                let seed = word.bytes().fold(7, |h: u64, b| h.wrapping_mul(31) + u64::from(b));
                let direction = Random(seed).direction(self.0);
                row.iter_mut().zip(direction).for_each(|(sum, v)| *sum += v);
            }
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            rows.extend(row.iter().map(|v| v / length));
        }
        Ok(rows)
    }
}
