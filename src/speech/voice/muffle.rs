//! Keeps what is not the caller's from the recogniser, which takes our own words, come back, and those of people behind the caller
//! for words like any other.

use crate::audio::AudioFrame;
use std::collections::VecDeque;

/// Frames that are held while they may still be the soft beginning of a word of the caller's: 100 ms.
const HELD: usize = 5;
/// What is not the caller's is made so much softer, as a power of two of the amplitude: 30 dB, below what a recogniser decodes.
const SHIFT: u32 = 5;

/// Whose speech a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// It holds none.
    Nobody,
    /// The caller's, as far as anybody can tell.
    Caller,
    /// Ours, come back, or that of somebody behind the caller.
    Others,
}

/// One call's frames on their way to the recogniser. They pass at once, but for those of others: these are held for up to 100 ms, until
/// it is known that they do not begin a word of the caller's, and pass softened. Nothing is allocated after construction.
#[derive(Debug)]
pub struct Muffle {
    held: VecDeque<(AudioFrame, Whose)>,
}

impl Default for Muffle {
    fn default() -> Self {
        Self { held: VecDeque::with_capacity(HELD + 1) }
    }
}

impl Muffle {
    /// Takes a frame, and whose the one judged last is; hands on, in order, what is decided.
    pub fn push(&mut self, frame: &AudioFrame, whose: Whose, mut give: impl FnMut(&AudioFrame)) {
        if whose == Whose::Caller {
            // What was held was the beginning of this.
            self.held.drain(..).for_each(|(held, _)| give(&held));
            return give(frame);
        }
        self.held.push_back((*frame, whose));
        while self.held.len() > HELD || self.held.front().is_some_and(|(_, whose)| *whose == Whose::Nobody) {
            self.pass(&mut give);
        }
    }

    /// Hands on what is held: nothing more is waited for.
    pub fn flush(&mut self, mut give: impl FnMut(&AudioFrame)) {
        while !self.held.is_empty() {
            self.pass(&mut give);
        }
    }

    fn pass(&mut self, give: &mut impl FnMut(&AudioFrame)) {
        let Some((mut frame, whose)) = self.held.pop_front() else { return };
        if whose == Whose::Others {
            frame.samples.iter_mut().for_each(|sample| *sample >>= SHIFT);
        }
        give(&frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;

    /// What comes out, at which frame, and whether it was softened. `c` the caller, `o` others, `.` nobody.
    fn passed(script: &str) -> Vec<(usize, u64, bool)> {
        let (mut muffle, mut out) = (Muffle::default(), Vec::new());
        let mut frame = AudioFrame::silence(MediaTime::ZERO);
        for (n, whose) in script.bytes().enumerate() {
            frame = AudioFrame { at: MediaTime::from_frames(n as u64), samples: [3200; 320], ..frame };
            let whose = match whose {
                b'c' => Whose::Caller,
                b'o' => Whose::Others,
                _ => Whose::Nobody,
            };
            muffle.push(&frame, whose, |f| out.push((n, f.at.ms() / 20, f.samples[0] == 100)));
        }
        muffle.flush(|f| out.push((script.len(), f.at.ms() / 20, f.samples[0] == 100)));
        out
    }

    #[test]
    fn each_frame_passes_once_and_in_order() {
        for script in ["..cc..", "ooooooooo", ".oo.cc.ooooooo..oc", "o.o.o.o.o.o.oc"] {
            let got = passed(script);
            assert!(got.iter().map(|(_, frame, _)| *frame).eq(0..script.len() as u64), "{script}: {got:?}");
            assert!(got.iter().all(|(at, frame, _)| *at as u64 <= frame + 5), "{script}: {got:?}");
        }
    }

    #[test]
    fn others_are_softened_and_the_caller_is_not_held() {
        assert!(passed("..cccc..cc").iter().all(|(at, frame, soft)| *at as u64 == *frame && !soft));
        let soft =
            |script| passed(script).iter().filter(|(_, _, soft)| *soft).map(|(_, frame, _)| *frame).collect::<Vec<_>>();
        assert_eq!(soft("cc..ooooooo..cc"), [4, 5, 6, 7], "the last 100 ms may begin what comes");
        assert_eq!(soft("ooooo"), [0, 1, 2, 3, 4], "nothing more is waited for");
        assert_eq!(soft(".ooo.ccc"), [0u64; 0], "the s of six");
    }
}
