//! Who speaks into the telephone, and who speaks behind them: the voice of somebody else in the room comes much softer.
//!
//! Once it is known how loud this caller is, what is far below that is not the caller. A word's soft beginning and end are, as
//! they are next to what is not soft. A caller of whom nothing is heard any more may have put the telephone down or given it to
//! somebody else: the longer nothing near was heard, the softer it may be.

use crate::audio::MediaTime;

/// The caller is not so much softer than the loudest vowels, in dB. Vowels of a sentence lie within 12 dB of one another; people at
/// the same table come in 20 dB below who holds the telephone.
const BELOW_DB: f32 = 18.0;
/// The same over our voice: nobody trails off there, and who interrupts does not speak more softly than usual.
const BELOW_OVER_DB: f32 = 15.0;
/// Frames that must have been heard before it is known how loud the caller is: half a second.
const KNOWN_AFTER: u32 = 25;
/// Until then nobody who is softer than this speaks over us, in dBFS: the vowels of the softest caller that a line is made for (−36
/// active, ITU-T P.56) are louder by 6 dB. Whoever speaks after us may be softer.
const UNKNOWN_DBFS: f32 = -35.0;
/// How much of the way to a louder frame the loudness goes, and how far it falls with every other, in dB.
const RISE: f32 = 0.3;
const FALL_DB: f32 = 0.01;
/// Sounds so soon after one of the caller's are the caller's, however soft: the s of "yes".
const TAIL_MS: u64 = 200;
/// The same over our voice.
const TAIL_OVER_MS: u64 = 100;
/// After so long without the caller it may be softer, by this much each second.
const PATIENCE_MS: u64 = 8_000;
const DB_A_SECOND: f32 = 1.0;

/// How loud the caller is, and when it was heard last. Not the usual level that [`Caller`](super::caller::Caller) knows: that
/// is a mean, which somebody who talked before the caller pulls down.
#[derive(Clone, Debug, Default)]
pub(super) struct Near {
    /// The level of the loudest vowels, in dBFS, and the frames that it was measured on.
    loudest: f32,
    frames: u32,
    last: Option<MediaTime>,
    /// How much softer than that the caller may be, in dB: as soft as was heard, until it is louder again.
    softer: f32,
}

impl Near {
    /// A frame of speech of this level, in dBFS, that ends at `end`, `over` our voice or not: is it the caller's?
    pub(super) fn is_caller(&mut self, end: MediaTime, level_dbfs: f32, over: bool) -> bool {
        let (bound, tail_ms) = if over { (BELOW_OVER_DB, TAIL_OVER_MS) } else { (BELOW_DB, TAIL_MS) };
        let is_tail = |last: MediaTime| end.ms_since(last) <= tail_ms as f64;
        if over && self.frames < KNOWN_AFTER && level_dbfs < UNKNOWN_DBFS {
            return self.last.is_some_and(is_tail);
        }
        let since_ms = self.last.map_or(0.0, |last| end.ms_since(last)) as f32;
        let softer = (since_ms - PATIENCE_MS as f32).max(0.0) / 1000.0 * DB_A_SECOND;
        let softer = self.softer.max(softer);
        let below = if self.frames < KNOWN_AFTER { 0.0 } else { self.loudest - level_dbfs };
        if below > bound + softer {
            return self.last.is_none_or(is_tail);
        }
        self.softer = if below > bound { softer } else { 0.0 };
        self.last = Some(end);
        self.loudest = match self.frames {
            0 => level_dbfs,
            _ if level_dbfs > self.loudest => self.loudest + RISE * (level_dbfs - self.loudest),
            _ => self.loudest - FALL_DB,
        };
        self.frames = self.frames.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_ms(ms)
    }

    /// Half a minute of somebody behind, then a second of the caller; the time.
    fn known() -> (Near, u64) {
        let mut near = Near::default();
        for n in 0..1500 {
            assert!(near.is_caller(ms(20 * n), -45.0 + (n % 5) as f32, false), "nothing else is known");
        }
        for n in 1500..1550 {
            assert!(near.is_caller(ms(20 * n), -28.0 + 3.0 * (n % 5) as f32, false));
        }
        (near, 31_000)
    }

    #[test]
    fn who_is_far_softer_than_the_caller_is_somebody_else() {
        let (mut near, at) = known();
        assert!(near.is_caller(ms(at + 150), -45.0, false), "the end of a word");
        assert!(!near.is_caller(ms(at + 260), -45.0, false) && !near.is_caller(ms(at + 7000), -40.0, false));
        assert!(near.is_caller(ms(at + 7020), -30.0, false));
    }

    #[test]
    fn an_unknown_caller_is_loud_over_our_voice_and_anybody_after_it() {
        let mut near = Near::default();
        assert!(
            (0..500).all(|n| !near.is_caller(ms(20 * n), -38.0, true)),
            "somebody behind, from the first second on"
        );
        assert!(
            near.is_caller(ms(10_000), -30.0, true) && near.is_caller(ms(10_100), -45.0, true),
            "a word, and its end"
        );
        assert!(!near.is_caller(ms(10_400), -38.0, true) && near.is_caller(ms(12_000), -45.0, false));
    }

    #[test]
    fn a_caller_who_has_become_soft_is_heard_again_in_time() {
        let (mut near, at) = known();
        let later = at + 20 * (100..2000).find(|n| near.is_caller(ms(at + 20 * n), -44.0, false)).unwrap();
        assert!((13_000..19_000).contains(&(later - at)), "28 dB below, heard again after {} ms", later - at);
        assert!(near.is_caller(ms(later + 1000), -44.0, false), "and goes on");
        assert!(near.is_caller(ms(later + 2000), -18.0, false) && !near.is_caller(ms(later + 3000), -44.0, false));
    }
}
