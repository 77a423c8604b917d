//! Lists of hits, as all retrievers order them.

use smallmind_abstractions::Hit;

/// By falling score; equal scores by rising number.
pub(crate) fn sort(hits: &mut [Hit]) {
    hits.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk)));
}
