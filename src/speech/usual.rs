//! How a caller usually sounds, learned from the first turns of the call.

use super::VoiceChange;

/// Rate, pitch and loudness of a caller's earlier turns: syllables per second, semitones, dB.
///
/// Only turns in which the caller sounded as usual may be learned: who is impatient or angry would become the measure of the rest.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct UsualVoice {
    turns: u32,
    mean: [f32; 3],
    squares: [f32; 3],
}

impl UsualVoice {
    /// Turns that are learned from: what a caller sounds like later is measured against the beginning.
    pub const MOST: u32 = 12;
    /// Turns with less speech than this do not count, in ms.
    pub const LEAST_MS: u32 = 600;
    /// How far a caller's turns spread, as far as it is not known of this one.
    pub const SPREAD: [f32; 3] = [0.9, 2.0, 3.0];
    /// The turns that this counts for.
    const SPREAD_TURNS: f32 = 3.0;

    /// Turns that were learned.
    pub const fn turns(&self) -> u32 {
        self.turns
    }

    /// Learns a turn. It counts when all of it is known: then one count serves for the three.
    pub fn learn(&mut self, values: [Option<f32>; 3]) {
        let [Some(rate), Some(pitch), Some(level)] = values else { return };
        if self.turns >= Self::MOST {
            return;
        }
        self.turns += 1;
        for ((value, mean), squares) in [rate, pitch, level].into_iter().zip(&mut self.mean).zip(&mut self.squares) {
            let before = value - *mean;
            *mean += before / self.turns as f32;
            *squares += before * (value - *mean);
        }
    }

    /// What the voice has changed to.
    pub fn change(&self, values: [Option<f32>; 3]) -> VoiceChange {
        if self.turns == 0 {
            return VoiceChange::default();
        }
        let turns = self.turns as f32;
        let mut z = [0f32; 3];
        for ((((z, value), mean), squares), spread) in
            z.iter_mut().zip(values).zip(self.mean).zip(self.squares).zip(Self::SPREAD)
        {
            let variance = (squares + Self::SPREAD_TURNS * spread * spread) / (turns + Self::SPREAD_TURNS);
            *z = value.map_or(0.0, |value| ((value - mean) / variance.sqrt()).clamp(-9.0, 9.0));
        }
        let [rate_z, pitch_z, loudness_z] = z;
        VoiceChange { rate_z, pitch_z, loudness_z, baseline_turns: self.turns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_held_against_those_before_it() {
        let mut voice = UsualVoice::default();
        let turn = |rate: f32, level: f32| [Some(rate), Some(10.0), Some(level)];
        assert_eq!(voice.change(turn(4.0, -26.0)), VoiceChange::default(), "nothing is known yet");
        for level in [-27.0, -26.0, -25.0] {
            voice.learn(turn(4.0, level));
        }
        voice.learn([None, Some(10.0), Some(0.0)]);
        assert_eq!(voice.turns(), 3, "a turn that is known in part does not count");
        let louder = voice.change(turn(4.0, -20.0));
        assert!(louder.loudness_z > 2.0 && louder.rate_z.abs() < 1e-3 && louder.baseline_turns == 3, "{louder:?}");
        for _ in 0..20 {
            voice.learn(turn(9.0, -10.0));
        }
        assert_eq!(voice.turns(), UsualVoice::MOST, "the beginning is the measure");
    }
}
