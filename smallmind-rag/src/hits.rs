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

/// Drops all but the first `limit` by `order`; the rest are in no order.
pub(crate) fn keep_best<T>(
    items: &mut Vec<T>,
    limit: usize,
    order: impl FnMut(&T, &T) -> Ordering,
) {
    if items.len() > limit {
        items.select_nth_unstable_by(limit, order);
        items.truncate(limit);
    }
}

/// The `limit` best, sorted.
pub(crate) fn best(mut hits: Vec<Hit>, limit: usize) -> Vec<Hit> {
    keep_best(&mut hits, limit, order);
    sort(&mut hits);
    hits
}
