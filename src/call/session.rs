//! One answered call: translates between signalling, media, engines and the agent. It decides nothing.
//!
//! What happens becomes an [`Input`] with its time; what the agent wants becomes an order to the speech thread, a request to
//! the peer or an entry in the book. The loop ends when there is an end reason; there is never a second one.

use super::calls::Shared;
use super::event::{CallEvent, LiveEvent, LiveKind};
use super::ledger::Ledger;
use super::negotiate::{Descriptions, Settled};
use super::once::Once;
use super::replies::Replies;
use super::speak::Line;
use super::speech::{Observation, Observed, SpeechHandle, SpeechOrder};
use crate::agent::{Action, Agent, AgentEvent, Input, without_mood};
use crate::audio::{MediaTime, UtteranceId};
use crate::media::{MediaControl, MediaEvent};
use crate::metrics::{Metrics, Stage};
use crate::record::{CallRecord, EndReason, KeepEmotion, Speaker, TurnLatency, TurnRecord};
use crate::speech::{EngineKind, HypothesisKind, Language, Manner, Reply, Role, SpeechRequest};
use crate::ua::{Dialog, DialogEvent, Responder};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the slow rules (media timeout, longest call) are looked at.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// How long the last play-out report may take after the media was told to stop: two ticks.
const LAST_REPORT: Duration = Duration::from_millis(60);

/// How loud the agent goes on while it is not sure whether it is being interrupted, in dB.
const DUCKED_DB: f32 = -12.0;

/// A call that is up.
pub(super) struct Session {
    pub shared: Arc<Shared>,
    pub dialog: Dialog,
    pub media: MediaControl,
    pub speech: SpeechHandle,
    pub observations: mpsc::Receiver<Observation>,
    pub agent: Agent,
    pub ledger: Ledger,
    pub replies: Replies,
    pub once: Once,
    pub language: Language,
    pub voice: Option<String>,
    /// How lines are said.
    pub manner: Manner,
    pub descriptions: Descriptions,
    pub on_hold: bool,
    /// When the recogniser was asked for a final answer that has not come.
    pub flushed: Option<MediaTime>,
    /// The recogniser computes on this machine.
    pub hears_here: bool,
    pub transfers: mpsc::Receiver<bool>,
    pub transfer_failed: mpsc::Sender<bool>,
    pub status: super::calls::StatusHandle,
}

impl Session {
    /// Holds the call to its end and gives the record.
    pub(super) async fn run(mut self, mut first: Vec<Input>) -> CallRecord {
        self.show(LiveKind::Started { origin: self.media.origin() });
        first.insert(0, Input::Answered);
        for input in first {
            self.agent.handle(self.media.now(), input);
        }
        let mut end = self.translate();
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let stop = self.shared.stop.clone();
        while end.is_none() {
            let deadline = self.agent.deadline().map(|at| at.since(self.media.origin()));
            end = tokio::select! {
                event = self.dialog.events.recv() => self.on_dialog(event),
                Some(accepted) = self.transfers.recv() => {
                    self.agent.handle(self.media.now(), Input::TransferEnded { accepted });
                    None
                }
                Some(observation) = self.observations.recv() => { self.on_observation(observation); None }
                (ask, reply) = self.replies.next() => {
                    if matches!(reply, Reply::Delta(_)) {
                        self.answering(ask);
                    }
                    self.agent.handle(self.media.now(), Input::Reply { ask, reply });
                    None
                }
                () = until(deadline) => { self.agent.handle(self.media.now(), Input::Deadline); None }
                _ = housekeeping.tick() => self.overdue(),
                () = stop.cancelled() => Some(EndReason::Drained),
            };
            let wanted = self.translate();
            end = end.or(wanted);
            self.log_questions();
        }
        self.wind_up(end.unwrap_or(EndReason::Completed)).await
    }

    /// Carries out what the agent wants. Gives the end reason when that is the end.
    fn translate(&mut self) -> Option<EndReason> {
        let mut end = None;
        while let Some(action) = self.agent.poll() {
            match action {
                Action::Say { utterance, text } => {
                    self.once.said(utterance);
                    let line = self.line(utterance, text);
                    self.order(SpeechOrder::Say(line));
                }
                Action::SayFirst { utterance, text } => {
                    self.once.said(utterance);
                    let line = self.line(utterance, text);
                    self.order(SpeechOrder::SayFirst(line));
                }
                Action::Prepare { utterance, text } => {
                    let line = self.line(utterance, text);
                    self.order(SpeechOrder::Prepare(line));
                }
                Action::Discard { utterance } => {
                    self.once.dropped(utterance);
                    self.order(SpeechOrder::Discard(utterance));
                }
                Action::StopSpeaking => {
                    let epoch = self.media.new_epoch();
                    self.shared.metrics.barge_in();
                    self.order(SpeechOrder::Stop { epoch });
                }
                Action::Duck => self.media.set_gain_db(DUCKED_DB),
                Action::Pause => self.media.pause(),
                Action::Unduck => self.media.set_gain_db(0.0),
                Action::Manner(manner) => self.manner = manner,
                Action::Expect(what) => self.order(SpeechOrder::Expect(what)),
                Action::Flush => {
                    self.flushed.get_or_insert(self.media.now());
                    self.order(SpeechOrder::Flush);
                }
                Action::FinishUtterance { usual } => {
                    // What was not answered until now is at least as late as this.
                    self.answer_heard(self.media.now());
                    self.order(SpeechOrder::Finish { usual });
                }
                Action::Ask { ask, request } => {
                    self.once.asked(ask);
                    let state = self.agent.state_name().to_owned();
                    if let Err(error) = self.replies.ask(ask, &request, &state, self.media.now()) {
                        tracing::warn!(call = %self.ledger.id(), %error, "the language model cannot be asked");
                        let reply = Reply::Failed(error.to_string());
                        self.agent.handle(self.media.now(), Input::Reply { ask, reply });
                    }
                }
                Action::CancelAsk { ask } => self.replies.cancel(ask),
                Action::SendDtmf(digits) => {
                    if let Err(error) = self.media.send_dtmf(&digits) {
                        tracing::warn!(call = %self.ledger.id(), %error, "keys could not be sent");
                    }
                }
                Action::Transfer { target } => self.transfer(target),
                Action::HangUp(reason) => end = end.or(Some(reason)),
                Action::Report(event) => self.report(event),
            }
        }
        end
    }

    /// Enters who answers a question, when its first words come: a chain may have moved on since it was asked.
    fn answering(&mut self, ask: u32) {
        let Some((name, another)) = self.replies.answering(ask) else { return };
        if another {
            self.shared.metrics.engine_fell_back(EngineKind::Llm.name(), &name);
        }
        self.ledger.served(EngineKind::Llm, name);
    }

    /// Has the questions to the language model that are over written down.
    fn log_questions(&mut self) {
        for mut exchange in self.replies.take_over() {
            if self.shared.config.keep_emotion == KeepEmotion::None {
                for message in exchange.messages.iter_mut().filter(|message| message.role == Role::System) {
                    message.content = without_mood(&message.content).to_owned();
                }
            }
            let asked = CallEvent::Asked { id: self.ledger.id(), exchange: Box::new(exchange) };
            if self.shared.records.try_send(asked).is_err() {
                tracing::warn!(call = %self.ledger.id(), "no room: a question to the language model is not logged");
            }
        }
    }

    /// Asks the peer to leave for `target`, without making the call wait for its reply.
    fn transfer(&self, target: String) {
        let (dialog, failed, call) = (self.dialog.control(), self.transfer_failed.clone(), self.ledger.id());
        tokio::spawn(async move {
            if let Err(error) = dialog.refer(&target).await {
                tracing::warn!(%call, %error, "the transfer was refused");
                // The receiver is gone when the call is over.
                let _ = failed.send(false).await;
            }
        });
    }

    fn line(&self, utterance: UtteranceId, text: String) -> Line {
        let request = SpeechRequest { text, language: self.language.clone(), voice: self.voice.clone() };
        Line { utterance, epoch: self.media.epoch(), request, manner: self.manner }
    }

    fn order(&self, order: SpeechOrder) {
        if !self.speech.order(order) {
            tracing::error!(call = %self.ledger.id(), "the speech thread does not take orders");
        }
    }

    fn on_observation(&mut self, Observation { at, what }: Observation) {
        let input = match what {
            Observed::Edge(edge) => Input::Speech(edge),
            Observed::Cue(cue) => Input::Cue(cue),
            Observed::Heard(hypothesis) => {
                if hypothesis.kind == HypothesisKind::Final {
                    self.answer_heard(at);
                }
                Input::Heard(hypothesis)
            }
            Observed::Media(MediaEvent::Playout(event)) => Input::Playout(event),
            Observed::Media(MediaEvent::Dtmf { digit, .. }) => Input::Dtmf(digit),
            Observed::LineReady { utterance, total_samples } => Input::LineReady { utterance, total_samples },
            Observed::LineFailed { utterance, why } => {
                tracing::warn!(call = %self.ledger.id(), %why, "a line could not be spoken");
                Input::LineFailed { utterance }
            }
            Observed::Served { kind, name, remote } => {
                if kind == EngineKind::Asr {
                    self.hears_here = !remote;
                }
                if self.ledger.has_served(kind) {
                    self.shared.metrics.engine_fell_back(kind.name(), &name);
                }
                return self.ledger.served(kind, name);
            }
            Observed::Down { kind, why } => {
                tracing::error!(call = %self.ledger.id(), kind = kind.name(), %why, "no engine left");
                self.shared.metrics.engine_failed(kind.name(), "all");
                Input::EngineDown(kind)
            }
        };
        self.agent.handle(at.max(self.media.now()), input);
    }

    /// The recogniser's final answer is there, or nobody waits for it any more.
    fn answer_heard(&mut self, at: MediaTime) {
        if let Some(asked) = self.flushed.take()
            && self.hears_here
        {
            self.shared.weigh(|load, now| load.heard(now, at.ms_since(asked).max(0.0)));
        }
    }

    fn on_dialog(&mut self, event: Option<DialogEvent>) -> Option<EndReason> {
        let input = match event {
            Some(DialogEvent::Reinvite { offer, responder }) => {
                self.renegotiate(offer.as_deref(), responder);
                return None;
            }
            Some(DialogEvent::Acknowledged { sdp }) => {
                // It holds an answer only when the re-INVITE had left the offer to us.
                match sdp.map(|answer| self.descriptions.accept(&answer)) {
                    Some(Ok(settled)) => self.change(settled),
                    Some(Err(error)) => tracing::warn!(call = %self.ledger.id(), %error, "the peer's answer is no use"),
                    None => {}
                }
                return None;
            }
            Some(DialogEvent::Dtmf(digit)) => Input::Dtmf(digit),
            Some(DialogEvent::TransferEnded { accepted, .. }) => Input::TransferEnded { accepted },
            Some(
                DialogEvent::Progress { .. } | DialogEvent::Answered { .. } | DialogEvent::TransferProgress { .. },
            ) => {
                return None;
            }
            Some(DialogEvent::Bye { .. }) => return Some(EndReason::PeerHungUp),
            Some(DialogEvent::Failed { status, reason }) => {
                return Some(EndReason::Failed { why: format!("the dialog ended with {status} {reason}") });
            }
            Some(DialogEvent::Ended(cause)) => {
                return Some(EndReason::Failed { why: format!("the dialog ended: {cause:?}") });
            }
            None => return Some(EndReason::Failed { why: "the dialog was lost".into() }),
        };
        self.agent.handle(self.media.now(), input);
        None
    }

    /// The peer wants to change the media: hold, resume, another address or codec.
    fn renegotiate(&mut self, offer: Option<&[u8]>, responder: Responder) {
        let Some(offer) = offer else { return responder.accept(self.descriptions.offer()) };
        match self.descriptions.answer(offer) {
            Ok((answer, settled)) => {
                self.change(settled);
                responder.accept(answer);
            }
            Err(error) => {
                tracing::warn!(call = %self.ledger.id(), %error, "a re-INVITE is refused; the media stays as it was");
                responder.reject(488);
            }
        }
    }

    fn change(&mut self, settled: Settled) {
        self.on_hold = settled.on_hold;
        if let Err(error) = self.media.update(settled.stream) {
            tracing::error!(call = %self.ledger.id(), %error, "the media could not be changed");
        }
    }

    /// The slow rules.
    fn overdue(&mut self) -> Option<EndReason> {
        self.status.update(&self.agent, self.media.now());
        self.shared.weigh_again();
        let config = &self.shared.config;
        if !self.on_hold && self.media.silent_for_ms() > config.media_timeout_s.saturating_mul(1000) {
            return Some(EndReason::MediaTimeout);
        }
        (self.media.now() > MediaTime::from_ms(config.max_duration_s.saturating_mul(1000)))
            .then_some(EndReason::TooLong)
    }

    /// Ends the call: takes the last play-out report into the transcript, says goodbye to the peer, closes the book.
    async fn wind_up(mut self, reason: EndReason) -> CallRecord {
        let now = self.media.now();
        self.media.new_epoch();
        let last = tokio::time::Instant::now() + LAST_REPORT;
        while let Ok(Some(observation)) = tokio::time::timeout_at(last, self.observations.recv()).await {
            self.on_observation(observation);
        }
        self.agent.handle(self.media.now().max(now), Input::Over);
        while let Some(action) = self.agent.poll() {
            if let Action::Report(event) = action {
                self.report(event);
            }
        }
        self.replies.cancel_all();
        self.log_questions();
        let tally = self.agent.ahead_tally();
        self.shared.metrics.answered_ahead(tally.kept, tally.dropped, self.once.twice());
        self.shared.metrics.answers(tally.ready, tally.answers.saturating_sub(tally.ready));
        self.media.stop();
        if reason != EndReason::PeerHungUp {
            let cause = format!("SIP;cause=200;text=\"{}\"", reason.label());
            self.dialog.hangup(Some(&cause));
        }
        let report = self.media.report();
        self.ledger.close(reason, time::OffsetDateTime::now_utc(), report)
    }

    /// Enters what the agent reports, counts it and shows it.
    fn report(&mut self, event: AgentEvent) {
        if let AgentEvent::Turn(turn) = &event {
            count(&self.shared.metrics, turn);
            if let Some(added_ms) = turn.latency.as_ref().and_then(TurnLatency::added_ms) {
                self.shared.weigh(|load, now| load.answered(now, added_ms));
            }
        }
        if let Some(kind) = self.ledger.enter(event) {
            self.show(kind);
        }
    }

    fn show(&self, kind: LiveKind) {
        // Nobody watching is not an error.
        let _ = self.shared.live.send(LiveEvent { call: self.ledger.id(), instant: Instant::now(), kind });
    }
}

/// The server's own view of how fast it was; the published figure is the telephone's.
fn count(metrics: &Metrics, turn: &TurnRecord) {
    if turn.speaker == Speaker::Caller {
        return metrics.caller_turn();
    }
    let Some(latency) = &turn.latency else { return };
    let between = |from: Option<MediaTime>, to: Option<MediaTime>| {
        Some(Duration::from_micros((to?.ms_since(from?).max(0.0) * 1000.0) as u64))
    };
    if let Some(gap) = between(latency.speech_end, latency.first_packet) {
        metrics.response_gap(gap);
    }
    for (stage, from, to) in [
        (Stage::Endpoint, latency.speech_end, latency.decided),
        (Stage::FirstToken, latency.decided, latency.first_token),
        (Stage::FirstAudio, latency.first_token, latency.first_audio),
        (Stage::FirstPacket, latency.first_audio, latency.first_packet),
    ] {
        if let Some(took) = between(from, to) {
            metrics.response_stage(stage, took);
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
