//! Bar charts as SVG.

use super::Line;

const WIDTH: f64 = 760.0;
/// Where bars begin, right of their labels.
const LEFT: f64 = 220.0;
/// Room for the number right of the longest bar.
const RIGHT: f64 = 90.0;
const BAR: f64 = 18.0;
const GAP: f64 = 12.0;
const TOP: f64 = 56.0;
const COLORS: [&str; 3] = ["#2563eb", "#9ca3af", "#d97706"];

/// Bars side by side, a group for each label.
struct Chart<'a> {
    title: &'a str,
    series: &'a [&'a str],
    groups: Vec<(String, Vec<Option<f64>>)>,
}

/// Every chart of the report and its file's name.
pub(super) fn charts(lines: &[Line]) -> [(&'static str, String); 3] {
    let label = |l: &Line| format!("{} {}, {} thr.", l.speed.model, l.speed.test, l.speed.threads);
    let rates = |kind: &str| {
        let mine = lines.iter().filter(|l| l.speed.test.starts_with(kind));
        mine.map(|l| {
            let peer = l.speed.peer.map(|p| p.median);
            (label(l), vec![Some(l.speed.ours.median), peer, l.before])
        })
        .collect()
    };
    let shares = lines
        .iter()
        .filter_map(|l| Some((label(l), vec![Some(100.0 * l.share.as_ref()?.of_peak)])));
    let series = ["SmallMind", "llama.cpp", "before"];
    let (prefill, decode) = ("Prefill, tokens a second", "Decode, tokens a second");
    let peak = "Percent of the machine's peak (int8 in prefill, read bandwidth in decode)";
    [
        ("prefill.svg", Chart { title: prefill, series: &series, groups: rates("pp") }.svg()),
        ("decode.svg", Chart { title: decode, series: &series, groups: rates("tg") }.svg()),
        ("peak.svg", Chart { title: peak, series: &series[..1], groups: shares.collect() }.svg()),
    ]
}

impl Chart<'_> {
    fn svg(&self) -> String {
        let values = || self.groups.iter().flat_map(|(_, values)| values.iter().flatten());
        let most = values().copied().fold(f64::MIN_POSITIVE, f64::max);
        let height = TOP + BAR * values().count() as f64 + GAP * self.groups.len() as f64;
        let mut body = text(GAP, 22.0, "start", "bold ", self.title);
        self.legend(&mut body);
        let mut y = TOP;
        for (label, values) in &self.groups {
            let bars = values.iter().flatten().count() as f64;
            body += &text(LEFT - 8.0, y + (bars * BAR) / 2.0 + 4.0, "end", "", label);
            for (value, color) in values.iter().zip(COLORS) {
                let Some(value) = value else { continue };
                let length = value / most * (WIDTH - LEFT - RIGHT);
                body += &rect(LEFT, y, length, BAR - 2.0, color);
                body += &text(LEFT + length + 6.0, y + 13.0, "start", "", &format!("{value:.1}"));
                y += BAR;
            }
            y += GAP;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
        )
    }

    /// Names the series that have bars, where there are several.
    fn legend(&self, body: &mut String) {
        let shown =
            |i: usize| self.groups.iter().any(|(_, v)| v.get(i).is_some_and(Option::is_some));
        let names = self.series.iter().zip(COLORS).enumerate().filter(|(i, _)| shown(*i));
        for (place, (_, (name, color))) in names.enumerate() {
            let x = LEFT + 110.0 * place as f64;
            *body += &rect(x, 34.0, 12.0, 12.0, color);
            *body += &text(x + 18.0, 44.0, "start", "", name);
        }
    }
}

fn rect(x: f64, y: f64, width: f64, height: f64, color: &str) -> String {
    format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{color}\"/>\n"
    )
}

fn text(x: f64, y: f64, anchor: &str, weight: &str, text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let font = format!("{weight}12px sans-serif");
    format!(
        "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\" style=\"font:{font}\">{escaped}</text>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::Chart;

    #[test]
    fn the_longest_bar_fills_the_chart_and_missing_ones_take_no_room() {
        let groups = vec![
            ("a<b".to_owned(), vec![Some(50.0), None]),
            ("c".to_owned(), vec![Some(100.0), Some(25.0)]),
        ];
        let svg = Chart { title: "t", series: &["ours", "peer"], groups }.svg();
        let bars: Vec<_> = svg.lines().filter(|l| l.contains("height=\"16\"")).collect();
        assert_eq!(bars.len(), 3);
        for (bar, width) in bars.iter().zip(["225.0", "450.0", "112.5"]) {
            assert!(bar.contains(&format!("width=\"{width}\"")), "{bar}");
        }
        assert!(svg.contains("a&lt;b") && svg.contains("peer"));
    }
}
