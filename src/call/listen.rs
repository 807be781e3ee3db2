//! The caller's side: frames in, voice edges and words out.

use super::speech::{Observed, Outbox};
use crate::audio::{AudioFrame, MediaTime};
use crate::speech::voice::{Muffle, VoiceCues, Whose};
use crate::speech::{
    Cue, EmotionDetector, EngineError, EngineKind, Expectation, Gate, RecognizerStream, SpeechEdge, TurnDetector,
    VoiceDetector,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames kept from before a speech onset: the gate is sure only after some speech, and the first consonant comes before it.
const PRE_ROLL_FRAMES: usize = 20;
/// How much of the pre-roll before the onset the recogniser gets, in milliseconds: a little silence to adapt to.
const LEAD_IN_MS: u64 = 140;

/// Voice detection and recognition of one call.
pub(super) struct Listen {
    vad: Box<dyn VoiceDetector>,
    gate: Gate,
    turn: Option<Box<dyn TurnDetector>>,
    /// What the voice tells beside the words.
    voice: Box<VoiceCues>,
    /// What of the line the recogniser hears.
    muffle: Muffle,
    /// How the voice sounds. None: nobody wants to know.
    emotion: Option<Box<dyn EmotionDetector>>,
    recognizer: Option<Box<dyn RecognizerStream>>,
    pre_roll: VecDeque<(AudioFrame, Whose)>,
    /// Frames go to the recogniser: from an onset until the session says that the utterance is over.
    in_utterance: bool,
    /// The gate says that the caller speaks.
    speaking: bool,
    /// The gate says that the caller may have begun to.
    rising: bool,
    /// Name of the recogniser where its stream does not say which engine of a chain serves.
    name: String,
    served: String,
}

impl Listen {
    /// `recognizer` is none when no engine could be opened: edges and keys still work then.
    pub(super) fn new(
        vad: Box<dyn VoiceDetector>,
        gate: Gate,
        turn: Option<Box<dyn TurnDetector>>,
        emotion: Option<Box<dyn EmotionDetector>>,
        recognizer: Option<Box<dyn RecognizerStream>>,
        name: &str,
    ) -> Self {
        Self {
            vad,
            gate,
            turn,
            voice: Box::default(),
            muffle: Muffle::default(),
            emotion,
            recognizer,
            pre_roll: VecDeque::with_capacity(PRE_ROLL_FRAMES + 1),
            in_utterance: false,
            speaking: false,
            rising: false,
            name: name.to_owned(),
            served: String::new(),
        }
    }

    pub(super) fn expect(&mut self, what: &Arc<Expectation>) {
        if let Some(recognizer) = &mut self.recognizer {
            recognizer.expect(what);
        }
    }

    pub(super) fn flush(&mut self) {
        if let Some(recognizer) = &mut self.recognizer {
            self.muffle.flush(|frame| recognizer.push(frame));
            recognizer.flush();
        }
    }

    /// The utterance is over; `usual`: the caller's usual voice may be learned from it.
    pub(super) fn finish(&mut self, usual: bool) {
        if let Some(recognizer) = &mut self.recognizer {
            self.muffle.flush(|frame| recognizer.push(frame));
            recognizer.finish();
        }
        if let Some(emotion) = &mut self.emotion {
            emotion.finish(usual);
        }
        // A caller who speaks on is already in the next utterance.
        self.in_utterance = self.speaking;
        self.pre_roll.clear();
    }

    /// Takes one frame of ours, as it went out: the caller may hear it come back.
    pub(super) fn sent(&mut self, frame: &AudioFrame) {
        self.voice.sent(frame);
    }

    /// Takes one frame of the caller.
    pub(super) fn hear(&mut self, frame: &AudioFrame, outbox: &mut Outbox) {
        // A detector that answers about an earlier frame has heard nothing before its first one.
        let lag_ms = self.vad.lag_ms();
        let probability = self.voice.heard(frame, self.vad.push(frame), lag_ms);
        let whose = self.voice.whose();
        let edge = (frame.at.ms() >= lag_ms).then(|| self.gate.push(frame.at.minus_ms(lag_ms), probability)).flatten();
        if let Some(turn) = &mut self.turn {
            turn.push(frame);
        }
        if self.in_utterance {
            self.feed(frame, whose, outbox);
        } else {
            if self.pre_roll.len() >= PRE_ROLL_FRAMES {
                self.pre_roll.pop_front();
            }
            self.pre_roll.push_back((*frame, whose));
        }
        match edge {
            Some(SpeechEdge::Started { onset }) => {
                self.speaking = true;
                if !self.in_utterance {
                    self.in_utterance = true;
                    let from = onset.minus_ms(LEAD_IN_MS);
                    let mut pre_roll = std::mem::take(&mut self.pre_roll);
                    for (frame, whose) in pre_roll.drain(..).filter(|(frame, _)| frame.end() > from) {
                        self.feed(&frame, whose, outbox);
                    }
                    self.pre_roll = pre_roll;
                }
            }
            Some(SpeechEdge::Paused { last }) => {
                self.speaking = false;
                if let Some(turn) = &mut self.turn {
                    turn.ask(last);
                }
            }
            None => {}
        }
        if let Some(edge) = edge {
            outbox.put(frame.end(), Observed::Edge(edge));
        }
        // Of speech that was our own echo nothing was kept: the gate never opened for it.
        if let (Some(SpeechEdge::Paused { .. }), Some(emotion)) = (edge, &mut self.emotion)
            && let Some(heard) = emotion.pause(frame.end())
        {
            outbox.put(frame.end(), Observed::Cue(Cue::Emotion(heard)));
        }
        let rising = self.gate.is_rising();
        if rising && !std::mem::replace(&mut self.rising, rising) {
            outbox.put(frame.end(), Observed::Cue(Cue::Stir(frame.end())));
        }
        self.rising = rising;
        if let Some(cue) = self.voice.cue(frame.end(), edge) {
            outbox.put(frame.end(), Observed::Cue(cue));
        }
    }

    fn feed(&mut self, frame: &AudioFrame, whose: Whose, outbox: &mut Outbox) {
        if let Some(heard) = self.emotion.as_mut().and_then(|emotion| emotion.push(frame)) {
            outbox.put(frame.end(), Observed::Cue(Cue::Emotion(heard)));
        }
        if let Some(recognizer) = &mut self.recognizer {
            self.muffle.push(frame, whose, |frame| recognizer.push(frame));
        }
    }

    /// Takes what the turn model and the recogniser have.
    pub(super) fn collect(&mut self, now: MediaTime, outbox: &mut Outbox) {
        match self.turn.as_mut().and_then(|turn| turn.poll()) {
            Some(Ok(cue)) => outbox.put(now, Observed::Cue(Cue::Turn(cue))),
            Some(Err(error)) => {
                tracing::warn!(%error, "the turn model failed; this call goes on without it");
                self.turn = None;
            }
            None => {}
        }
        while let Some(recognizer) = &mut self.recognizer {
            match recognizer.poll() {
                None => return,
                Some(Ok(hypothesis)) => {
                    let name = recognizer.engine().unwrap_or(&self.name);
                    if name != self.served {
                        self.served = name.to_owned();
                        let (name, remote) = (self.served.clone(), recognizer.is_remote());
                        outbox.put(now, Observed::Served { kind: EngineKind::Asr, name, remote });
                    }
                    outbox.put(now, Observed::Heard(hypothesis));
                }
                Some(Err(error)) => self.deaf(&error, now, outbox),
            }
        }
    }

    fn deaf(&mut self, error: &EngineError, now: MediaTime, outbox: &mut Outbox) {
        self.recognizer = None;
        outbox.put(now, Observed::Down { kind: EngineKind::Asr, why: error.to_string() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::FrameOrigin;
    use crate::speech::{GateConfig, Hypothesis, TurnCue};
    use std::sync::Mutex;
    use tokio::sync::mpsc;

    /// Loud is speech, and the answer is about the frame before.
    struct Late(f32);

    impl VoiceDetector for Late {
        fn push(&mut self, frame: &AudioFrame) -> f32 {
            std::mem::replace(&mut self.0, if frame.samples[0] > 1000 { 1.0 } else { 0.0 })
        }
        fn lag_ms(&self) -> u64 {
            20
        }
    }

    /// Answers at the first poll after a question, with what it covers.
    struct Asked(MediaTime, Option<MediaTime>);

    impl TurnDetector for Asked {
        fn push(&mut self, frame: &AudioFrame) {
            self.0 = frame.end();
        }
        fn ask(&mut self, last: MediaTime) {
            assert!(last < self.0);
            self.1 = Some(self.0);
        }
        fn poll(&mut self) -> Option<Result<TurnCue, EngineError>> {
            self.1.take().map(|covers| Ok(TurnCue { covers, complete: 0.75 }))
        }
    }

    #[test]
    fn each_pause_is_put_to_the_turn_model_and_late_answers_are_read_in_their_time() {
        let turn = Asked(MediaTime::ZERO, None);
        let gate = Gate::new(GateConfig::default());
        let mut listen = Listen::new(Box::new(Late(0.0)), gate, Some(Box::new(turn)), None, None, "none");
        let (sender, mut receiver) = mpsc::channel(64);
        let mut outbox = Outbox::new(sender);
        // Two words: 200 to 400 ms and 800 to 1000 ms.
        for n in 0..70 {
            let loud = if (10..20).contains(&n) || (40..50).contains(&n) { 8000 } else { 0 };
            let mut frame = AudioFrame::silence(MediaTime::from_frames(n));
            (frame.origin, frame.samples) = (FrameOrigin::Received, [loud; 320]);
            listen.hear(&frame, &mut outbox);
            listen.collect(frame.end(), &mut outbox);
        }
        let mut got = Vec::new();
        while let Ok(observation) = receiver.try_recv() {
            got.push(match observation.what {
                Observed::Edge(SpeechEdge::Started { onset }) => ("started", onset.ms()),
                Observed::Edge(SpeechEdge::Paused { last }) => ("paused", last.ms()),
                Observed::Cue(Cue::Turn(cue)) => ("turn", cue.covers.ms()),
                // What the voice itself tells is another test's matter.
                Observed::Cue(_) => continue,
                other => panic!("{other:?}"),
            });
        }
        // Announced 80 ms after the end, and 20 ms later for the detector's lag.
        let word = |from, to| [("started", from), ("paused", to), ("turn", to + 100)];
        assert_eq!(got, [word(160, 400), word(760, 1000)].concat());
    }

    /// Keeps the loudness of what it hears.
    struct Ear(Arc<Mutex<Vec<(u64, i16)>>>);

    impl RecognizerStream for Ear {
        fn push(&mut self, frame: &AudioFrame) {
            self.0.lock().unwrap().push((frame.at.ms(), frame.samples[0]));
        }
        fn expect(&mut self, _: &Arc<Expectation>) {}
        fn flush(&mut self) {}
        fn finish(&mut self) {}
        fn poll(&mut self) -> Option<Result<Hypothesis, EngineError>> {
            None
        }
    }

    /// Anything is speech.
    struct Anything;

    impl VoiceDetector for Anything {
        fn push(&mut self, frame: &AudioFrame) -> f32 {
            f32::from(u8::from(frame.samples[0] > 0))
        }
    }

    #[test]
    fn the_recogniser_hears_each_frame_once_and_who_speaks_behind_the_caller_much_softer() {
        let heard = Arc::default();
        let gate = Gate::new(GateConfig::default());
        let ear = Box::new(Ear(Arc::clone(&heard)));
        let mut listen = Listen::new(Box::new(Anything), gate, None, None, Some(ear), "ear");
        let (sender, _receiver) = mpsc::channel(64);
        let mut outbox = Outbox::new(sender);
        // A caller for 600 ms, somebody 28 dB softer for 800 ms, the caller again.
        for n in 0..100 {
            let loudness = if (30..70).contains(&n) { 320 } else { 8000 };
            let frame =
                AudioFrame { at: MediaTime::from_frames(n), origin: FrameOrigin::Received, samples: [loudness; 320] };
            listen.hear(&frame, &mut outbox);
        }
        listen.finish(false);
        let heard = heard.lock().unwrap();
        assert!(heard.iter().map(|(at, _)| *at).eq((0..100).map(|n| 20 * n)), "{heard:?}");
        let softer: Vec<u64> = heard.iter().filter(|(_, loudness)| *loudness == 10).map(|(at, _)| at / 20).collect();
        // The end of a word (200 ms from the last loud step) and the last 100 ms, which may begin what comes, are as they were.
        assert_eq!(softer, (41..65).collect::<Vec<_>>());
    }
}
