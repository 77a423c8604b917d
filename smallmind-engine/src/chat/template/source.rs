//! What transformers adds to the language of templates.

/// Tags that mark what the model wrote, for those who train it.
const MARKS: [(&str, &str); 2] = [("generation", "if true"), ("endgeneration", "endif")];

/// The source with `{% generation %}` blocks as blocks that always are.
pub(super) fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        let Some(end) = tag.find("%}") else { break };
        let inner = &tag[2..end];
        let name = inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        out += before;
        match MARKS.iter().find(|(mark, _)| *mark == name) {
            Some((mark, instead)) => out += &tag[..end + 2].replacen(mark, instead, 1),
            None => out += &tag[..end + 2],
        }
        rest = &tag[end + 2..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::without_generation_marks;

    #[test]
    fn marks_become_blocks_that_always_are() {
        for (source, expected) in [
            ("a{%- generation -%}b{% endgeneration %}c", "a{%- if true -%}b{% endif %}c"),
            ("{% if generation %}x{% endif %}", "{% if generation %}x{% endif %}"),
            ("{{ '{%' }} {% generation", "{{ '{%' }} {% generation"),
        ] {
            assert_eq!(without_generation_marks(source), expected);
        }
    }
}
