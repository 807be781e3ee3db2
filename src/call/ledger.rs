//! Keeps the book of one call: what the agent reports becomes the record.

use super::event::LiveKind;
use crate::agent::AgentEvent;
use crate::id::CallId;
use crate::pii;
use crate::record::{
    CallParty, CallRecord, Direction, EMOTION_POINTS, EndReason, KeepEmotion, MediaReport, Speaker, TurnNotes,
    TurnRecord,
};
use crate::speech::EngineKind;
use time::OffsetDateTime;

/// The growing record of a call.
#[derive(Debug)]
pub(super) struct Ledger {
    record: CallRecord,
    keep: KeepEmotion,
}

impl Ledger {
    /// Opens the book when the INVITE arrives or is sent.
    pub(super) fn open(id: CallId, direction: Direction, party: CallParty, flow: &str, began: OffsetDateTime) -> Self {
        Self { keep: KeepEmotion::default(), record: CallRecord::open(id, direction, party, flow, began) }
    }

    /// How much is kept, and shown, of how the caller sounded.
    pub(super) fn keeping(self, keep: KeepEmotion) -> Self {
        Self { keep, ..self }
    }

    /// The call.
    pub(super) fn id(&self) -> CallId {
        self.record.id
    }

    /// The call was answered.
    pub(super) fn answered(&mut self, at: OffsetDateTime, recording: Option<String>) {
        self.record.answered = Some(at);
        self.record.recording = recording;
    }

    /// The SIP Call-ID became known after the book was opened (calls that we place).
    pub(super) fn sip_call_id(&mut self, id: &str) {
        self.record.party.sip_call_id = id.to_owned();
    }

    /// An engine of this kind has served before.
    pub(super) fn has_served(&self, kind: EngineKind) -> bool {
        let engines = &self.record.engines;
        let names = match kind {
            EngineKind::Vad => &engines.vad,
            EngineKind::Asr => &engines.asr,
            EngineKind::Tts => &engines.tts,
            EngineKind::Llm => &engines.llm,
        };
        !names.is_empty()
    }

    /// An engine served for the first time.
    pub(super) fn served(&mut self, kind: EngineKind, name: String) {
        let names = match kind {
            EngineKind::Vad => &mut self.record.engines.vad,
            EngineKind::Asr => &mut self.record.engines.asr,
            EngineKind::Tts => &mut self.record.engines.tts,
            EngineKind::Llm => &mut self.record.engines.llm,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }

    /// Enters what the agent reports, masked, and gives what may be shown to those who watch; nothing of what may not be kept.
    pub(super) fn enter(&mut self, event: AgentEvent) -> Option<LiveKind> {
        let event = match event {
            AgentEvent::Turn(mut turn) => {
                turn.text = pii::mask_text(&turn.text);
                turn.intended = turn.intended.as_deref().map(pii::mask_text);
                turn.dtmf = mask_keys(&turn.dtmf);
                if self.keep != KeepEmotion::All {
                    turn.emotion = None;
                }
                self.record.turns.push(turn.clone());
                AgentEvent::Turn(turn)
            }
            AgentEvent::Hearing { text } => AgentEvent::Hearing { text: pii::mask_text(&text) },
            AgentEvent::Slot { name, value } => {
                let value = pii::mask_text(&value);
                self.record.slots.insert(name.clone(), value.clone());
                if let Some(turn) = self.callers_last() {
                    turn.notes.slots.insert(name.clone(), value.clone());
                }
                AgentEvent::Slot { name, value }
            }
            AgentEvent::State { state } => {
                self.record.last_state = Some(state.clone());
                AgentEvent::State { state }
            }
            AgentEvent::Timeline(mut event) => {
                if let Some(text) = event.what.text_mut() {
                    *text = pii::mask_text(text);
                }
                self.record.timeline.push(event.clone());
                AgentEvent::Timeline(event)
            }
            AgentEvent::Understood(notes) => {
                if let Some(turn) = self.callers_last() {
                    let (slots, accepted) = (std::mem::take(&mut turn.notes.slots), turn.notes.accepted.take());
                    *turn.notes = TurnNotes { slots, accepted, ..TurnNotes::clone(&notes) };
                }
                AgentEvent::Understood(notes)
            }
            AgentEvent::Objection(objection) => {
                self.record.sales.objection(objection.clone());
                AgentEvent::Objection(objection)
            }
            AgentEvent::Tool(tool) => {
                self.record.llm.tool(tool.clone());
                AgentEvent::Tool(tool)
            }
            AgentEvent::Unsaid { why } => {
                self.record.llm.unsaid(why);
                AgentEvent::Unsaid { why }
            }
            AgentEvent::Offer(offer) => {
                self.record.sales.offer(offer.clone());
                if let Some(turn) = self.callers_last().filter(|_| offer.accepted) {
                    turn.notes.accepted = Some(offer.offer.clone());
                }
                AgentEvent::Offer(offer)
            }
            AgentEvent::Emotion(_) if self.keep != KeepEmotion::All => return None,
            AgentEvent::Emotion(point) => {
                if self.record.emotion.len() < EMOTION_POINTS {
                    self.record.emotion.push(point);
                }
                AgentEvent::Emotion(point)
            }
            AgentEvent::Mood(switch) => {
                let switch = self.keep.switch(switch)?;
                self.record.moods.push(switch.clone());
                AgentEvent::Mood(switch)
            }
            AgentEvent::Disposition(disposition) => {
                self.record.disposition = Some(disposition.clone());
                AgentEvent::Disposition(disposition)
            }
        };
        Some(LiveKind::Agent(event))
    }

    /// The last turn of the caller.
    fn callers_last(&mut self) -> Option<&mut TurnRecord> {
        self.record.turns.iter_mut().rev().find(|turn| turn.speaker == Speaker::Caller)
    }

    /// The author's version of the flow.
    pub(super) fn flow_version(&mut self, version: u32) {
        self.record.sales.flow_version = version;
    }

    /// Closes the book.
    pub(super) fn close(mut self, reason: EndReason, ended: OffsetDateTime, media: MediaReport) -> CallRecord {
        self.record.ended = ended;
        self.record.duration_ms =
            self.record.answered.map_or(0, |at| u64::try_from((ended - at).whole_milliseconds()).unwrap_or(0));
        self.record.end_reason = reason;
        self.record.media = media;
        self.record.sales.close();
        self.record
    }
}

/// A single key is a menu choice; a longer string may be a number that identifies somebody.
fn mask_keys(keys: &str) -> String {
    if keys.chars().count() <= 2 { keys.to_owned() } else { "•".repeat(keys.chars().count()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;
    use crate::record::{EmotionPoint, MoodCue, MoodCueKind, MoodKind, MoodSwitch, OfferRecord, TurnEmotion};

    fn turn(text: &str, dtmf: &str) -> AgentEvent {
        AgentEvent::Turn(TurnRecord {
            speaker: Speaker::Caller,
            text: text.into(),
            intended: None,
            state: "s".into(),
            began: MediaTime::ZERO,
            ended: MediaTime::from_ms(900),
            confidence: Some(1.0),
            interrupted: false,
            dtmf: dtmf.into(),
            latency: None,
            notes: Default::default(),
            emotion: None,
        })
    }

    fn sounding(keep: KeepEmotion) -> CallRecord {
        let id = CallId::from_parts(0, 1);
        let party = CallParty::default();
        let mut ledger = Ledger::open(id, Direction::Inbound, party, "f", OffsetDateTime::UNIX_EPOCH).keeping(keep);
        let at = MediaTime::from_ms(900);
        let AgentEvent::Turn(turn) = turn("get to the point", "") else { panic!("a turn") };
        let emotion = TurnEmotion { impatience: 0.9, smoothed: 0.9, ..TurnEmotion::default() };
        let cue = MoodCueKind::ExplicitWords;
        let cues = vec![MoodCue { channel: cue.channel(), cue, value: 1.0 }];
        let kind = MoodKind::Impatient;
        let switch = MoodSwitch { at, kind, on: true, score: 0.9, cues, effects: vec!["concise".to_owned()] };
        for (event, shown) in [
            (AgentEvent::Turn(TurnRecord { emotion: Some(Box::new(emotion)), ..turn }), true),
            (AgentEvent::Emotion(EmotionPoint { at, arousal: 0.7, anger: 0.5 }), keep == KeepEmotion::All),
            (AgentEvent::Mood(switch), keep != KeepEmotion::None),
        ] {
            assert_eq!(ledger.enter(event).is_some(), shown, "{keep:?}");
        }
        ledger.close(EndReason::Completed, OffsetDateTime::UNIX_EPOCH, MediaReport::default())
    }

    #[test]
    fn of_how_the_caller_sounded_only_what_may_be_kept_is() {
        let all = sounding(KeepEmotion::All);
        assert_eq!((all.emotion.len(), all.moods.len(), all.turns[0].emotion.is_some()), (1, 1, true));
        let why = sounding(KeepEmotion::Switches);
        assert_eq!((why.emotion.len(), why.turns[0].emotion.is_some()), (0, false));
        assert_eq!((why.moods[0].score, why.moods[0].cues[0].value), (0.0, 0.0));
        let none = serde_json::to_string(&sounding(KeepEmotion::None)).expect("a record is plain data");
        for word in ["mood", "emotion", "impatien", "arousal", "anger"] {
            assert!(!none.contains(word), "{word}: {none}");
        }
    }

    #[test]
    fn what_leaves_the_call_is_masked() {
        let mut ledger = Ledger::open(
            CallId::from_parts(0, 1),
            Direction::Inbound,
            CallParty::default(),
            "f",
            OffsetDateTime::UNIX_EPOCH,
        );
        ledger.enter(turn("my number is 13912345678", "4111#"));
        ledger.enter(AgentEvent::Slot { name: "phone".into(), value: "13912345678".into() });
        let notes = TurnNotes { objection: Some("too_expensive".into()), ..TurnNotes::default() };
        let offer =
            |accepted| AgentEvent::Offer(OfferRecord { offer: "gift".into(), expires_h: 48, terms: None, accepted });
        ledger.enter(offer(false));
        ledger.enter(offer(true));
        ledger.enter(AgentEvent::Understood(Box::new(notes)));
        ledger.served(EngineKind::Tts, "flite".into());
        ledger.served(EngineKind::Tts, "flite".into());
        let record = ledger.close(
            EndReason::Completed,
            OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(3),
            MediaReport::default(),
        );
        let written = serde_json::to_string(&record).expect("a record is plain data");
        assert!(!written.contains("13912345678") && !written.contains("4111"), "{written}");
        assert_eq!(record.engines.tts, ["flite"]);
        let notes = &record.turns[0].notes;
        assert_eq!((notes.objection.as_deref(), notes.slots.len()), (Some("too_expensive"), 1), "of the caller's turn");
        assert_eq!(notes.accepted.as_deref(), Some("gift"), "what the caller took is in the caller's turn");
        assert_eq!(record.duration_ms, 0, "never answered");
    }
}
