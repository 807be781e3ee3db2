//! One answer of the model: its words, its sound, and which part of the sound speaks which part of the words.
//!
//! The words come ahead of the sound and the server does not align them. So a sentence takes the sound from where the one
//! before ended to the first pause near its expected length; the last one takes the rest. Sentences that follow one another
//! leave nothing out and repeat nothing, wherever exactly the boundary lies.

use crate::audio::{FRAME_SAMPLES, SAMPLES_PER_MS, Samples};
use std::ops::Range;

/// Most sound that is kept, in samples: 2 minutes. A longer answer is cut.
const MAX_SOUND: usize = 120_000 * SAMPLES_PER_MS as usize;
/// Most bytes of its words.
const MAX_WORDS: usize = 16 << 10;
/// Expected length of a letter, in samples: 62 ms.
const LETTER: f64 = 1_000.0;
/// An ideograph is a syllable: so many letters.
const IDEOGRAPH: f64 = 3.5;
/// A pause between sentences lasts this long, in samples: 120 ms.
const PAUSE: usize = 120 * SAMPLES_PER_MS as usize;
/// Windows in which silence is looked for: 10 ms.
const WINDOW: usize = 10 * SAMPLES_PER_MS as usize;
/// Quieter than this mean square is silence: -48 dBFS.
const SILENCE: i64 = 130 * 130;
/// The boundary lies within these parts of the expected length.
const EARLIEST: f64 = 0.6;
const LATEST: f64 = 1.6;

/// An answer as far as it has come.
#[derive(Default, Debug)]
pub(super) struct Answer {
    /// Its words.
    pub text: String,
    /// All words are there.
    pub text_done: bool,
    sound: Vec<i16>,
    /// All sound is there, or no more will come.
    pub sound_done: bool,
    /// Why no more will come.
    pub broken: Option<String>,
    /// Bytes of the words that sentences have claimed.
    claimed: usize,
    /// Ends of sentences that were given: bytes of the words, and samples.
    ends: Vec<(usize, usize)>,
}

/// A sentence that takes its part of the sound.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Part {
    words: Range<usize>,
    begun: bool,
    start: usize,
    at: usize,
    end: Option<usize>,
}

/// What there is for a sentence.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Given {
    Frame(Box<Samples>),
    Wait,
    Done,
    Broken(String),
}

impl Answer {
    /// Adds words.
    pub fn say(&mut self, words: &str) {
        if self.text.len() + words.len() <= MAX_WORDS {
            self.text.push_str(words);
        }
    }

    /// Adds sound.
    pub fn sound(&mut self, samples: &[i16]) {
        let room = MAX_SOUND.saturating_sub(self.sound.len());
        self.sound.extend_from_slice(samples.get(..room).unwrap_or(samples));
    }

    /// Whether any sound has come.
    pub fn sounds(&self) -> bool {
        !self.sound.is_empty()
    }

    /// The sentence `text` of this answer, if it has it behind those claimed before.
    pub fn claim(&mut self, text: &str) -> Option<Part> {
        let text = text.trim();
        let from = self.claimed + self.text.get(self.claimed..)?.find(text).filter(|_| !text.is_empty())?;
        let words = from..from + text.len();
        self.claimed = words.end;
        Some(Part { words, begun: false, start: 0, at: 0, end: None })
    }

    /// The next 20 ms of a sentence. Sentences take their sound in order.
    pub fn give(&mut self, part: &mut Part) -> Given {
        if !part.begun {
            match self.start(part) {
                Some(start) => (part.start, part.at, part.begun) = (start, start, true),
                None => return self.missing(),
            }
        }
        let (end, limit) = match part.end {
            Some(end) => (Some(end), end),
            None => self.boundary(part),
        };
        part.end = end;
        let left = limit.saturating_sub(part.at);
        if left >= FRAME_SAMPLES || end.is_some() && left > 0 {
            let source = self.sound.get(part.at..).unwrap_or_default();
            let mut frame = [0; FRAME_SAMPLES];
            frame.iter_mut().zip(source.iter().take(left)).for_each(|(to, from)| *to = *from);
            part.at += left.min(FRAME_SAMPLES);
            return Given::Frame(Box::new(frame));
        }
        match end {
            Some(end) => {
                if self.ends.last().is_none_or(|(words, _)| *words < part.words.end) {
                    self.ends.push((part.words.end, end));
                }
                Given::Done
            }
            None => self.missing(),
        }
    }

    fn missing(&self) -> Given {
        match &self.broken {
            Some(why) => Given::Broken(why.clone()),
            None if self.sound_done => Given::Broken("the sound ended before its words".to_owned()),
            None => Given::Wait,
        }
    }

    /// Where the sound of a sentence begins: behind the sentence before, and what was left out between them; at the very
    /// beginning without the silence. None: that has not come yet.
    fn start(&self, part: &Part) -> Option<usize> {
        let (words, samples) = self.ends.last().copied().unwrap_or_default();
        let skipped = self.text.get(words..part.words.start).map_or(0.0, |text| length(text.trim()));
        let start = samples + (skipped * LETTER) as usize;
        if start > 0 {
            return (self.sound.len() >= start).then_some(start);
        }
        let silent = self.sound.chunks_exact(WINDOW).position(|window| !silent(window));
        silent.map(|windows| (windows * WINDOW).saturating_sub(WINDOW))
    }

    /// The end of a sentence, if it is known, and up to where its sound may be given.
    fn boundary(&self, part: &Part) -> (Option<usize>, usize) {
        let come = self.sound.len();
        let last = self.text_done && self.text.get(part.words.end..).is_none_or(|rest| rest.trim().is_empty());
        if last {
            let whole = self.sound_done && self.broken.is_none();
            return (whole.then_some(come), come);
        }
        let letters = self.text.get(part.words.clone()).map_or(0.0, length);
        let all_known = self.text_done && self.sound_done && self.broken.is_none();
        let rate = if all_known { come as f64 / length(&self.text).max(1.0) } else { LETTER };
        let after = |factor: f64| part.start + (letters * rate * factor) as usize;
        let (earliest, latest) = (after(EARLIEST), after(LATEST));
        if come <= earliest {
            return (None, come);
        }
        let mut quiet_since = None;
        let mut at = earliest;
        while at + WINDOW <= come.min(latest) {
            match self.sound.get(at..at + WINDOW).is_some_and(silent) {
                true => {
                    let since = *quiet_since.get_or_insert(at);
                    if at + WINDOW - since >= PAUSE {
                        return (Some((since + PAUSE / 2).max(part.at)), come);
                    }
                }
                false => quiet_since = None,
            }
            at += WINDOW;
        }
        if come >= latest || self.sound_done {
            // It spoke on without a pause: as far as it should have come.
            return (Some(after(1.0).clamp(part.at, come)), come);
        }
        (None, quiet_since.unwrap_or(at))
    }

    /// What was heard of the answer according to what is remembered: bytes of its words.
    pub fn heard(&self, remembered: &[&str]) -> usize {
        let mut heard = 0;
        for memory in remembered {
            let rest = self.text.get(heard..).unwrap_or_default();
            if let Some(at) = rest.find(memory.trim()).filter(|_| !memory.trim().is_empty()) {
                heard += at + memory.trim().len();
            }
        }
        heard
    }

    /// The time in the sound at which so many bytes of the words are spoken, in milliseconds.
    pub fn spoken_ms(&self, words: usize) -> u64 {
        let before = self.ends.iter().rev().find(|(end, _)| *end <= words).copied().unwrap_or_default();
        let after = self.ends.iter().find(|(end, _)| *end > words).copied();
        let span = |to: usize| self.text.get(before.0..to).map_or(0.0, length);
        let samples = match after {
            Some((end, at)) => before.1 + ((at - before.1) as f64 * span(words) / span(end).max(1.0)) as usize,
            None => before.1 + (span(words) * LETTER) as usize,
        };
        samples.min(self.sound.len()) as u64 / SAMPLES_PER_MS
    }
}

/// How many letters it takes to say.
fn length(text: &str) -> f64 {
    let letter = |c: char| if matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}') { IDEOGRAPH } else { 1.0 };
    text.chars().map(letter).sum()
}

fn silent(window: &[i16]) -> bool {
    window.iter().map(|s| i64::from(*s).pow(2)).sum::<i64>() < SILENCE * window.len() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(ms: usize) -> Vec<i16> {
        (0..ms * 16).map(|n| ((n as f64 * 0.3).sin() * 6000.0) as i16).collect()
    }

    fn quiet(ms: usize) -> Vec<i16> {
        vec![0; ms * 16]
    }

    /// Milliseconds given, and how it ended.
    fn all(answer: &mut Answer, part: &mut Part) -> (usize, Given) {
        let mut frames = 0;
        loop {
            match answer.give(part) {
                Given::Frame(_) => frames += 1,
                other => return (frames * 20, other),
            }
        }
    }

    #[test]
    fn sentences_share_the_sound_at_its_pauses() {
        let mut answer = Answer::default();
        answer.say("We open at nine. Come in by the door. Bye.");
        let mut parts: Vec<_> =
            ["We open at nine.", "Come in by the door.", "Bye."].iter().map(|s| answer.claim(s).unwrap()).collect();
        assert!(answer.claim("We open at nine.").is_none(), "each only once");
        assert_eq!(all(&mut answer, &mut parts[0]), (0, Given::Wait));
        answer.sound(&quiet(150));
        answer.sound(&tone(500));
        let (begun, wait) = all(&mut answer, &mut parts[0]);
        assert!((480..=520).contains(&begun) && wait == Given::Wait, "{begun} ms of what must belong to it");
        answer.sound(&[tone(500), quiet(200), tone(1300), quiet(160), tone(300)].concat());
        let (rest, end) = all(&mut answer, &mut parts[0]);
        // 10 of the silence before, 1000, 60 of the pause behind.
        assert!((1060..=1100).contains(&(begun + rest)) && end == Given::Done, "{begun} and {rest} ms");
        let (second, end) = all(&mut answer, &mut parts[1]);
        assert!((1480..=1520).contains(&second) && end == Given::Done, "{second} ms");
        answer.text_done = true;
        assert!(matches!(all(&mut answer, &mut parts[2]), (380..=420, Given::Wait)), "more may come");
        answer.sound_done = true;
        assert!(matches!(all(&mut answer, &mut parts[2]), (0..=20, Given::Done)));
    }

    #[test]
    fn one_that_is_not_said_is_passed_over_and_no_pause_is_no_harm() {
        let mut answer = Answer::default();
        answer.say("One two three four. Five six seven. Eight.");
        answer.sound(&tone(2400));
        let mut first = answer.claim("One two three four.").unwrap();
        let mut last = answer.claim("Eight.").unwrap();
        let (ms, end) = all(&mut answer, &mut first);
        assert!((1180..=1220).contains(&ms) && end == Given::Done, "{ms} ms without a pause");
        answer.text_done = true;
        answer.sound_done = true;
        let (ms, end) = all(&mut answer, &mut last);
        assert!((260..=300).contains(&ms) && end == Given::Done, "{ms} ms after what was left out");
    }

    #[test]
    fn what_breaks_is_told_and_what_was_given_stays() {
        let mut answer = Answer::default();
        answer.say("A sentence that breaks.");
        let mut part = answer.claim("A sentence that breaks.").unwrap();
        answer.sound(&tone(300));
        assert!(matches!(all(&mut answer, &mut part), (280..=320, Given::Wait)));
        answer.broken = Some("cut".into());
        answer.sound_done = true;
        assert_eq!(all(&mut answer, &mut part).1, Given::Broken("cut".into()));
    }

    #[test]
    fn what_was_heard_is_found_in_the_sound() {
        let mut answer = Answer::default();
        answer.say("We open at nine. Come in by the door.");
        answer.sound(&[tone(1000), quiet(200), tone(1200)].concat());
        (answer.text_done, answer.sound_done) = (true, true);
        for sentence in ["We open at nine.", "Come in by the door."] {
            let mut part = answer.claim(sentence).unwrap();
            all(&mut answer, &mut part);
        }
        assert_eq!(answer.heard(&["Hello.", "We open at nine.", "Come in"]), 24);
        assert_eq!(answer.heard(&["We open at nine.", "Come in by the door."]), answer.text.len());
        let ms = answer.spoken_ms(24);
        assert!((1350..1650).contains(&ms), "{ms}");
        assert_eq!(answer.spoken_ms(answer.text.len()), 2400);
        assert_eq!(answer.spoken_ms(0), 0);
    }
}
