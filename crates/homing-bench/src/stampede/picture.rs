//! Arrivals per second against the rate that was told, as an SVG for the documents.

use std::fmt::Write as _;

/// One cut.
pub(super) struct Panel {
    pub(super) name: &'static str,
    /// In milliseconds after the cut.
    pub(super) arrivals: Vec<u64>,
    pub(super) told_per_s: f64,
    pub(super) all_back_s: f64,
    /// How long the server was away.
    pub(super) away_ms: u64,
}

/// All panels, one below the other, on the same scale.
pub(super) fn draw(clients: u32, panels: &[Panel]) -> String {
    let height = 40.0 + PANEL * panels.len() as f64 + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" role=\"img\">\n\
         <title>Arrivals per second after {clients} clients lost their server</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\" fill=\"#1b1f24\">{clients} clients lose their \
         server at once: connections begun per second</text>\n"
    );
    let span_s = panels.iter().map(|panel| panel.all_back_s).fold(1.0, f64::max).ceil();
    for (number, panel) in panels.iter().enumerate() {
        one(&mut svg, panel, 40.0 + PANEL * number as f64, span_s);
    }
    svg.push_str("</svg>\n");
    svg
}

fn one(svg: &mut String, panel: &Panel, top: f64, span_s: f64) {
    let bars = bars(&panel.arrivals);
    let most = bars.iter().copied().fold(panel.told_per_s * 1.2, f64::max) * 1.1;
    let (base, room) = (top + PANEL - 40.0, PANEL - 70.0);
    let x = |s: f64| LEFT + s / span_s * (WIDTH - LEFT - 20.0);
    let y = |per_s: f64| base - per_s / most * room;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\" fill=\"#1b1f24\">{}; all back after {:.1} s</text>",
        top + 14.0,
        panel.name,
        panel.all_back_s
    );
    if panel.away_ms > 50 {
        let width = x(panel.away_ms as f64 / 1e3) - LEFT;
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{room:.1}\" \
             fill=\"#f3d9d6\"/>",
            base - room
        );
    }
    for (number, per_s) in bars.iter().enumerate() {
        let from = x(number as f64 * BAR_MS as f64 / 1e3);
        let to = x((number + 1) as f64 * BAR_MS as f64 / 1e3);
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#3b7dd8\"/>",
            y(*per_s),
            (to - from - 1.0).max(0.5),
            base - y(*per_s)
        );
    }
    for (per_s, colour, name) in
        [(panel.told_per_s, "#1b1f24", "told"), (panel.told_per_s * 1.2, "#b3261e", "1.2 × told")]
    {
        let at = y(per_s);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"{colour}\" \
             stroke-dasharray=\"5 3\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{per_s:.0}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>",
            WIDTH - 20.0,
            LEFT - 6.0,
            at + 4.0,
            WIDTH - 22.0,
            at - 4.0
        );
    }
    for second in 0..=span_s as u32 {
        let at = x(f64::from(second));
        let _ = writeln!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#57606a\">{second} s\
             </text>",
            base + 16.0
        );
    }
}

/// Arrivals per second in each span of a bar.
fn bars(arrivals: &[u64]) -> Vec<f64> {
    let last = arrivals.iter().max().copied().unwrap_or(0);
    let mut bars = vec![0.0; (last / BAR_MS + 1) as usize];
    for at in arrivals {
        bars[(at / BAR_MS) as usize] += 1e3 / BAR_MS as f64;
    }
    bars
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 56.0;
const PANEL: f64 = 190.0;
/// A bar's span.
const BAR_MS: u64 = 250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_arrivals_would_be_in_a_second() {
        assert_eq!(bars(&[0, 10, 249, 250, 900]), [12.0, 4.0, 0.0, 4.0]);
    }

    #[test]
    fn the_picture_is_one_document_with_a_panel_for_each_cut() {
        let panel = || Panel {
            name: "a test",
            arrivals: vec![100, 200],
            told_per_s: 2.0,
            all_back_s: 0.3,
            away_ms: 100,
        };
        let svg = draw(2, &[panel(), panel()]);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("a test").count(), 2);
    }
}
