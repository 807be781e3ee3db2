//! What the committees learn from: every recording over several lines, heard for a while and to its end.

use crate::audio::prosody::{Extractor, Functionals};
use crate::cli::eval::emotion::{Clip, Line};
use crate::cli::eval::sound::{self, Band};
use crate::engine::emotion::Vector;
use crate::sim::Dice;
use crate::speech::EmotionLabel;

/// Speech after which an utterance is looked at before its end, in ms.
pub(super) const CUTS_MS: [u32; 2] = [500, 1500];
/// Looks at an utterance: the cuts, and its end.
pub(super) const LOOKS: usize = CUTS_MS.len() + 1;
/// Lines that every recording goes over.
pub(super) const LINES: usize = 8;

/// One recording.
pub(super) struct Heard {
    /// What it shows.
    pub label: EmotionLabel,
    /// Whose voice it is.
    pub speaker: String,
    /// Over each line, at each look.
    pub takes: Vec<[(Vector, u32); LOOKS]>,
}

/// The lines: telephones that cut at 300 Hz and not, wide band, and some with chance in them.
fn line(n: usize, dice: &mut Dice) -> Line {
    let plain = Line::of(Band::Telephone);
    let telephone = Line { from_hz: 300.0, ..plain };
    let wide = Line::of(Band::Wide);
    let mut rough = |line: Line, softest: f64| Line {
        from_hz: if line.from_hz > 0.0 { dice.between(200.0, 340.0) as f32 } else { dice.between(20.0, 160.0) as f32 },
        level_dbfs: dice.between(-38.0, -14.0) as f32,
        noise_db: Some(dice.between(10.0, softest) as f32),
        colour: dice.unit() as f32,
        tilt: dice.between(-0.3, 0.3) as f32,
        ..line
    };
    match n {
        0 => telephone,
        1 => plain,
        2 => wide,
        3 => rough(telephone, 40.0),
        4 => rough(plain, 40.0),
        5 => rough(wide, 40.0),
        6 => rough(telephone, 25.0),
        _ => rough(wide, 25.0),
    }
}

/// Hears a recording over every line.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn hear(clip: &Clip, dice: &Dice) -> anyhow::Result<Heard> {
    let samples = sound::read(&clip.file)?;
    let takes = (0..LINES).map(|n| {
        let mut dice = dice.fork(n as u64);
        let line = line(n, &mut dice);
        let (mut extractor, mut functionals) = (Extractor::default(), Functionals::default());
        let mut looks = Vec::with_capacity(LOOKS);
        for frame in line.frames(&samples, &mut dice) {
            extractor.push(&frame.samples, &mut |step| functionals.push(step));
            if CUTS_MS.get(looks.len()).is_some_and(|ms| functionals.heard_ms() >= *ms) {
                looks.push((functionals.vector(), functionals.heard_ms()));
            }
        }
        let end = (functionals.vector(), functionals.heard_ms());
        looks.resize(LOOKS, end);
        looks[LOOKS - 1] = end;
        std::array::from_fn(|n| looks[n])
    });
    Ok(Heard { label: clip.label, speaker: clip.speaker.clone(), takes: takes.collect() })
}
