//! The timeline picture of a call: both voices, what was heard of the caller and when, when the end of the turn was decided and
//! what was already under way by then, the first packet of the answer. A pure function from the record to SVG.
//!
//! Time runs from left to right and goes on in the next row. A row, from top to bottom: the caller's voice; the recogniser's
//! words at the time at which they were known; what the agent made of it; the response gap; the agent's voice and words.

mod sound;
mod story;
mod svg;

use super::waves::{WAVE_STEP_MS, Waves};
use super::{CallRecord, Speaker, TurnRecord};
use story::{Kind, Story, Stretch, story};
use svg::{Lines, Svg, elide, width};

/// Width of the picture, and of what stands left of the time axis and right of it.
const WIDTH: f64 = 1440.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 24.0;
/// Height of the part above the rows, and of a row.
const HEAD: f64 = 92.0;
const ROW: f64 = 270.0;
/// Height of a row in which the agent is alone.
const ALONE: f64 = 92.0;
/// Seconds in a row: the first with which there are at most [`MOST_ROWS`].
const SPANS_S: [f64; 8] = [5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0];
const MOST_ROWS: f64 = 40.0;
/// Where things stand in a row.
const AXIS: f64 = 12.0;
const CALLER: f64 = 44.0;
const WAVE: f64 = 22.0;
const SPEECH: f64 = 69.0;
const PARTIALS: f64 = 86.0;
const FINAL: f64 = 114.0;
const THOUGHT: f64 = 128.0;
const LABELS: f64 = 144.0;
const LABEL_LINES: usize = 4;
const GAP: f64 = 204.0;
const AGENT: f64 = 232.0;
/// Below the middle of its voice.
const AGENT_TEXT: f64 = 34.0;
const AGENT_ALONE: f64 = 44.0;
/// Font sizes.
const SMALL: f64 = 9.5;
const WORDS: f64 = 11.0;
/// A peak of the caller up to here is the room, of 256.
const QUIET: u8 = 6;
/// A bar of a voice is this wide.
const BIN: f64 = 2.5;

const STYLE: &str = "text{font-family:Inter,'Helvetica Neue',Arial,'Noto Sans','Noto Sans CJK SC','DejaVu Sans',sans-serif;\
     fill:#334155}.page{fill:#fff}.title{font-size:16px;font-weight:600;fill:#0f172a}.sub{font-size:12px}\
     .tick{font-size:9.5px;fill:#94a3b8}.grid{stroke:#eef2f7}.grid1{stroke:#dbe2ea}.rule{stroke:#cbd5e1}\
     .side{font-size:11px;text-anchor:end;font-weight:600}.caller,.said{fill:#2563eb}.agent{fill:#c2570c}\
     .wc{stroke:#2563eb;stroke-width:1.8;fill:none}.wa{stroke:#ea7317;stroke-width:1.8;fill:none}\
     .zc{stroke:#bfd3fb}.za{stroke:#f7d3b5}.speech{fill:#2563eb}.pause{fill:#dbe7fe}.wait{fill:#a8b3c4}\
     .kept{fill:#16a34a}.drop{fill:#f3b4b4}.duck{fill:#fbbf24;fill-opacity:.45}.hush{fill:#b45309;fill-opacity:.35}\
     .word{font-size:11px;fill:#64748b}.said{font-size:11px;font-weight:600}.line{font-size:11px;fill:#9a3f07}\
     .stem{stroke:#cbd5e1;stroke-width:.8}.mark{font-size:9.5px}.mark,.word,.said{paint-order:stroke;stroke:#fff;stroke-width:2.5px}.gap{stroke:#0f172a;stroke-width:1.3;fill:none}\
     .ms{font-size:12px;font-weight:700;fill:#0f172a;text-anchor:middle}.key{font-size:11px}\
     .flush,.final{fill:#64748b}.begun,.ready{fill:#16a34a}.dropped,.stopped{fill:#dc2626}.decided{fill:#0f172a}\
     .packet{fill:#ea7317}.ducked{fill:#d99a06}.hushed{fill:#b45309}.filler,.switch{fill:#9333ea}";

/// The time axis, folded into rows.
#[derive(Clone, Debug)]
struct Axis {
    span_ms: f64,
    total_ms: f64,
    /// Where each row begins, and whether the agent is alone in it.
    rows: Vec<(f64, bool)>,
    bottom: f64,
    /// Height of the strip between the caller's voice and what was made of it, in rows in which there is a caller.
    strip: f64,
}

impl Axis {
    fn of(total_ms: f64) -> Self {
        let fits = |span: &&f64| total_ms / (*span * 1000.0) <= MOST_ROWS;
        let span = SPANS_S.iter().find(fits).or(SPANS_S.last()).copied().unwrap_or(900.0);
        Self { span_ms: span * 1000.0, total_ms, rows: Vec::new(), bottom: HEAD, strip: 0.0 }
    }

    /// Gives the rows their heights.
    fn set(&mut self, alone: impl Fn(usize) -> bool) {
        for row in 0..self.rows() {
            let alone = alone(row);
            let strip = if alone { 0.0 } else { self.strip };
            self.rows.push((self.bottom + strip, alone));
            self.bottom += strip + if alone { ALONE } else { ROW };
        }
    }

    /// What everything below the caller's voice is measured from.
    fn top(&self, row: usize) -> f64 {
        self.rows.get(row).map_or(self.bottom, |row| row.0)
    }

    /// Where the row begins: what the caller's voice is measured from.
    fn crest(&self, row: usize) -> f64 {
        self.top(row) - if self.is_alone(row) { 0.0 } else { self.strip }
    }

    fn is_alone(&self, row: usize) -> bool {
        self.rows.get(row).is_none_or(|row| row.1)
    }

    /// The middle of the agent's voice in a row.
    fn agent(&self, row: usize) -> f64 {
        self.rows.get(row).map_or(AGENT, |row| if row.1 { AGENT_ALONE } else { AGENT })
    }

    fn rows(&self) -> usize {
        (self.total_ms / self.span_ms).ceil().clamp(1.0, MOST_ROWS) as usize
    }

    fn px(&self, ms: f64) -> f64 {
        ms / self.span_ms * (WIDTH - LEFT - RIGHT)
    }

    /// The row of a time and where in it.
    fn place(&self, ms: f64) -> (usize, f64) {
        let row = ((ms / self.span_ms).max(0.0) as usize).min(self.rows() - 1);
        (row, LEFT + self.px(ms - row as f64 * self.span_ms))
    }

    /// The pieces of a stretch: row, from and to in pixels.
    fn pieces(&self, from_ms: f64, to_ms: f64) -> impl Iterator<Item = (usize, f64, f64)> + '_ {
        let (first, last) = (self.place(from_ms).0, self.place(to_ms).0);
        (first..=last).map(move |row| {
            let start = row as f64 * self.span_ms;
            let x = |ms: f64| LEFT + self.px((ms - start).clamp(0.0, self.span_ms));
            (row, x(from_ms), x(to_ms))
        })
    }
}

/// The picture of a call, as an SVG file. `waves` may be empty: then there are the turns alone.
pub fn picture(record: &CallRecord, waves: &Waves) -> String {
    let ms = |turn: &TurnRecord| turn.ended.ms() as f64;
    let recorded = (waves.caller.len().max(waves.agent.len()) as u64 * WAVE_STEP_MS) as f64;
    let total = record.turns.iter().map(ms).fold(recorded.max(record.duration_ms as f64), f64::max).max(1000.0);
    let mut axis = Axis::of(total);
    axis.strip = if sound::is_known(record) { sound::STRIP } else { 0.0 };
    let story = story(record);
    let busy = busy(&axis, record, &story, waves);
    axis.set(|row| !busy.get(row).copied().unwrap_or(true));
    let axis = axis;
    let mut svg = Svg::default();
    head(&mut svg, record, &story);
    let mut rows: Vec<Row> = (0..axis.rows()).map(|row| Row::new(&axis, row)).collect();
    for row in &rows {
        ground(&mut svg, &axis, row);
    }
    voice(&mut svg, &axis, Speaker::Caller, &waves.caller);
    voice(&mut svg, &axis, Speaker::Agent, &waves.agent);
    sound::draw(&mut svg, &axis, record, waves);
    for stretch in &story.stretches {
        bar(&mut svg, &axis, stretch);
    }
    for turn in &record.turns {
        spoken(&mut svg, &axis, turn, recorded == 0.0);
    }
    words(&mut svg, &axis, &story, &mut rows);
    moments(&mut svg, &axis, &story, &mut rows);
    let title = format!("The call {} in time", record.id);
    svg.finish((WIDTH, axis.bottom + 16.0), &title, &format!("{STYLE}{}", sound::STYLE))
}

/// What is taken in a row.
#[derive(Debug)]
struct Row {
    top: f64,
    number: usize,
    partials: Lines,
    labels: Lines,
}

impl Row {
    fn new(axis: &Axis, number: usize) -> Self {
        Self { top: axis.top(number), number, partials: Lines::new(2), labels: Lines::new(LABEL_LINES) }
    }
}

/// The rows in which anything happens besides the agent's speaking.
fn busy(axis: &Axis, record: &CallRecord, story: &Story, waves: &Waves) -> Vec<bool> {
    let mut busy = vec![false; axis.rows()];
    let mut mark = |from_ms: f64, to_ms: f64| {
        for row in axis.place(from_ms).0..=axis.place(to_ms).0 {
            if let Some(busy) = busy.get_mut(row) {
                *busy = true;
            }
        }
    };
    // A long pause is a thin line that is not missed.
    story.stretches.iter().filter(|s| s.kind != Kind::Pause).for_each(|s| mark(s.from_ms, s.to_ms));
    story.words.iter().for_each(|words| mark(words.at_ms, words.at_ms));
    let spoken = |moment: &&story::Moment| moment.class != "packet" && moment.class != "ready";
    story.moments.iter().filter(spoken).for_each(|moment| mark(moment.at_ms, moment.at_ms));
    let callers = record.turns.iter().filter(|turn| turn.speaker == Speaker::Caller);
    callers.for_each(|turn| mark(turn.began.ms() as f64, turn.ended.ms() as f64));
    for (step, peak) in waves.caller.iter().enumerate() {
        if *peak > QUIET {
            let at = step as f64 * WAVE_STEP_MS as f64;
            mark(at, at);
        }
    }
    busy
}

/// The nearest-rank percentile, in words.
fn rank(sorted: &[f64], p: f64) -> String {
    let at = (p / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize - 1;
    sorted.get(at).map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms"))
}

fn head(svg: &mut Svg, record: &CallRecord, story: &Story) {
    let codec = if record.media.codec.is_empty() { String::new() } else { format!(" · {}", record.media.codec) };
    let title = format!("{} · flow {}{codec} · {:.1} s", record.id, record.flow, record.duration_ms as f64 / 1000.0);
    svg.text("title", (LEFT, 26.0), &title);
    let is_gap = |stretch: &&Stretch| stretch.kind == Kind::Gap;
    let mut gaps: Vec<f64> = story.stretches.iter().filter(is_gap).map(|gap| gap.to_ms - gap.from_ms).collect();
    gaps.sort_by(f64::total_cmp);
    let count = |kind: Kind| story.stretches.iter().filter(|stretch| stretch.kind == kind).count();
    let left_out = match record.timeline.left_out {
        0 => String::new(),
        n => format!(" · {n} stages left out"),
    };
    let held = match (count(Kind::Kept), count(Kind::Dropped)) {
        (0, 0) => String::new(),
        (kept, dropped) => format!(" · answers begun early: {kept} said, {dropped} thrown away"),
    };
    let sub = format!(
        "{} answers, from the last sample of the caller to the first packet of the agent, as the server saw it: \
         median {}, 95th percentile {}, longest {}{held}{left_out}",
        gaps.len(),
        rank(&gaps, 50.0),
        rank(&gaps, 95.0),
        rank(&gaps, 100.0),
    );
    svg.text("sub", (LEFT, 46.0), &sub);
    let mut x = LEFT;
    for (class, label) in [
        ("speech", "speech heard"),
        ("pause", "pause, the caller went on"),
        ("wait", "silence waited for"),
        ("kept", "answer held ready, then said"),
        ("drop", "held ready, thrown away"),
        ("duck", "agent turned down"),
        ("hush", "paused"),
    ] {
        svg.bar(class, (x, 62.0), (16.0, 8.0), label);
        svg.text("key", (x + 22.0, 70.0), label);
        x += 22.0 + width(label, WORDS) + 22.0;
    }
    svg.path("gap", &format!("M{x:.1} 70v-5h30v5"));
    svg.text("key", (x + 37.0, 70.0), "response gap");
}

/// Grid, axis and names of a row.
fn ground(svg: &mut Svg, axis: &Axis, row: &Row) {
    let (top, right, agent) = (row.top, WIDTH - RIGHT, axis.agent(row.number));
    let alone = agent < AGENT;
    let crest = axis.crest(row.number);
    let height = if alone { ALONE } else { ROW + axis.strip };
    svg.line("rule", (LEFT, crest), (right, crest));
    let step_ms = axis.span_ms / 10.0;
    for n in 0..=10u32 {
        let x = LEFT + axis.px(f64::from(n) * step_ms);
        svg.line(if n % 2 == 0 { "grid1" } else { "grid" }, (x, crest), (x, crest + height - 4.0));
        if n % 2 == 0 && n < 10 {
            let at_s = (row.number as f64 * axis.span_ms + f64::from(n) * step_ms) / 1000.0;
            let label = if axis.span_ms < 60_000.0 {
                format!("{at_s:.0} s")
            } else {
                format!("{:.0}:{:02.0}", (at_s / 60.0).floor(), at_s % 60.0)
            };
            svg.text("tick", (x + 3.0, crest + AXIS), &label);
        }
    }
    svg.line("za", (LEFT, top + agent), (right, top + agent));
    svg.text("side agent", (LEFT - 10.0, top + agent + 4.0), "agent");
    if alone {
        return;
    }
    svg.line("zc", (LEFT, crest + CALLER), (right, crest + CALLER));
    svg.text("side caller", (LEFT - 10.0, crest + CALLER + 4.0), "caller");
    svg.text("side", (LEFT - 10.0, top + PARTIALS + 2.0), "heard");
    svg.text("side", (LEFT - 10.0, top + THOUGHT + 4.0), "turn");
}

/// One side's voice: a bar for every few milliseconds, as high as its loudest sample.
fn voice(svg: &mut Svg, axis: &Axis, speaker: Speaker, track: &[u8]) {
    let steps_per_bin = ((BIN / axis.px(WAVE_STEP_MS as f64)).ceil() as usize).max(1);
    let steps_per_row = (axis.span_ms / WAVE_STEP_MS as f64) as usize;
    for (row, steps) in track.chunks(steps_per_row).enumerate().take(axis.rows()) {
        let mut d = String::new();
        let (class, middle) = match speaker {
            // The noise of the room is not worth a row.
            Speaker::Caller if axis.agent(row) < AGENT => continue,
            Speaker::Caller => ("wc", axis.crest(row) + CALLER),
            Speaker::Agent => ("wa", axis.top(row) + axis.agent(row)),
        };
        for (bin, peaks) in steps.chunks(steps_per_bin).enumerate() {
            let peak = f64::from(peaks.iter().copied().max().unwrap_or(0)) / 255.0;
            // Loudness is felt as a root, roughly; what is inaudible is not drawn.
            let height = (peak.sqrt() * WAVE).round();
            if peak > 0.01 && height >= 1.0 {
                let x = LEFT + axis.px((bin * steps_per_bin) as f64 * WAVE_STEP_MS as f64) + BIN / 2.0;
                d += &format!("M{x:.1} {:.0}v{:.0}", middle - height, 2.0 * height);
            }
        }
        svg.path(class, &d);
    }
}

fn bar(svg: &mut Svg, axis: &Axis, stretch: &Stretch) {
    let length = stretch.to_ms - stretch.from_ms;
    let from_s = stretch.from_ms / 1000.0;
    let (class, y, height, what) = match stretch.kind {
        Kind::Speech => ("speech", SPEECH, 3.5, "speech heard"),
        Kind::Pause => ("pause", SPEECH, 3.5, "pause, the caller went on"),
        Kind::Wait => ("wait", THOUGHT - 2.0, 6.0, "silence waited for"),
        Kind::Kept => ("kept", THOUGHT - 9.0, 5.0, "answer held ready, then said"),
        Kind::Dropped => ("drop", THOUGHT - 9.0, 5.0, "answer held ready, thrown away"),
        Kind::Ducked => ("duck", AGENT - WAVE, 2.0 * WAVE, "agent turned down"),
        Kind::Paused => ("hush", AGENT - WAVE, 2.0 * WAVE, "agent paused"),
        Kind::Gap => return bracket(svg, axis, stretch),
    };
    let tip = format!("{what}: {length:.0} ms from {from_s:.2} s");
    for (row, from, to) in axis.pieces(stretch.from_ms, stretch.to_ms) {
        // A pause that goes on has no place where the agent is alone.
        if axis.agent(row) == AGENT {
            svg.bar(class, (from, axis.top(row) + y), (to - from, height), &tip);
        }
    }
}

/// The response gap, with its milliseconds where there is room for them.
fn bracket(svg: &mut Svg, axis: &Axis, gap: &Stretch) {
    let label = format!("{:.0} ms", gap.to_ms - gap.from_ms);
    let (first, last) = (axis.place(gap.from_ms).0, axis.place(gap.to_ms).0);
    let longest = axis.pieces(gap.from_ms, gap.to_ms).max_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)));
    for (row, from, to) in axis.pieces(gap.from_ms, gap.to_ms) {
        let y = axis.top(row) + GAP;
        let open =
            if row == first { format!("M{from:.1} {:.1}V{y:.1}", y + 6.0) } else { format!("M{from:.1} {y:.1}") };
        let close = if row == last { format!("H{to:.1}v6") } else { format!("H{to:.1}") };
        svg.path("gap", &(open + &close));
    }
    if let Some((row, from, to)) = longest {
        let half = width(&label, 12.0) / 2.0;
        let x = ((from + to) / 2.0).clamp(LEFT + half, WIDTH - RIGHT - half);
        svg.text("ms", (x, axis.top(row) + GAP - 4.0), &label);
    }
}

/// What was said in a turn. The agent's words go on from row to row, each with its share of the time; the caller's stand together,
/// in the row in which most of them were said.
fn spoken(svg: &mut Svg, axis: &Axis, turn: &TurnRecord, without_sound: bool) {
    let (from, to) = (turn.began.ms() as f64, (turn.ended.ms() as f64).max(turn.began.ms() as f64 + 1.0));
    let keys = if turn.dtmf.is_empty() { String::new() } else { format!("[keys {}]", turn.dtmf) };
    let mut text = [turn.text.as_str(), &keys].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ");
    if turn.interrupted {
        text.push_str(" –");
    }
    let pieces: Vec<_> = axis.pieces(from, to).collect();
    if without_sound {
        for &(row, x, end) in &pieces {
            let (class, middle) = match turn.speaker {
                Speaker::Caller => ("speech", axis.crest(row) + CALLER),
                Speaker::Agent => ("packet", axis.top(row) + axis.agent(row)),
            };
            svg.bar(class, (x, middle - 4.0), (end - x, 8.0), "spoken");
        }
    }
    if turn.speaker == Speaker::Caller {
        if text.is_empty() {
            "(nothing understood)".clone_into(&mut text);
        }
        let longest = pieces.iter().max_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)));
        if let Some(&(row, x, _)) = longest {
            let x = x.min(WIDTH - RIGHT - width(&text, WORDS)).max(LEFT);
            svg.text("said", (x, axis.top(row) + FINAL), &elide(&text, WORDS, WIDTH - RIGHT - x));
        }
        return;
    }
    let total = width(&text, WORDS).max(1.0);
    let time: f64 = pieces.iter().map(|(_, x, end)| end - x).sum::<f64>().max(1.0);
    let mut rest = text.as_str();
    for (n, &(row, x, end)) in pieces.iter().enumerate() {
        let share = if n + 1 == pieces.len() { f64::INFINITY } else { total * (end - x) / time };
        let (now, later) = cut(rest, share);
        rest = later;
        let y = axis.top(row) + axis.agent(row) + AGENT_TEXT;
        svg.text("line", (x, y), &elide(now, WORDS, (end - x).max(60.0).min(WIDTH - RIGHT - x)));
    }
}

/// Cuts a text where `room` is full, between words where it has any.
fn cut(text: &str, room: f64) -> (&str, &str) {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if width(text.get(..at + c.len_utf8()).unwrap_or(text), WORDS) > room {
            break;
        }
        if c == ' ' || !c.is_ascii() || at + c.len_utf8() == text.len() {
            end = at + c.len_utf8();
        }
    }
    let (now, later) = text.split_at(end);
    (now.trim(), later.trim())
}

fn words(svg: &mut Svg, axis: &Axis, story: &Story, rows: &mut [Row]) {
    for words in &story.words {
        let (row, x) = axis.place(words.at_ms);
        let Some(row) = rows.get_mut(row) else { continue };
        let room = WIDTH - RIGHT - x;
        let text = elide(&words.text, WORDS, room.min(220.0));
        if let Some(line) = row.partials.place(x, width(&text, WORDS)) {
            let y = row.top + PARTIALS + 13.0 * line as f64;
            svg.line("stem", (x, row.top + SPEECH + 5.0), (x, y));
            svg.text("word", (x + 2.0, y), &text);
        }
    }
}

fn moments(svg: &mut Svg, axis: &Axis, story: &Story, rows: &mut [Row]) {
    for moment in &story.moments {
        let (row, x) = axis.place(moment.at_ms);
        // A further line of the agent: its voice tells as much.
        if axis.agent(row) < AGENT {
            continue;
        }
        let Some(row) = rows.get_mut(row) else { continue };
        let y = row.top + THOUGHT + 1.0;
        let tip = format!("{} at {:.3} s", moment.label, moment.at_ms / 1000.0);
        let size = width(&moment.label, SMALL);
        // Towards the left where the row ends.
        let left = (x + 3.0).min(WIDTH - RIGHT - size);
        if let Some(line) = row.labels.place(left, size) {
            let base = row.top + LABELS + 11.0 * line as f64;
            svg.line("stem", (x, y), (x, base));
            svg.text(&format!("mark {}", moment.class), (left, base), &moment.label);
        }
        svg.dot(moment.class, (x, y), &tip);
    }
}

#[cfg(test)]
mod tests;
