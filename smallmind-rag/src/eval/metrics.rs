//! How good a ranking is, by the definitions of NIST's `trec_eval`.

use std::collections::{BTreeMap, HashMap};

/// Grades of documents for one query: relevant from 1 up.
pub type Judgements = HashMap<String, i32>;

/// Measures of one ranking, or the means over many.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Metrics {
    /// `ndcg_cut_10`: gains are the grades, discounts log₂(rank + 1)
    /// (Järvelin and Kekäläinen 2002).
    pub ndcg_10: f64,
    /// `recall_10`: the share of the relevant documents among the first 10.
    pub recall_10: f64,
    /// `recall_100`: among the first 100.
    pub recall_100: f64,
    /// `recip_rank`: one over the rank of the first relevant document.
    pub mrr: f64,
    /// `map`: the mean of the precision at each relevant document.
    pub map: f64,
}

impl Metrics {
    /// Measures a ranking of one query. As `trec_eval` does, documents are
    /// ordered by falling score, equal ones by falling id.
    ///
    /// ```
    /// use smallmind_rag::eval::{Judgements, Metrics};
    ///
    /// let judgements = Judgements::from([("a".to_owned(), 1), ("b".to_owned(), 0)]);
    /// let ranking = [("b".to_owned(), 2.0), ("a".to_owned(), 1.0)];
    /// assert_eq!(Metrics::of(&judgements, &ranking).mrr, 0.5);
    /// ```
    pub fn of(judgements: &Judgements, ranking: &[(String, f32)]) -> Self {
        let mut ranking: Vec<_> = ranking.iter().collect();
        ranking.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| b.0.cmp(&a.0)));
        let grade = |id: &String| judgements.get(id).copied().unwrap_or(0).max(0);
        let grades: Vec<_> = ranking.iter().map(|(id, _)| grade(id)).collect();
        let mut ideal: Vec<_> = judgements.values().copied().filter(|g| *g > 0).collect();
        ideal.sort_unstable_by(|a, b| b.cmp(a));
        if ideal.is_empty() {
            return Self::default();
        }
        let relevant = ideal.len() as f64;
        let found = |n| grades.iter().take(n).filter(|g| **g > 0).count() as f64;
        let ranks = (1..).zip(&grades).filter(|(_, g)| **g > 0).map(|(rank, _)| f64::from(rank));
        let precisions = (1..).zip(ranks.clone()).map(|(n, rank)| f64::from(n) / rank);
        Self {
            ndcg_10: gain(&grades) / gain(&ideal),
            recall_10: found(10) / relevant,
            recall_100: found(100) / relevant,
            mrr: ranks.clone().next().map_or(0.0, f64::recip),
            map: precisions.sum::<f64>() / relevant,
        }
    }

    /// The means of many; all 0 of none.
    pub fn mean(all: &[Self]) -> Self {
        let mean =
            |get: fn(&Self) -> f64| all.iter().map(get).sum::<f64>() / all.len().max(1) as f64;
        Self {
            ndcg_10: mean(|m| m.ndcg_10),
            recall_10: mean(|m| m.recall_10),
            recall_100: mean(|m| m.recall_100),
            mrr: mean(|m| m.mrr),
            map: mean(|m| m.map),
        }
    }

    /// The measures by their names, as JSON shows them.
    pub fn named(&self) -> BTreeMap<&'static str, f64> {
        BTreeMap::from([
            ("ndcg@10", self.ndcg_10),
            ("recall@10", self.recall_10),
            ("recall@100", self.recall_100),
            ("mrr", self.mrr),
            ("map", self.map),
        ])
    }
}

/// The discounted gain of the first ten.
fn gain(grades: &[i32]) -> f64 {
    let gains = (2..).zip(grades.iter().take(10));
    gains.map(|(rank, grade)| f64::from(*grade) / f64::from(rank).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Random rankings with ties, grades below 0 and nothing relevant, and what
    /// `trec_eval` (by pytrec_eval) makes of them.
    #[test]
    fn measures_equal_those_of_trec_eval() {
        let cases: Value =
            serde_json::from_str(include_str!("../../tests/data/trec_eval.json")).unwrap();
        let cases = cases.as_array().unwrap();
        assert_eq!(cases.len(), 8);
        for (i, case) in cases.iter().enumerate() {
            let map = |key: &str| case[key].as_object().unwrap().clone().into_iter();
            let judgements = map("judgements").map(|(d, g)| (d, g.as_i64().unwrap() as i32));
            let run: Vec<_> = map("run").map(|(d, s)| (d, s.as_f64().unwrap() as f32)).collect();
            let metrics = Metrics::of(&judgements.collect(), &run);
            for (name, ours) in [
                ("ndcg_cut_10", metrics.ndcg_10),
                ("recall_10", metrics.recall_10),
                ("recall_100", metrics.recall_100),
                ("recip_rank", metrics.mrr),
                ("map", metrics.map),
            ] {
                let theirs = case["expected"][name].as_f64().unwrap();
                assert!((ours - theirs).abs() < 1e-9, "case {i}, {name}: {ours}, not {theirs}");
            }
        }
    }

    #[test]
    fn means_of_none_are_nothing() {
        assert_eq!(Metrics::mean(&[]), Metrics::default());
    }
}
