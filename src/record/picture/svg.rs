//! The little of SVG that the picture needs.

use std::fmt::Write as _;

/// What a character takes of the font's size, roughly: fonts differ, so everything that depends on it has slack.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | ' ' | '.' | ',' | '\'' | ':' | ';' | '|' | 'I' => 0.34,
        'm' | 'w' | 'M' | 'W' => 0.86,
        'A'..='Z' | '0'..='9' => 0.64,
        // Ideographs, kana, hangul, full-width forms.
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{ff00}'..='\u{ff60}' => 1.0,
        _ => 0.56,
    }
}

/// The width of a text at a font size, estimated.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// The text, or as much of it as fits into `room` with a mark that there was more. Empty when not even that fits.
pub(super) fn elide(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut used = width("…", size);
    let mut out = String::new();
    for c in text.chars() {
        used += advance(c) * size;
        if used > room {
            break;
        }
        out.push(c);
    }
    let out = out.trim_end();
    if out.is_empty() { String::new() } else { format!("{out}…") }
}

/// Text fit for XML: markup escaped, control characters left out.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Control characters, and the two that XML does not know.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// A drawing that grows. Coordinates are written with one decimal; writing to a string cannot fail.
#[derive(Debug, Default)]
pub(super) struct Svg {
    body: String,
}

impl Svg {
    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(self.body, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
    }

    /// A rectangle, with what a reader who points at it is told.
    pub(super) fn bar(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), tip: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}" rx="2"><title>{}</title></rect>"#,
            width.max(1.0),
            escape(tip),
        );
    }

    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), tip: &str) {
        let tip = escape(tip);
        let _ = writeln!(
            self.body,
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.2"><title>{tip}</title></circle>"#
        );
    }

    pub(super) fn path(&mut self, class: &str, d: &str) {
        if !d.is_empty() {
            let _ = writeln!(self.body, r#"<path class="{class}" d="{d}"/>"#);
        }
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        if !text.is_empty() {
            let text = escape(text);
            let _ = writeln!(self.body, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#);
        }
    }

    /// The whole file.
    pub(super) fn finish(self, (width, height): (f64, f64), title: &str, style: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n<style>{style}</style>\n<rect class=\"page\" \
             width=\"{width:.0}\" height=\"{height:.0}\"/>\n{}</svg>\n",
            escape(title),
            self.body,
        )
    }
}

/// Lines of text beside each other: a label goes where it touches no other.
#[derive(Debug)]
pub(super) struct Lines {
    ends: Vec<f64>,
}

impl Lines {
    pub(super) fn new(count: usize) -> Self {
        Self { ends: vec![f64::MIN; count] }
    }

    /// The first line on which `width` is free from `x` on; none when all are taken.
    pub(super) fn place(&mut self, x: f64, width: f64) -> Option<usize> {
        let line = self.ends.iter().position(|end| *end <= x)?;
        if let Some(end) = self.ends.get_mut(line) {
            *end = x + width + 5.0;
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_with_a_mark() {
        assert_eq!(elide("short", 10.0, 100.0), "short");
        let cut = elide("a much longer text than that", 10.0, 60.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 60.0, "{cut}");
        assert_eq!(elide("wide", 10.0, 3.0), "");
        assert!(width("你好", 10.0) > width("ab", 10.0));
    }

    #[test]
    fn markup_and_control_characters_do_no_harm() {
        assert_eq!(escape("<a href=\"x\">&\u{0}\u{1b}[0m"), "&lt;a href=&quot;x&quot;&gt;&amp;[0m");
    }

    #[test]
    fn labels_that_would_touch_go_to_another_line() {
        let mut lines = Lines::new(2);
        assert_eq!([lines.place(0.0, 50.0), lines.place(10.0, 50.0), lines.place(20.0, 5.0)], [Some(0), Some(1), None]);
        assert_eq!(lines.place(56.0, 5.0), Some(0));
    }
}
