//! What `bench` and `report` are asked for.

use crate::peer::Peer;
use crate::speed::Effort;

/// What a baseline is called where no name is given.
const BASELINE: &str = "baseline";

/// Arguments, read.
pub(crate) struct Options<'a> {
    /// llama.cpp, to be measured in turn.
    pub(crate) peer: Option<Peer>,
    pub(crate) baseline: Option<&'a str>,
    pub(crate) effort: Effort,
    /// All that are not ours.
    pub(crate) others: Vec<&'a str>,
}

impl<'a> Options<'a> {
    pub(crate) fn parse(args: &[&'a str]) -> Result<Self, String> {
        let effort = Effort { rounds: 3, repetitions: 5 };
        let mut options = Self { peer: None, baseline: None, effort, others: Vec::new() };
        let mut args = args.iter().copied().peekable();
        while let Some(arg) = args.next() {
            match arg {
                "--peer" => options.peer = Some(Peer::new(args.next_if(is_value))?),
                "--baseline" => {
                    options.baseline = Some(args.next_if(is_value).unwrap_or(BASELINE));
                }
                "--rounds" => options.effort.rounds = count(arg, args.next())?,
                "-r" => options.effort.repetitions = count(arg, args.next())?,
                _ => options.others.push(arg),
            }
        }
        Ok(options)
    }
}

fn is_value(arg: &&str) -> bool {
    !arg.starts_with('-')
}

fn count(name: &str, value: Option<&str>) -> Result<usize, String> {
    let value = value.unwrap_or_default();
    let number = value.parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| format!("{name} takes a number above 0, not '{value}'"))
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn values_may_be_left_out_where_names_have_defaults() {
        let o = Options::parse(&["--baseline", "-r", "2", "gemm", "--quick"]).unwrap();
        assert_eq!((o.baseline, o.effort.repetitions), (Some("baseline"), 2));
        assert_eq!(o.others, ["gemm", "--quick"]);
        let o = Options::parse(&["--peer", "python", "--baseline", "old"]).unwrap();
        assert!(o.peer.is_some() && o.baseline == Some("old") && o.others.is_empty());
        for wrong in [&["-r"][..], &["--rounds", "0"], &["-r", "many"]] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
