//! What the caller's voice tells beside the words: whether a pause sounds like an end, whether speech over the agent's own
//! is meant to interrupt. Each is a measurement; what follows from it is for the agent to decide.

use super::Emotion;
use crate::audio::MediaTime;

/// Something heard beside the words.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Cue {
    /// How the speech before a pause ended.
    Pause(PauseCue),
    /// What speech over the agent's voice sounds like.
    Overlap(OverlapCue),
    /// What a turn model says of a pause.
    Turn(TurnCue),
    /// The first frame after a pause that may be speech ended here. Speech is announced only when there is more of it; until
    /// then it is better not to begin to speak.
    Stir(MediaTime),
    /// How the voice sounds: about every half second of speech, and at the end of an utterance.
    Emotion(Emotion),
}

/// How the voice ended before a pause. Sent with, or soon after, the [`SpeechEdge::Paused`](super::SpeechEdge::Paused) of
/// the same `last`. Final falls and final lengthening mark the ends of turns, level pitch marks a turn that goes on (Gravano
/// and Hirschberg, Computer Speech and Language 25, 2011).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PauseCue {
    /// Just after the last sample of speech.
    pub last: MediaTime,
    /// Fall of the pitch over the last 300 ms of voiced speech, in semitones; negative where it rises. None: too little of
    /// it was voiced.
    pub pitch_fall_st: Option<f32>,
    /// Length of the last voiced stretch against this caller's usual one, as a ratio: over 1 is longer than usual.
    pub lengthening: Option<f32>,
    /// How much softer the last 200 ms of speech are than the utterance as a whole, in dB.
    pub level_fall_db: f32,
}

/// What speech over the agent's voice sounds like. Sent more than once while the overlap goes on; later ones know more.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OverlapCue {
    /// First sample of the speech, as in its [`SpeechEdge::Started`](super::SpeechEdge::Started).
    pub onset: MediaTime,
    /// Just after the last sample that was looked at.
    pub covers: MediaTime,
    /// 0 to 1: how much of it is what we sent ourselves, come back.
    pub echo: f32,
    /// 0 to 1: how likely it is a backchannel ("mm-hm", "uh-huh", 嗯) and not the beginning of a turn.
    pub backchannel: f32,
    /// Its level against the caller's usual one, in dB. None before the caller's level is known.
    pub level_db: Option<f32>,
}

/// What a turn model says of a pause.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TurnCue {
    /// Just after the last sample that it heard.
    pub covers: MediaTime,
    /// 0 to 1: how likely the turn is complete.
    pub complete: f32,
}
