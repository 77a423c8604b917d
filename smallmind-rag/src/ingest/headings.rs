//! Under which headings a passage stands.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use smallmind_abstractions::{CancellationToken, Cancelled};
use std::ops::Range;

/// The headings of a text, in its order.
#[derive(Debug, Default)]
pub(super) struct Headings(Vec<Heading>);

#[derive(Debug)]
struct Heading {
    /// Where it begins.
    at: usize,
    /// The headings it stands under, and itself, with their levels.
    path: Vec<(usize, String)>,
}

impl Headings {
    /// The headings of a text in Markdown (CommonMark).
    pub(super) fn of_markdown(text: &str, cancel: &CancellationToken) -> Result<Self, Cancelled> {
        let mut headings = Self::default();
        let mut open: Option<String> = None;
        for (event, range) in Parser::new(text).into_offset_iter() {
            cancel.check()?;
            match event {
                Event::Start(Tag::Heading { .. }) => open = Some(String::new()),
                Event::End(TagEnd::Heading(level)) => {
                    let title = open.take().unwrap_or_default();
                    headings.push(range.start, level as usize, title);
                }
                Event::Text(part) | Event::Code(part) => {
                    open.iter_mut().for_each(|title| title.push_str(&part));
                }
                Event::SoftBreak | Event::HardBreak => {
                    open.iter_mut().for_each(|title| title.push(' '));
                }
                _ => {}
            }
        }
        Ok(headings)
    }

    /// Adds a heading that begins at `at`, after all others.
    pub(super) fn push(&mut self, at: usize, level: usize, title: String) {
        let above = self.0.last().map_or(&[][..], |heading| &heading.path);
        let mut path: Vec<_> = above.iter().filter(|(upper, _)| *upper < level).cloned().collect();
        path.push((level, title));
        self.0.push(Heading { at, path });
    }

    /// The longest path that any passage may stand under.
    pub(super) fn longest(&self) -> String {
        let paths = self.0.iter().map(|heading| join(&heading.path));
        paths.max_by_key(String::len).unwrap_or_default()
    }

    /// The headings that all of a passage stands under, outermost first. A
    /// heading that begins it counts, since what follows stands under it.
    pub(super) fn path(&self, passage: Range<usize>) -> String {
        let first = self.0.partition_point(|h| h.at <= passage.start);
        let last = self.0.partition_point(|h| h.at < passage.end);
        let Some(before) = first.checked_sub(1) else { return String::new() };
        let start = self.0[before].path.as_slice();
        let common = |path: &[(usize, String)], other: &Heading| {
            path.iter().zip(&other.path).take_while(|(a, b)| a == b).count()
        };
        let within = &self.0[first..last.max(first)];
        let depth = within.iter().fold(start.len(), |depth, h| common(&start[..depth], h));
        join(&start[..depth])
    }
}

fn join(path: &[(usize, String)]) -> String {
    path.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>().join(" > ")
}

#[cfg(test)]
mod tests {
    use super::Headings;
    use smallmind_abstractions::CancellationToken;

    #[test]
    fn a_passage_stands_under_what_all_of_it_stands_under() {
        let text = "Before.\n\n# Guide\n\nOne.\n\n## Wings `of` *it*\n\nTwo.\n\n### Stall\n\n\
            Three.\n\nTea\n---\n\n```\n# no heading\n```\nFour.\n";
        let headings = Headings::of_markdown(text, &CancellationToken::new()).unwrap();
        let path = |from: &str, to: &str| {
            headings.path(text.find(from).unwrap()..text.find(to).unwrap() + to.len())
        };
        assert_eq!(path("Before.", "Before."), "");
        assert_eq!(path("Before.", "One."), "");
        assert_eq!(path("One.", "One."), "Guide");
        assert_eq!(path("One.", "Two."), "Guide");
        assert_eq!(path("Two.", "Two."), "Guide > Wings of it");
        assert_eq!(path("## Wings", "Three."), "Guide > Wings of it");
        assert_eq!(path("Three.", "Three."), "Guide > Wings of it > Stall");
        assert_eq!(path("# no", "Four."), "Guide > Tea");
    }
}
