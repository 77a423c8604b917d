//! Lists of hits, as all retrievers order them.

use smallmind_abstractions::Hit;
use std::cmp::Ordering;

/// By falling score; equal scores by rising number.
fn order(a: &Hit, b: &Hit) -> Ordering {
    b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk))
}

pub(crate) fn sort(hits: &mut [Hit]) {
    hits.sort_unstable_by(order);
}

/// The `limit` best, sorted.
pub(crate) fn best(mut hits: Vec<Hit>, limit: usize) -> Vec<Hit> {
    if hits.len() > limit {
        hits.select_nth_unstable_by(limit, order);
        hits.truncate(limit);
    }
    sort(&mut hits);
    hits
}
