//! How likely a sentence is over where its words end now.
//!
//! A logistic model over the last words, the first ones and how many there are, each hashed to a place in a table. It is learned
//! from sentences and their beginnings (`tipring train turns`), so it knows how sentences end, not what a flow expects.

/// Places in the table; a power of two.
pub const PLACES: usize = 1 << 14;
/// Words of a text that are looked at.
const MOST_WORDS: usize = 40;
/// The sum is not trusted beyond this.
const MOST: f32 = 5.0;

/// What is known of how sentences end in one language.
#[derive(Clone, PartialEq, Debug)]
pub struct Completeness {
    /// What each mark of a text tells, in steps of `scale`.
    pub table: Vec<i8>,
    /// Log odds of one step.
    pub scale: f32,
    /// Log odds of a text of which no mark is known.
    pub bias: f32,
}

impl Completeness {
    /// Knows nothing: every text may be over or not.
    pub fn blank() -> Self {
        Self { table: vec![0; PLACES], scale: 0.0, bias: 0.0 }
    }

    /// Log odds that a sentence of these tokens is over, within ±5; 0 without any.
    pub fn log_odds(&self, tokens: &[String]) -> f32 {
        if tokens.is_empty() {
            return 0.0;
        }
        let mut sum = 0i32;
        marks(tokens, |place| sum += i32::from(self.table.get(place).copied().unwrap_or_default()));
        (self.bias + self.scale * sum as f32).clamp(-MOST, MOST)
    }
}

/// The places of what is seen of a text: its last one to three words, also with its first one and with how long it is; its first
/// two; the ending of a long last word. A text is words, or single Chinese characters.
pub fn marks(tokens: &[String], mut each: impl FnMut(usize)) {
    let tokens = tokens.get(tokens.len().saturating_sub(MOST_WORDS)..).unwrap_or_default();
    let count = tokens.len();
    let back = |n: usize| count.checked_sub(n).and_then(|at| tokens.get(at)).map_or("^", String::as_str);
    let first = tokens.first().map_or("^", String::as_str);
    let second = tokens.get(1).map_or("", String::as_str);
    let [long, short] = [count.min(9), count.min(3)].map(|n| ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][n]);
    let [one, two, three, four] = [1, 2, 3, 4].map(back);
    for (kind, parts) in [
        ("1", [one, "", "", ""]),
        ("2", [two, one, "", ""]),
        ("3", [three, two, one, ""]),
        ("4", [four, three, two, one]),
        ("s", [first, one, "", ""]),
        ("f", [first, second, "", ""]),
        ("n", [long, "", "", ""]),
        ("k", [two, "", "", ""]),
        ("fn", [first, long, "", ""]),
        ("1n", [one, short, "", ""]),
    ] {
        each(place(kind, parts));
    }
    if one.is_ascii() && one.len() > 4 {
        each(place("x", [one.get(one.len() - 3..).unwrap_or_default(), "", "", ""]));
    }
}

/// FNV-1a.
fn place(kind: &str, parts: [&str; 4]) -> usize {
    let mut hash = 0x811c_9dc5u32;
    for part in [[kind].as_slice(), &parts].concat() {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    (hash ^ hash >> 15) as usize % PLACES
}
