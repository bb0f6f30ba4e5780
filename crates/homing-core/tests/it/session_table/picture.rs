//! The state picture: the walked transitions as an SVG, one panel for each machine.
//!
//! Mid tones on no background, so that it reads on light and dark pages. A line's colour says who
//! brings the change about; its title says by what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Edges, Machine};

pub(super) fn draw(machines: &BTreeMap<Machine, Edges>) -> String {
    let mut svg = String::new();
    let (width, height) = (1_080, 900);
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>The client's states: session, link and sync</title>\n\
         <style>.s{{fill:#8882;stroke:#888;stroke-width:1.5}}.t{{fill:#808080;text-anchor:middle}}\
         .h{{fill:#808080;font-size:17px;font-weight:600}}.e{{fill:none;stroke-width:1.4}}</style>\n<defs>"
    )
    .unwrap();
    for (name, colour) in COLOURS {
        writeln!(
            svg,
            "<marker id=\"{name}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"{colour}\"/></marker>"
        )
        .unwrap();
    }
    svg.push_str("</defs>\n");
    for (panel, machine) in PANELS.iter().zip([Machine::Session, Machine::Link, Machine::Sync]) {
        panel.draw(&machines[&machine], &mut svg);
    }
    for (row, (name, colour)) in COLOURS.iter().enumerate() {
        let y = 830 + 20 * (row as i32 % 2);
        let x = 40 + 300 * (row as i32 / 2);
        writeln!(
            svg,
            "<path class=\"e\" stroke=\"{colour}\" marker-end=\"url(#{name})\" d=\"M{x} {y}h40\"/>\
             <text class=\"t\" style=\"text-anchor:start\" x=\"{}\" y=\"{}\">{}</text>",
            x + 50,
            y + 4,
            meaning(name)
        )
        .unwrap();
    }
    svg.push_str("</svg>\n");
    svg
}

struct Panel {
    title: &'static str,
    at: (i32, i32),
    /// Where each state stands; the picture's own order, made by hand so that few lines cross.
    states: &'static [(&'static str, i32, i32)],
}

impl Panel {
    fn draw(&self, edges: &Edges, svg: &mut String) {
        let (x, y) = self.at;
        writeln!(svg, "<g transform=\"translate({x} {y})\">").unwrap();
        writeln!(svg, "<text class=\"h\" x=\"0\" y=\"18\">{}</text>", self.title).unwrap();
        for ((from, to), by) in merged(edges) {
            let place = |name: &str| {
                let state = self.states.iter().find(|state| state.0 == name);
                let state = state.unwrap_or_else(|| panic!("{name} has no place in the picture"));
                (state.1, state.2)
            };
            line(place(&from), place(&to), &format!("{from} → {to}"), &by, svg);
        }
        for (name, x, y) in self.states {
            writeln!(
                svg,
                "<rect class=\"s\" x=\"{}\" y=\"{}\" width=\"{WIDE}\" height=\"{HIGH}\" rx=\"9\"/>\
                 <text class=\"t\" x=\"{x}\" y=\"{}\">{name}</text>",
                x - WIDE / 2,
                y - HIGH / 2,
                y + 5
            )
            .unwrap();
        }
        svg.push_str("</g>\n");
    }
}

/// The reasons for being signed out are one state here.
fn merged(edges: &Edges) -> Edges {
    let plain = |name: &str| {
        if name.starts_with("SignedOut") { "SignedOut".to_owned() } else { name.to_owned() }
    };
    let mut merged = Edges::new();
    for ((from, to), by) in edges {
        let pair = (plain(from), plain(to));
        if pair.0 != pair.1 {
            merged.entry(pair).or_default().extend(by);
        }
    }
    merged
}

/// One line for each kind of cause, bent to its right so that the way back is another line.
fn line(from: (i32, i32), to: (i32, i32), what: &str, by: &BTreeSet<&str>, svg: &mut String) {
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for cause in by {
        kinds.entry(kind(cause)).or_default().push(cause);
    }
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = dx.hypot(dy);
    let (nx, ny) = (-dy / length, dx / length);
    for (place, (kind, causes)) in kinds.iter().enumerate() {
        let bend = 16.0 + 13.0 * place as f64;
        let (cx, cy) = (
            f64::from(from.0 + to.0) / 2.0 + nx * 2.0 * bend,
            f64::from(from.1 + to.1) / 2.0 + ny * 2.0 * bend,
        );
        let (start, end) = (edge(from, (cx, cy)), edge(to, (cx, cy)));
        let colour = COLOURS.iter().find(|known| known.0 == *kind).map_or("#888", |known| known.1);
        writeln!(
            svg,
            "<path class=\"e\" stroke=\"{colour}\" marker-end=\"url(#{kind})\" \
             d=\"M{:.0} {:.0}Q{cx:.0} {cy:.0} {:.0} {:.0}\"><title>{what}: {}</title></path>",
            start.0,
            start.1,
            end.0,
            end.1,
            causes.join(", ").replace('`', "")
        )
        .unwrap();
    }
}

/// Where a line towards that point leaves the box of a state.
fn edge(state: (i32, i32), towards: (f64, f64)) -> (f64, f64) {
    let (x, y) = (f64::from(state.0), f64::from(state.1));
    let (dx, dy) = (towards.0 - x, towards.1 - y);
    let scale = (f64::from(WIDE) / 2.0 / dx.abs()).min(f64::from(HIGH) / 2.0 / dy.abs());
    (x + dx * scale, y + dy * scale)
}

fn kind(cause: &str) -> &'static str {
    if cause.starts_with("call") || cause == "new process" {
        "call"
    } else if cause.starts_with("network") || cause.starts_with("connection") {
        "network"
    } else if cause == "time" || cause.starts_with("disk") {
        "time"
    } else {
        "server"
    }
}

fn meaning(kind: &str) -> &'static str {
    match kind {
        "call" => "the app: a call, or a new process",
        "server" => "an answer or verdict of the server",
        "network" => "the network or the connection",
        _ => "time",
    }
}

const COLOURS: [(&str, &str); 4] =
    [("call", "#5b8def"), ("server", "#d9822b"), ("network", "#3fa66b"), ("time", "#a06cd5")];

const WIDE: i32 = 150;
const HIGH: i32 = 36;

const PANELS: [Panel; 3] = [
    Panel {
        title: "Session",
        at: (20, 10),
        states: &[
            ("SignedOut", 90, 170),
            ("SigningIn", 430, 70),
            ("SignedIn · Local", 430, 290),
            ("SignedIn · Verified", 800, 170),
        ],
    },
    Panel {
        title: "Link",
        at: (20, 360),
        states: &[
            ("Idle", 90, 210),
            ("Waiting", 330, 60),
            ("NoNetwork", 330, 360),
            ("Paused", 90, 400),
            ("Connecting", 590, 60),
            ("Handshaking", 590, 230),
            ("Connected", 590, 400),
        ],
    },
    Panel {
        title: "Sync",
        at: (720, 360),
        states: &[
            ("Idle", 80, 90),
            ("CatchingUp", 270, 90),
            ("Live", 80, 380),
            ("Stalled", 270, 380),
        ],
    },
];
