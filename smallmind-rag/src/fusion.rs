//! Several rankings into one.

use crate::hits::sort;
use smallmind_abstractions::Hit;
use std::collections::HashMap;

/// How rankings become one. A chunk that a ranking lacks gains nothing by it.
///
/// ```
/// use smallmind_abstractions::{ChunkId, Hit};
/// use smallmind_rag::Fusion;
///
/// let hit = |chunk, score| Hit { chunk: ChunkId(chunk), score };
/// let rankings = [vec![hit(1, 9.0), hit(2, 8.0), hit(4, 1.0)], vec![hit(2, 0.5), hit(3, 0.4)]];
/// assert_eq!(Fusion::default().fuse(&rankings)[0].chunk, ChunkId(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fusion {
    /// The sum of 1 / (`k` + rank) (Cormack, Clarke and Büttcher 2009). It asks
    /// nothing of the scores.
    ReciprocalRank {
        /// How little the first ranks stand out; 60 as a rule.
        k: f32,
    },
    /// The mean of the scores, each ranking's brought to 0 at its last and 1
    /// at its first hit (Bruch, Gai and Ingber 2023). It was the better one
    /// where both were measured.
    Convex {
        /// The share of the first ranking; the others divide the rest.
        first: f32,
    },
}

impl Default for Fusion {
    fn default() -> Self {
        Self::Convex { first: 0.5 }
    }
}

impl Fusion {
    /// One ranking of all chunks in `rankings`, each of which is in order.
    pub fn fuse(&self, rankings: &[Vec<Hit>]) -> Vec<Hit> {
        let mut scores = HashMap::<_, f32>::new();
        for (at, ranking) in rankings.iter().enumerate() {
            for (rank, hit) in ranking.iter().enumerate() {
                let gain = match *self {
                    Self::ReciprocalRank { k } => 1.0 / (k + rank as f32 + 1.0),
                    Self::Convex { first } if at == 0 => first * normal(ranking, hit),
                    Self::Convex { first } => {
                        (1.0 - first) / (rankings.len() - 1) as f32 * normal(ranking, hit)
                    }
                };
                *scores.entry(hit.chunk).or_default() += gain;
            }
        }
        let mut hits: Vec<_> =
            scores.into_iter().map(|(chunk, score)| Hit { chunk, score }).collect();
        sort(&mut hits);
        hits
    }
}

/// Where a score stands between the last and the first of its ranking.
fn normal(ranking: &[Hit], hit: &Hit) -> f32 {
    match ranking {
        [first, .., last] if first.score > last.score => {
            (hit.score - last.score) / (first.score - last.score)
        }
        // All are as good as the best.
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallmind_abstractions::ChunkId;

    #[test]
    fn scores_are_as_by_hand() {
        let hit = |chunk, score| Hit { chunk: ChunkId(chunk), score };
        let words = vec![hit(1, 10.0), hit(2, 6.0), hit(3, 2.0)];
        let meaning = vec![hit(3, 0.9), hit(4, 0.1)];
        let rankings = [words, meaning];
        let ranks = Fusion::ReciprocalRank { k: 1.0 }.fuse(&rankings);
        let expected = [(3, 0.25 + 0.5), (1, 0.5), (2, 1.0 / 3.0), (4, 1.0 / 3.0)];
        assert_eq!(ranks, expected.map(|(chunk, score)| hit(chunk, score)));
        let convex = Fusion::Convex { first: 0.25 }.fuse(&rankings);
        let expected = [(3, 0.75), (1, 0.25), (2, 0.125), (4, 0.0)];
        assert_eq!(convex, expected.map(|(chunk, score)| hit(chunk, score)));
        assert!(Fusion::default().fuse(&[]).is_empty());
    }
}
