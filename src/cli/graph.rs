//! A flow as a picture: layers from the first state downwards, in SVG. Our own code: a few hundred lines, no library that draws
//! text needs to be there.
//!
//! Ways back are taken out of the cycles by a walk from the start, states are laid in layers by their longest way, long ways get
//! a place in each layer that they pass, and every layer is ordered so that ways cross little (barycentres, up and down).

use crate::agent::{FlowGraph, GraphState, Way, WayKind};
use std::collections::BTreeMap;
use std::fmt::Write;

const ROW: f64 = 118.0;
const BOX_HEIGHT: f64 = 50.0;
const GAP: f64 = 26.0;
const MARGIN: f64 = 30.0;
/// How often the layers are put in order.
const SWEEPS: usize = 24;

/// A place in a layer: a state, or where a long way passes.
struct Place {
    state: Option<usize>,
    width: f64,
    x: f64,
    layer: usize,
}

struct Layout {
    places: Vec<Place>,
    /// Places by layer, from left to right.
    layers: Vec<Vec<usize>>,
    /// For each way, the places that it passes from the upper to the lower one; none for a way to itself.
    routes: Vec<Vec<usize>>,
    /// Ways that lead upwards.
    up: Vec<bool>,
}

/// The width of a text in 12 px sans-serif, roughly: Chinese characters are twice as wide.
fn width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { 6.6 } else { 12.0 }).sum()
}

fn cut(text: &str, most: f64) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if width(&out) + 18.0 > most {
            break;
        }
        out.push(c);
    }
    out + "…"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Marks the ways that close a circle, on a walk from the first state.
fn upward(graph: &FlowGraph) -> Vec<bool> {
    let count = graph.states.len();
    let mut up = vec![false; graph.ways.len()];
    // 0: not seen, 1: on the way, 2: done.
    let mut colour = vec![0_u8; count];
    let mut starts: Vec<usize> = (0..count).collect();
    starts.sort_by_key(|at| !graph.states.get(*at).is_some_and(|state| state.first));
    for start in starts {
        let mut stack = vec![(start, 0_usize)];
        if colour.get(start) != Some(&0) {
            continue;
        }
        colour[start] = 1;
        while let Some((at, next)) = stack.pop() {
            let out: Vec<usize> = (0..graph.ways.len()).filter(|way| graph.ways[*way].from == at).collect();
            let Some(&way) = out.get(next) else {
                colour[at] = 2;
                continue;
            };
            stack.push((at, next + 1));
            let to = graph.ways[way].to;
            match colour.get(to) {
                Some(0) => {
                    colour[to] = 1;
                    stack.push((to, 0));
                }
                Some(1) => up[way] = true,
                _ => {}
            }
        }
    }
    up
}

impl Layout {
    fn of(graph: &FlowGraph) -> Self {
        let up = upward(graph);
        let down = |way: usize| {
            let Way { from, to, .. } = graph.ways[way];
            if up[way] { (to, from) } else { (from, to) }
        };
        let mut layer = vec![0_usize; graph.states.len()];
        for _ in 0..graph.states.len() {
            for way in 0..graph.ways.len() {
                let (above, below) = down(way);
                if above != below && layer[below] <= layer[above] {
                    layer[below] = layer[above] + 1;
                }
            }
        }
        let mut layout = Self { places: Vec::new(), layers: Vec::new(), routes: Vec::new(), up: up.clone() };
        for (at, state) in graph.states.iter().enumerate() {
            let wide = width(&state.name).max(width(state.kind)).max(width(&cut(&state.about, 190.0)) * 0.85) + 26.0;
            layout.put(Some(at), wide.clamp(110.0, 216.0), layer[at]);
        }
        for way in 0..graph.ways.len() {
            let (above, below) = down(way);
            let mut route = Vec::new();
            if above != below {
                route.push(above);
                for between in layer[above] + 1..layer[below] {
                    route.push(layout.put(None, 14.0, between));
                }
                route.push(below);
            }
            layout.routes.push(route);
        }
        layout.order();
        layout.place();
        layout
    }

    fn put(&mut self, state: Option<usize>, width: f64, layer: usize) -> usize {
        while self.layers.len() <= layer {
            self.layers.push(Vec::new());
        }
        let at = self.places.len();
        self.places.push(Place { state, width, x: 0.0, layer });
        self.layers[layer].push(at);
        at
    }

    /// The neighbours of each place in the layer above, and below.
    fn neighbours(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let (mut above, mut below) = (vec![Vec::new(); self.places.len()], vec![Vec::new(); self.places.len()]);
        for pair in self.routes.iter().flat_map(|route| route.windows(2)) {
            below[pair[0]].push(pair[1]);
            above[pair[1]].push(pair[0]);
        }
        (above, below)
    }

    fn order(&mut self) {
        let (above, below) = self.neighbours();
        for sweep in 0..SWEEPS {
            let mut rank = vec![0.0; self.places.len()];
            for layer in &self.layers {
                for (order, at) in layer.iter().enumerate() {
                    rank[*at] = order as f64;
                }
            }
            let downwards = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 0..count {
                let number = if downwards { step } else { count - 1 - step };
                let around = if downwards { &above } else { &below };
                let mut keyed: Vec<(f64, usize)> = self.layers[number]
                    .iter()
                    .map(|at| {
                        let near = &around[*at];
                        let mean = near.iter().map(|other| rank[*other]).sum::<f64>() / near.len().max(1) as f64;
                        (if near.is_empty() { rank[*at] } else { mean }, *at)
                    })
                    .collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                for (order, (_, at)) in keyed.iter().enumerate() {
                    rank[*at] = order as f64;
                }
                self.layers[number] = keyed.into_iter().map(|(_, at)| at).collect();
            }
        }
    }

    fn place(&mut self) {
        for layer in &self.layers {
            let mut x = 0.0;
            for at in layer {
                let place = &mut self.places[*at];
                place.x = x + place.width / 2.0;
                x += place.width + GAP;
            }
        }
        let (above, below) = self.neighbours();
        for sweep in 0..SWEEPS * 2 {
            let around = if sweep % 2 == 0 { &above } else { &below };
            for number in 0..self.layers.len() {
                let layer = self.layers[number].clone();
                let wished: Vec<f64> = layer
                    .iter()
                    .map(|at| {
                        let near = &around[*at];
                        if near.is_empty() {
                            return self.places[*at].x;
                        }
                        near.iter().map(|other| self.places[*other].x).sum::<f64>() / near.len() as f64
                    })
                    .collect();
                self.settle(&layer, &wished);
            }
        }
        let left = self.places.iter().map(|place| place.x - place.width / 2.0).fold(f64::MAX, f64::min);
        self.places.iter_mut().for_each(|place| place.x += MARGIN - left);
    }

    /// As near to the wished places as the order and the widths allow: from the left and from the right, and the mean of both.
    fn settle(&mut self, layer: &[usize], wished: &[f64]) {
        let half = |at: usize, this: &Self| this.places[at].width / 2.0;
        let mut from_left = vec![0.0; layer.len()];
        let mut edge = f64::MIN;
        for (order, at) in layer.iter().enumerate() {
            let x = wished[order].max(edge + half(*at, self));
            from_left[order] = x;
            edge = x + half(*at, self) + GAP;
        }
        let mut edge = f64::MAX;
        for (order, at) in layer.iter().enumerate().rev() {
            let x = wished[order].min(edge - half(*at, self));
            self.places[*at].x = (x + from_left[order]) / 2.0;
            edge = x - half(*at, self) - GAP;
        }
    }
}

fn y(layer: usize) -> f64 {
    64.0 + layer as f64 * ROW
}

fn colour(state: &GraphState) -> (&'static str, &'static str) {
    match state.kind {
        "disclosure" => ("#fff4d6", "#b58100"),
        "opening" => ("#e3f1ff", "#2b6cb0"),
        "discovery" => ("#e2f6f3", "#0f766e"),
        "pitch" => ("#e8e9ff", "#4647ae"),
        "offer" => ("#fde8f3", "#b0307a"),
        "close" => ("#e5f7e3", "#2f7d32"),
        "end" | "refusal" => ("#eeeeee", "#666666"),
        "callback" | "transfer" => ("#f4eadf", "#8a5a2b"),
        _ => ("#ffffff", "#555555"),
    }
}

/// The picture of a flow.
pub(super) fn svg(graph: &FlowGraph) -> String {
    let layout = Layout::of(graph);
    let right = layout.places.iter().map(|place| place.x + place.width / 2.0).fold(200.0, f64::max);
    let legend = right + 50.0;
    let lists = graph.anywhere.len().min(24) + graph.objections.len() + graph.offers.len();
    let height = y(layout.layers.len()).max(120.0 + 15.0 * lists as f64) + 20.0;
    let wide = legend + 300.0;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {height:.0}\" width=\"{wide:.0}\" height=\"{height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fcfcfa\"/>\n<defs>\
         <marker id=\"tip\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" orient=\"auto\"><path d=\"M0 0 L9 4 L0 8 z\" \
         fill=\"#777\"/></marker></defs>\n<text x=\"{MARGIN}\" y=\"30\" font-size=\"18\" font-weight=\"bold\">{}</text>",
        escape(&graph.name)
    );
    let mut labels = String::new();
    for (way, route) in layout.routes.iter().enumerate() {
        draw_way(&mut out, &mut labels, &layout, &graph.ways[way], route, layout.up[way]);
    }
    for place in &layout.places {
        if let Some(state) = place.state.and_then(|at| graph.states.get(at)) {
            draw_state(&mut out, place, state);
        }
    }
    out.push_str(&labels);
    draw_lists(&mut out, graph, legend);
    out.push_str("</svg>\n");
    out
}

fn draw_way(out: &mut String, labels: &mut String, layout: &Layout, way: &Way, route: &[usize], up: bool) {
    let (stroke, dash) = match way.kind {
        WayKind::Goto => ("#777", ""),
        WayKind::Call => ("#2b6cb0", " stroke-dasharray=\"6 3\""),
        WayKind::GivesUp => ("#c9a27a", " stroke-dasharray=\"2 3\""),
    };
    let mut points: Vec<(f64, f64)> = route
        .iter()
        .map(|at| &layout.places[*at])
        .map(|place| (place.x, y(place.layer) + if place.state.is_some() { 0.0 } else { BOX_HEIGHT / 2.0 }))
        .collect();
    let Some(last) = points.len().checked_sub(1) else { return };
    // Ways that share both ends would lie on each other.
    let shift = match (way.kind, up) {
        (WayKind::Goto, false) => 0.0,
        (WayKind::Call, _) => -14.0,
        (WayKind::GivesUp, _) => 14.0,
        (WayKind::Goto, true) => 26.0,
    };
    points[0] = (points[0].0 + shift, points[0].1 + BOX_HEIGHT);
    points[last].0 += shift;
    if up {
        points.reverse();
    }
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let bend = (y1 - y0) * 0.5;
        let _ = write!(path, " C{x0:.1} {:.1} {x1:.1} {:.1} {x1:.1} {y1:.1}", y0 + bend, y1 - bend);
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.3\"{dash} marker-end=\"url(#tip)\"><title>{}</title></path>",
        escape(&way.label)
    );
    if !way.label.is_empty() && way.kind != WayKind::GivesUp {
        let ((x0, y0), (x1, y1)) = (points[0], points[1]);
        // Nearer to where it begins: there the ways still lie apart from those of other states.
        let (x, y) = (x0 + (x1 - x0) * 0.42, y0 + (y1 - y0) * 0.46);
        let _ = writeln!(
            labels,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#333\" stroke=\"#fcfcfa\" stroke-width=\"3\" \
             paint-order=\"stroke\">{}</text>",
            escape(&way.label)
        );
    }
}

fn draw_state(out: &mut String, place: &Place, state: &GraphState) {
    let (fill, stroke) = colour(state);
    let (left, top) = (place.x - place.width / 2.0, y(place.layer));
    let weight = if state.selling { 2.0 } else { 1.2 };
    let name = if state.first { format!("▶ {}", state.name) } else { state.name.clone() };
    let ends = if state.ends.is_empty() { String::new() } else { format!(" ■ {}", state.ends.join(", ")) };
    let _ = writeln!(
        out,
        "<g><title>{}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BOX_HEIGHT}\" rx=\"7\" fill=\"{fill}\" \
         stroke=\"{stroke}\" stroke-width=\"{weight}\"/>\
         <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\
         <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{stroke}\">{}</text>\
         <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#555\">{}</text></g>",
        escape(&state.about),
        place.width,
        top + 17.0,
        escape(&cut(&name, place.width - 8.0)),
        top + 30.0,
        escape(&format!("{}{ends}", state.kind)),
        top + 43.0,
        escape(&cut(&state.about, place.width + 20.0)),
        x = place.x,
    );
}

/// What holds everywhere, beside the picture.
fn draw_lists(out: &mut String, graph: &FlowGraph, x: f64) {
    let mut top = 64.0;
    let mut list = |title: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{top:.0}\" font-weight=\"bold\">{}</text>", escape(title));
        for line in lines {
            top += 15.0;
            let text = escape(&cut(&line, 320.0));
            let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{top:.0}\" font-size=\"11\" fill=\"#444\">{text}</text>");
        }
        top += 26.0;
    };
    let more = graph.anywhere.len().saturating_sub(24);
    let mut anywhere: Vec<String> =
        graph.anywhere.iter().take(24).map(|(name, follows)| format!("{name} {follows}")).collect();
    if more > 0 {
        anywhere.push(format!("and {more} more"));
    }
    list("In every state", anywhere);
    let objections: BTreeMap<usize, Vec<&str>> =
        graph.objections.iter().fold(BTreeMap::new(), |mut all, (name, count)| {
            all.entry(*count).or_default().push(name);
            all
        });
    let objections = objections.iter().flat_map(|(count, names)| {
        names.iter().map(move |name| format!("{name}: {count} rebuttals")).collect::<Vec<_>>()
    });
    list("Objections, in bold-framed states", objections.collect());
    let offer = |(name, hours, then): &(String, u32, Option<String>)| {
        let then = then.as_ref().map(|state| format!(" → {state}")).unwrap_or_default();
        format!("{name}: {hours} hours{then}")
    };
    list("Offers, also made on buying signals", graph.offers.iter().map(offer).collect());
    list(
        "Ways",
        ["full: goes on", "blue, dashed: goes there and comes back", "brown, dotted: gives up"]
            .map(str::to_owned)
            .to_vec(),
    );
}
