//! The telephone as a whole: signalling through [`crate::ua`], media and measuring of its own.

use super::PhoneError;
use super::line::Line;
use super::measure::{Turn, measure};
use super::report::CallReport;
use super::rtp_loop::{CallLog, Happening, Path, Plan};
use crate::audio::CodecKind;
use crate::sdp::{self, Agreed, Direction, Format, LocalMedia};
use crate::ua::{
    self, Account, Dialog, DialogEvent, EndCause, IncomingCall, OutgoingCall, RegistrationState, UserAgent,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a call may ring.
const RINGING: Duration = Duration::from_secs(60);
/// How long to wait for a registration.
const REGISTERING: Duration = Duration::from_secs(15);
/// How long to wait for the peer's answer to our BYE.
const FAREWELL: Duration = Duration::from_secs(3);
/// Calls in that may wait to be answered; more are refused with 503.
const WAITING: usize = 8;
/// When a re-INVITE comes, from the beginning of what is said.
const REINVITE_AFTER: Duration = Duration::from_millis(300);
/// Name of the telephone's one account.
const ACCOUNT: &str = "phone";

/// An extension to register.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: crate::pii::Secret,
    /// The registrar, `host` or `host:port`.
    pub registrar: String,
}

/// What a telephone is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens for SIP; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The extension that it registers, if any.
    pub extension: Option<Extension>,
    /// The codecs that it offers, best first.
    pub codecs: Vec<CodecKind>,
}

/// How a call came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The script was at its end.
    WeHungUp,
    /// The peer hung up.
    PeerHungUp,
    /// It had lasted as long as it may.
    TimeOver,
}

impl End {
    /// As in the report.
    pub fn label(self) -> &'static str {
        match self {
            Self::WeHungUp => "we_hung_up",
            Self::PeerHungUp => "peer_hung_up",
            Self::TimeOver => "time_over",
        }
    }
}

/// A call that was held.
#[derive(Debug)]
pub struct HeldCall {
    /// Who was called or who called.
    pub peer: String,
    /// The SIP Call-ID.
    pub sip_call_id: String,
    /// What both sides spoke.
    pub codec: CodecKind,
    /// How it ended.
    pub end: End,
    /// All that was measured.
    pub log: CallLog,
}

impl HeldCall {
    /// What came of each thing that the caller did.
    pub fn turns(&self) -> Vec<Turn> {
        measure(&self.log.said, &self.log.spurts)
    }

    /// The time of the answer, since the telephone's origin.
    pub fn answered(&self) -> Duration {
        self.log.answered.unwrap_or_default()
    }

    /// The call's line in the report; its number is set there.
    pub fn report(&self) -> CallReport {
        let log = &self.log;
        let tenths = |ms: f64| (ms * 10.0).round() / 10.0;
        let since_answer = |time: Duration| tenths(time.saturating_sub(self.answered()).as_secs_f64() * 1000.0);
        CallReport {
            call: 0,
            peer: self.peer.clone(),
            codec: self.codec.name().to_owned(),
            greeting_ms: log
                .spurts
                .first()
                .filter(|spurt| log.said.first().is_none_or(|said| spurt.began < said.began))
                .map(|spurt| since_answer(spurt.began)),
            greeting_text: None,
            duration_ms: since_answer(log.ended),
            end: self.end.label().to_owned(),
            error: None,
            packets_sent: log.packets_sent,
            packets_received: log.heard.packets,
            packets_lost: log.heard.lost,
            late_p99_ms: log.heard.late_p99_us.map(|us| us as f64 / 1000.0),
            send_late_max_ms: tenths(log.send_late_max_ms),
            moods: Vec::new(),
        }
    }
}

/// The line of a call that failed, in the report.
pub fn failed_call(peer: &str, error: &PhoneError) -> CallReport {
    CallReport {
        peer: peer.to_owned(),
        end: "failed".to_owned(),
        error: Some(error.to_string()),
        ..CallReport::default()
    }
}

/// A telephone that is switched on.
pub struct Handset {
    agent: UserAgent,
    calls: mpsc::Receiver<IncomingCall>,
    codecs: Vec<CodecKind>,
    registers: bool,
}

impl Handset {
    /// Switches it on: opens the SIP port and, with an extension, waits until it is registered.
    ///
    /// A telephone without an extension takes calls from anybody: it is a test device.
    ///
    /// # Errors
    /// [`PhoneError::Signalling`] with the reason and the fix.
    pub async fn start(config: Config) -> Result<Self, PhoneError> {
        let registers = config.extension.is_some();
        let accounts = config.extension.into_iter().map(|extension| Account {
            name: ACCOUNT.to_owned(),
            registrar: extension.registrar,
            username: extension.user,
            password: extension.password,
            ..Account::default()
        });
        let settings = ua::Config {
            listen: config.listen,
            allow: if registers { Vec::new() } else { vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()] },
            user_agent: Some("tipring-phone".to_owned()),
            accounts: accounts.collect(),
            ..ua::Config::default()
        };
        let (sender, calls) = mpsc::channel(WAITING);
        let agent = UserAgent::start(settings, sender).await.map_err(signalling)?;
        let this = Self { agent, calls, codecs: config.codecs, registers };
        if registers {
            this.registered().await?;
        }
        Ok(this)
    }

    /// Where it listens for SIP.
    pub fn local_addr(&self) -> SocketAddr {
        self.agent.local_addr()
    }

    async fn registered(&self) -> Result<(), PhoneError> {
        let mut watch = self.agent.watch_registrations();
        let settled = |state: &RegistrationState| !matches!(state, RegistrationState::Trying);
        let wait = watch.wait_for(|all| all.first().is_some_and(|status| settled(&status.state)));
        let status = match tokio::time::timeout(REGISTERING, wait).await {
            Ok(Ok(all)) => all.first().cloned(),
            Ok(Err(_)) | Err(_) => None,
        };
        match status {
            Some(status) => match status.state {
                RegistrationState::Registered { .. } => Ok(()),
                RegistrationState::Failed { why } => {
                    Err(PhoneError::Signalling(format!("cannot register at {}: {why}", status.registrar)))
                }
                RegistrationState::Trying | RegistrationState::Stopped => {
                    Err(PhoneError::Signalling(format!("cannot register at {}", status.registrar)))
                }
            },
            None => Err(PhoneError::Signalling("the registrar did not answer in time".to_owned())),
        }
    }

    /// Calls `target` (a SIP URI, or a number at the registrar) and holds the conversation of `plan`. `show` is told what
    /// happens as it does.
    ///
    /// # Errors
    /// When there was no conversation: not reached, refused, no codec in common, signalling lost.
    pub async fn call(
        &self,
        target: &str,
        plan: Plan,
        show: &mut (dyn FnMut(&Happening) + Send),
    ) -> Result<HeldCall, PhoneError> {
        let account = self.registers.then(|| ACCOUNT.to_owned());
        let ip = self.agent.local_ip_towards(target, account.as_deref()).await.map_err(signalling)?;
        let line = Line::open(ip, plan)?;
        let local = self.local_media(line.local());
        let call = OutgoingCall {
            target: target.to_owned(),
            from_account: account,
            caller_id: None,
            headers: Vec::new(),
            offer: sdp::offer(&local, Direction::SendRecv),
        };
        let mut dialog = self.agent.invite(call).await.map_err(signalling)?;
        let answer = tokio::time::timeout(RINGING, answered(&mut dialog, target)).await;
        let answer = match answer {
            Ok(answer) => answer?,
            Err(_) => {
                dialog.hangup(None);
                return Err(refused(target, 408, "it rang for a minute"));
            }
        };
        let media = |what: String| PhoneError::Media { peer: target.to_owned(), what };
        let agreed = sdp::accept(&answer, &local).map_err(|error| media(error.to_string()))?;
        let path = path_of(&agreed).ok_or_else(|| media(format!("unknown codec {}", agreed.encoding)))?;
        line.set_path(path);
        Conversation { dialog, line, local, path, peer: target.to_owned() }.hold(show).await
    }

    /// Waits for a call, answers it and holds the conversation of `plan`.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn answer(
        &mut self,
        plan: Plan,
        show: &mut (dyn FnMut(&Happening) + Send),
    ) -> Result<HeldCall, PhoneError> {
        let Some(incoming) = self.calls.recv().await else {
            return Err(PhoneError::Signalling("the SIP stack has stopped".to_owned()));
        };
        let peer = incoming.from.clone();
        let media = |what: String| PhoneError::Media { peer: peer.clone(), what };
        let line = Line::open(incoming.local_ip, plan)?;
        let mut local = self.local_media(line.local());
        let (path, dialog) = match &incoming.offer {
            Some(offer) => match sdp::answer(offer, &local) {
                Ok((answer, agreed)) => {
                    let path = path_of(&agreed).ok_or_else(|| media(format!("unknown codec {}", agreed.encoding)))?;
                    (path, incoming.accept(answer).map_err(signalling)?)
                }
                Err(error) => {
                    // What the caller is told is the status; the reason is ours to show.
                    let _ = incoming.reject(error.status(), "no common audio format", &[]);
                    return Err(media(error.to_string()));
                }
            },
            None => {
                let mut dialog = incoming.accept(sdp::offer(&local, Direction::SendRecv)).map_err(signalling)?;
                let answer = answered(&mut dialog, &peer).await?;
                let agreed = sdp::accept(&answer, &local).map_err(|error| media(error.to_string()))?;
                let path = path_of(&agreed).ok_or_else(|| media(format!("unknown codec {}", agreed.encoding)))?;
                (path, dialog)
            }
        };
        local.version += 1;
        line.set_path(path);
        Conversation { dialog, line, local, path, peer }.hold(show).await
    }

    /// Switches it off.
    pub async fn shutdown(self) {
        self.agent.shutdown().await;
    }

    fn local_media(&self, address: SocketAddr) -> LocalMedia {
        let format = |codec: &CodecKind| Format::new(codec.payload_type(), codec.name(), codec.rtp_clock_hz());
        LocalMedia {
            address,
            formats: self.codecs.iter().map(format).collect(),
            telephone_event: true,
            ptime_ms: 20,
            session_id: u64::from(rand::random::<u32>()),
            version: 1,
        }
    }
}

fn signalling(error: ua::UaError) -> PhoneError {
    PhoneError::Signalling(error.to_string())
}

fn refused(target: &str, status: u16, reason: &str) -> PhoneError {
    PhoneError::Refused { target: target.to_owned(), status, reason: reason.to_owned() }
}

fn path_of(agreed: &Agreed) -> Option<Path> {
    Some(Path {
        remote: agreed.remote,
        codec: agreed.encoding.parse().ok()?,
        payload_type: agreed.payload_type,
        event_payload_type: agreed.dtmf_payload_type,
        sends: agreed.direction.sends(),
    })
}

/// Waits for the peer's answer to our offer.
async fn answered(dialog: &mut Dialog, peer: &str) -> Result<Vec<u8>, PhoneError> {
    let no_sdp =
        || PhoneError::Media { peer: peer.to_owned(), what: "the answer has no session description".to_owned() };
    while let Some(event) = dialog.events.recv().await {
        match event {
            DialogEvent::Answered { sdp } | DialogEvent::Acknowledged { sdp } => return sdp.ok_or_else(no_sdp),
            DialogEvent::Failed { status, reason } => return Err(refused(peer, status, &reason)),
            DialogEvent::Bye { .. } => return Err(PhoneError::Signalling(format!("{peer} hung up at once"))),
            DialogEvent::Ended(cause) => return Err(lost(peer, &cause)),
            DialogEvent::Progress { .. }
            | DialogEvent::Reinvite { .. }
            | DialogEvent::Dtmf(_)
            | DialogEvent::TransferProgress { .. }
            | DialogEvent::TransferEnded { .. } => {}
        }
    }
    Err(PhoneError::Signalling(format!("the signalling with {peer} was lost")))
}

fn lost(peer: &str, cause: &EndCause) -> PhoneError {
    PhoneError::Signalling(match cause {
        EndCause::HungUp => format!("the call to {peer} was ended here"),
        EndCause::NoAck => format!("{peer} never acknowledged our answer"),
        EndCause::Lost(why) => format!("the signalling with {peer} was lost: {why}"),
    })
}

/// A call that is up.
struct Conversation {
    dialog: Dialog,
    line: Line,
    local: LocalMedia,
    path: Path,
    peer: String,
}

impl Conversation {
    async fn hold(mut self, show: &mut (dyn FnMut(&Happening) + Send)) -> Result<HeldCall, PhoneError> {
        let end = self.talk(show).await?;
        let Self { mut dialog, line: Line { rtp, network, .. }, path, peer, .. } = self;
        let sip_call_id = dialog.id().to_owned();
        if end != End::PeerHungUp {
            dialog.hangup(None);
        }
        // Joining the RTP threads blocks for up to a tenth of a second.
        let log = tokio::task::spawn_blocking(move || rtp.stop())
            .await
            .map_err(|error| PhoneError::Thread(std::io::Error::other(error)))??;
        drop(network);
        let last = async { while dialog.events.recv().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, last).await;
        Ok(HeldCall { peer, sip_call_id, codec: path.codec, end, log })
    }

    async fn talk(&mut self, show: &mut (dyn FnMut(&Happening) + Send)) -> Result<End, PhoneError> {
        let mut reinvite_at = None;
        let (answers, mut reanswered) = mpsc::channel(4);
        loop {
            tokio::select! {
                () = until(reinvite_at) => {
                    reinvite_at = None;
                    self.reinvite(answers.clone());
                }
                Some(answer) = reanswered.recv() => {
                    let answer: Vec<u8> = answer;
                    if let Some(path) = sdp::accept(&answer, &self.local).ok().as_ref().and_then(path_of) {
                        self.take(path);
                    }
                }
                happening = self.line.happenings.recv() => match happening {
                    Some(happening) => {
                        show(&happening);
                        if self.line.reinvites && matches!(happening, Happening::Begins(_)) {
                            reinvite_at = Some(tokio::time::Instant::now() + REINVITE_AFTER);
                        }
                        if let Happening::Over { time_over } = happening {
                            return Ok(if time_over { End::TimeOver } else { End::WeHungUp });
                        }
                    }
                    None => return Err(PhoneError::Thread(std::io::Error::other("it ended early"))),
                },
                event = self.dialog.events.recv() => match event {
                    Some(DialogEvent::Bye { .. }) => return Ok(End::PeerHungUp),
                    Some(DialogEvent::Reinvite { offer, responder }) => self.renegotiate(offer.as_deref(), responder),
                    Some(DialogEvent::Acknowledged { sdp: Some(answer) }) => {
                        if let Some(path) = sdp::accept(&answer, &self.local).ok().as_ref().and_then(path_of) {
                            self.take(path);
                        }
                    }
                    Some(DialogEvent::Ended(cause)) => return Err(lost(&self.peer, &cause)),
                    Some(DialogEvent::Failed { status, reason }) => return Err(refused(&self.peer, status, &reason)),
                    None => return Err(lost(&self.peer, &EndCause::Lost("it ended".to_owned()))),
                    Some(
                        DialogEvent::Progress { .. }
                        | DialogEvent::Answered { .. }
                        | DialogEvent::Acknowledged { .. }
                        | DialogEvent::Dtmf(_)
                        | DialogEvent::TransferProgress { .. }
                        | DialogEvent::TransferEnded { .. },
                    ) => {}
                },
            }
        }
    }

    /// Offers the same media again, without making the call wait for the answer.
    fn reinvite(&mut self, answers: mpsc::Sender<Vec<u8>>) {
        self.local.version += 1;
        let (control, offer) = (self.dialog.control(), sdp::offer(&self.local, Direction::SendRecv));
        let peer = self.peer.clone();
        tokio::spawn(async move {
            match control.reinvite(offer).await {
                // Nobody is left to take the answer when the call is over.
                Ok(answer) => drop(answers.send(answer).await),
                Err(error) => tracing::warn!(%peer, %error, "the re-INVITE came to nothing"),
            }
        });
    }

    fn renegotiate(&mut self, offer: Option<&[u8]>, responder: ua::Responder) {
        self.local.version += 1;
        let Some(offer) = offer else {
            responder.accept(sdp::offer(&self.local, Direction::SendRecv));
            return;
        };
        match sdp::answer(offer, &self.local) {
            Ok((answer, agreed)) => {
                responder.accept(answer);
                if let Some(path) = path_of(&agreed) {
                    self.take(path);
                }
            }
            Err(error) => responder.reject(error.status()),
        }
    }

    fn take(&mut self, path: Path) {
        self.path = path;
        self.line.set_path(path);
    }
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
