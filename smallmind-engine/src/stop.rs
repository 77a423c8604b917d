//! Stop sequences in a text that grows.

/// What may be done with text that nobody has seen yet.
#[derive(Debug, PartialEq)]
pub(crate) enum Scan {
    /// A stop sequence begins at `at`: which of them.
    Stop { at: usize, which: usize },
    /// The first bytes are no part of a stop sequence; what follows may be.
    Safe(usize),
}

/// Looks for the first stop sequence, the first listed among equals. An empty
/// one is none.
pub(crate) fn scan(text: &str, stops: &[String]) -> Scan {
    let stops = || stops.iter().enumerate().filter(|(_, stop)| !stop.is_empty());
    let found = stops().filter_map(|(which, stop)| Some((text.find(stop.as_str())?, which)));
    if let Some((at, which)) = found.min() {
        return Scan::Stop { at, which };
    }
    let mut ends = text.char_indices().map(|(at, _)| at);
    let held = ends.find(|at| stops().any(|(_, stop)| stop.starts_with(&text[*at..])));
    Scan::Safe(held.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(list: &[&str]) -> Vec<String> {
        list.iter().map(|stop| (*stop).to_owned()).collect()
    }

    #[test]
    fn beginnings_of_stop_sequences_are_held_back() {
        let stops = stops(&["</s>", "", "\n\nUser:", "ü!"]);
        for (text, expected) in [
            ("", Scan::Safe(0)),
            ("abc", Scan::Safe(3)),
            ("abc<", Scan::Safe(3)),
            ("abc</s", Scan::Safe(3)),
            ("a</x", Scan::Safe(4)),
            ("</</", Scan::Safe(2)),
            ("\n\n\nUse", Scan::Safe(1)),
            ("grü", Scan::Safe(2)),
            ("a</s>b", Scan::Stop { at: 1, which: 0 }),
            ("ü!</s>", Scan::Stop { at: 0, which: 3 }),
        ] {
            assert_eq!(scan(text, &stops), expected, "{text:?}");
        }
    }

    #[test]
    fn no_piece_shows_a_part_of_the_stop_sequence() {
        let stops = stops(&["STOP", "STUMP"]);
        let whole = "a STO ST STUM b STUMP c";
        for size in 1..8 {
            let (mut text, mut shown) = (String::new(), 0);
            for piece in whole.as_bytes().chunks(size) {
                text += std::str::from_utf8(piece).unwrap();
                match scan(&text[shown..], &stops) {
                    Scan::Safe(len) => shown += len,
                    Scan::Stop { at, which } => {
                        assert_eq!((&text[..shown + at], which), ("a STO ST STUM b ", 1));
                        break;
                    }
                }
                assert!("a STO ST STUM b ".starts_with(&text[..shown]), "pieces of {size}");
            }
        }
    }
}
