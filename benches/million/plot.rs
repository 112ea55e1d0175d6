//! An SVG plot of seconds by items, both on logarithmic scales.

use std::fmt::Write as _;

use wafsync::text::number::grouped;

/// A line of the plot.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) color: &'static str,
    /// Pairs of items and seconds.
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 56.0;

pub(crate) fn svg(lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| line.points.iter().copied());
    let ends = |values: Vec<f64>| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        (least.log10().floor(), most.log10().ceil())
    };
    let (left, right) = ends(all().map(|(items, _)| items).collect());
    let (bottom, top) = ends(all().map(|(_, seconds)| seconds).collect());
    let x = |items: f64| MARGIN + (items.log10() - left) / (right - left) * (WIDTH - 2.0 * MARGIN);
    let y = |seconds: f64| HEIGHT - MARGIN - (seconds.log10() - bottom) / (top - bottom) * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let mut grid = |from: (f64, f64), to: (f64, f64), label: String, at: (f64, f64), anchor: &str| {
        let ((x1, y1), (x2, y2), (x, y)) = (from, to, at);
        let _ = writeln!(svg, "<path d=\"M{x1:.0} {y1:.0}L{x2:.0} {y2:.0}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{label}</text>");
    };
    let mut decade = left;
    while decade <= right {
        let at = x(10_f64.powf(decade));
        let items: u64 = 10_f64.powf(decade).to_string().parse().unwrap();
        grid((at, MARGIN), (at, HEIGHT - MARGIN), grouped(items), (at, HEIGHT - MARGIN + 18.0), "middle");
        decade += 1.0;
    }
    let mut decade = bottom;
    while decade <= top {
        let at = y(10_f64.powf(decade));
        let label = format!("{} s", 10_f64.powf(decade));
        grid((MARGIN, at), (WIDTH - MARGIN, at), label, (MARGIN - 6.0, at + 4.0), "end");
        decade += 1.0;
    }
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">items</text>", WIDTH / 2.0, HEIGHT - 12.0);
    for (place, line) in (0_u8..).zip(lines) {
        let path: Vec<String> =
            line.points.iter().map(|(items, seconds)| format!("{:.1} {:.1}", x(*items), y(*seconds))).collect();
        let (color, name) = (line.color, line.name);
        let _ = writeln!(svg, "<path d=\"M{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>", path.join("L"));
        for (items, seconds) in &line.points {
            let _ =
                writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{color}\"/>", x(*items), y(*seconds));
        }
        let at = 20.0 + 16.0 * f64::from(place);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{at}\" fill=\"{color}\">{name}</text>", MARGIN + 12.0);
    }
    svg + "</svg>\n"
}
