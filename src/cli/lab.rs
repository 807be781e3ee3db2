//! The whole server in this process and a telephone that calls it, over real SIP and RTP on loopback: what `demo` and `bench`
//! have in common.

use crate::app::Tipring;
use crate::audio::{CodecKind, MediaTime};
use crate::call::{LiveEvent, LiveKind};
use crate::id::CallId;
use crate::phone::{Config, Handset, Happening, HeldCall, Observed, ObservedSpeaker, PhoneError, Plan};
use crate::record::{CallRecord, EngineNames, Speaker, TurnRecord};
use crate::settings::{DataDir, Settings};
use crate::store::Store;
use anyhow::bail;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

/// A free port on loopback.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How long a call's record may take after the call.
const RECORD_PATIENCE: Duration = Duration::from_secs(10);
/// How long the server's last calls may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// The server's side of a call that has ended.
#[derive(Clone)]
pub struct Account {
    /// The instant of [`MediaTime::ZERO`].
    pub origin: Instant,
    /// The record.
    pub record: Arc<CallRecord>,
}

/// What came of a call: both sides' accounts of it.
pub type Outcome = Result<(HeldCall, Option<Account>), PhoneError>;

/// Server and telephone.
pub struct Lab {
    server: Tipring,
    phone: Handset,
    target: String,
    accounts: watch::Receiver<HashMap<String, Account>>,
}

impl Lab {
    /// Starts both with `settings`, which are changed so that nothing outside this machine is reached or reached by:
    /// loopback, free ports, no accounts and trunks, `flow` for every call, records in `dir`.
    ///
    /// # Errors
    /// The `scripted` recogniser without `allow_scripted`; whatever keeps the server or the telephone from starting.
    pub async fn start(
        mut settings: Settings,
        flow: Option<&str>,
        dir: &Path,
        codecs: Vec<CodecKind>,
        allow_scripted: bool,
    ) -> anyhow::Result<Self> {
        if !allow_scripted && settings.engine.asr.iter().any(|name| name == "scripted") {
            bail!(
                "engine.asr names 'scripted': a recogniser that is told what the caller says measures nothing. Choose another \
                 one, or say --allow-scripted; the figures will then say so"
            );
        }
        settings.sip.listen = LOOPBACK;
        settings.sip.external = None;
        settings.sip.allow = vec!["127.0.0.0/8".to_owned()];
        settings.sip.accounts.clear();
        settings.sip.trunks.clear();
        settings.calls.routes.clear();
        if let Some(flow) = flow {
            settings.calls.default_flow = flow.to_owned();
        }
        settings.data_dir = DataDir(dir.to_owned());
        let server = Tipring::start_without_http(settings).await?;
        let accounts = collect(server.events());
        let phone = Handset::start(Config { listen: LOOPBACK, extension: None, codecs }).await?;
        let target = format!("sip:agent@{}", server.sip_addr());
        Ok(Self { server, phone, target, accounts })
    }

    /// What the server tells, from now on.
    pub fn events(&self) -> broadcast::Receiver<LiveEvent> {
        self.server.events()
    }

    /// How many answers of all calls had their first line ready when the turn was over, in percent.
    pub fn first_lines_ready_percent(&self) -> Option<f64> {
        self.server.metrics().first_lines_ready_percent()
    }

    /// Who is called.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Holds one call and gives both sides' accounts of it.
    ///
    /// # Errors
    /// When there was no conversation.
    pub async fn hold(&self, plan: Plan, show: &mut (dyn FnMut(&Happening) + Send)) -> Outcome {
        let held = self.phone.call(&self.target, plan, show).await?;
        let mut accounts = self.accounts.clone();
        let wait = accounts.wait_for(|all| all.contains_key(&held.sip_call_id));
        let account = match tokio::time::timeout(RECORD_PATIENCE, wait).await {
            Ok(Ok(all)) => all.get(&held.sip_call_id).cloned(),
            Ok(Err(_)) | Err(_) => None,
        };
        Ok((held, account))
    }

    /// The server's records.
    pub fn store(&self) -> Store {
        self.server.store().clone()
    }

    /// Stops both.
    pub async fn shutdown(self) {
        self.phone.shutdown().await;
        self.server.shutdown(DRAIN).await;
    }
}

/// Keeps the records of ended calls by SIP Call-ID, with their time zero.
fn collect(mut events: broadcast::Receiver<LiveEvent>) -> watch::Receiver<HashMap<String, Account>> {
    let (sender, receiver) = watch::channel(HashMap::new());
    tokio::spawn(async move {
        let mut origins: HashMap<CallId, Instant> = HashMap::new();
        loop {
            match events.recv().await {
                Ok(LiveEvent { call, kind: LiveKind::Started { origin }, .. }) => {
                    origins.insert(call, origin);
                }
                Ok(LiveEvent { call, kind: LiveKind::Ended(record), .. }) => {
                    if let Some(origin) = origins.remove(&call) {
                        let id = record.party.sip_call_id.clone();
                        sender.send_modify(|all| {
                            all.insert(id, Account { origin, record });
                        });
                    }
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    receiver
}

/// The server's turns on the telephone's clock, whose zero is `phone_origin`.
pub fn observed(account: &Account, phone_origin: Instant) -> Vec<Observed> {
    let on_phone = |time: MediaTime| time.since(account.origin).saturating_duration_since(phone_origin);
    let row = |turn: &TurnRecord| Observed {
        speaker: match turn.speaker {
            Speaker::Caller => ObservedSpeaker::Caller,
            Speaker::Agent => ObservedSpeaker::Agent {
                decided: turn.latency.and_then(|latency| latency.decided).map(on_phone),
                endpoint_wait_ms: turn.latency.map(|latency| latency.endpoint_wait_ms),
            },
        },
        text: if turn.dtmf.is_empty() { turn.text.clone() } else { format!("[keys {}]", turn.dtmf) },
        began: on_phone(turn.began),
        ended: on_phone(turn.ended),
        emotion: turn.emotion.as_deref().cloned(),
    };
    account.record.turns.iter().map(row).collect()
}

/// The engines that served in any of several calls.
#[derive(Default)]
pub struct Engines(Mutex<EngineNames>);

impl Engines {
    /// Those of one more call.
    pub fn add(&self, more: &EngineNames) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = &mut *all;
        for (names, more) in
            [(&mut all.vad, &more.vad), (&mut all.asr, &more.asr), (&mut all.tts, &more.tts), (&mut all.llm, &more.llm)]
        {
            for name in more {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
    }

    /// All of them.
    pub fn names(&self) -> EngineNames {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A folder that is removed when it is no longer needed.
pub struct Scratch(std::path::PathBuf);

impl Scratch {
    /// A new folder among the system's temporary files.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("tipring-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TurnLatency;

    fn turn(speaker: Speaker, text: &str, began_ms: u64) -> TurnRecord {
        TurnRecord {
            speaker,
            text: text.to_owned(),
            intended: None,
            state: "s".to_owned(),
            began: MediaTime::from_ms(began_ms),
            ended: MediaTime::from_ms(began_ms + 500),
            confidence: None,
            interrupted: false,
            dtmf: String::new(),
            notes: Default::default(),
            latency: (speaker == Speaker::Agent).then(|| TurnLatency {
                decided: Some(MediaTime::from_ms(began_ms - 20)),
                endpoint_wait_ms: 300,
                ..TurnLatency::default()
            }),
            emotion: None,
        }
    }

    #[test]
    fn engines_are_named_once() {
        let engines = Engines::default();
        let one = |name: &str| EngineNames { asr: vec![name.to_owned()], ..EngineNames::default() };
        for name in ["a", "b", "a"] {
            engines.add(&one(name));
        }
        assert_eq!(engines.names().asr, ["a", "b"]);
    }

    #[test]
    fn the_servers_turns_are_put_on_the_telephones_clock() {
        let phone_origin = Instant::now();
        let origin = phone_origin + Duration::from_millis(70);
        let record: CallRecord = CallRecord {
            turns: vec![turn(Speaker::Caller, "hi", 1000), turn(Speaker::Agent, "hello", 2000)],
            ..empty_record()
        };
        let rows = observed(&Account { origin, record: Arc::new(record) }, phone_origin);
        let ms = Duration::from_millis;
        assert_eq!((rows[0].began, rows[0].ended), (ms(1070), ms(1570)));
        assert_eq!(rows[1].speaker, ObservedSpeaker::Agent { decided: Some(ms(2050)), endpoint_wait_ms: Some(300) });
    }

    fn empty_record() -> CallRecord {
        use crate::record::{CallParty, Direction};
        let began = time::OffsetDateTime::UNIX_EPOCH;
        CallRecord::open(CallId::from_parts(0, 0), Direction::Inbound, CallParty::default(), "", began)
    }
}
