//! Settings of the calls: how many, how long, which flow.

use crate::audio::CodecKind;
use crate::record::KeepEmotion;
use crate::speech::GateConfig;
use serde::Deserialize;

/// The `[calls]` section.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Calls at the same time; one more is answered 503 with Retry-After before anything is allocated for it.
    pub max_calls: usize,
    /// No call is taken while the 95th percentile of what load adds to the response gap, over the last 20 s, is over so many
    /// milliseconds; 0: never mind. Such calls are answered 503 with Retry-After too.
    pub busy_p95_ms: u64,
    /// The longest call, in seconds; then the agent hangs up.
    pub max_duration_s: u64,
    /// A call without a single RTP packet for this many seconds is ended, unless it is on hold.
    pub media_timeout_s: u64,
    /// How long running calls may take to end after SIGTERM, in seconds.
    pub drain_s: u64,
    /// Threads that run voice detection and feed recognisers and rings; 0 is one per core.
    pub speech_threads: usize,
    /// Write a stereo recording of each call.
    pub record: bool,
    /// How much of how callers sounded is kept in records and shown while calls run.
    pub keep_emotion: KeepEmotion,
    /// Codecs in order of preference.
    pub codecs: Vec<CodecKind>,
    /// From voice activity to the edges of speech.
    pub gate: GateConfig,
    /// Folder of the call flows (`NAME.toml`); the shipped ones are found without it.
    pub flows_dir: Option<std::path::PathBuf>,
    /// The flow of a call that no route names.
    pub default_flow: String,
    /// Which flow answers which call; the first that fits wins.
    pub routes: Vec<Route>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_calls: 50,
            busy_p95_ms: 250,
            max_duration_s: 1800,
            media_timeout_s: 20,
            drain_s: 30,
            speech_threads: 0,
            record: true,
            keep_emotion: KeepEmotion::All,
            codecs: CodecKind::ALL.to_vec(),
            gate: GateConfig::default(),
            flows_dir: None,
            default_flow: "welcome".into(),
            routes: Vec::new(),
        }
    }
}

/// One rule of the routing table. Patterns may hold `*` for any characters; an absent one fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// User part of the called URI, for instance `650` or `0800*`.
    pub to: Option<String>,
    /// User part of the caller's URI.
    pub from: Option<String>,
    /// The flow.
    pub flow: String,
}
