//! Why a call could not be.

/// Errors of the call room.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No such flow.
    #[error("there is no flow '{name}'; known flows: {known}")]
    UnknownFlow {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// As many calls as permitted are up.
    #[error("all {max} permitted calls are in use (calls.max_calls)")]
    Full {
        /// The limit.
        max: usize,
    },
    /// The calls that are up are as many as this machine answers in time.
    #[error("answers are late: no new calls until the machine is less busy (calls.busy_p95_ms)")]
    Busy,
    /// The process is on its way out.
    #[error("tipring is draining: no new calls")]
    Draining,
    /// Media could not be set up.
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
    /// The descriptions did not fit.
    #[error(transparent)]
    Sdp(#[from] crate::sdp::SdpError),
    /// Signalling failed.
    #[error(transparent)]
    Signalling(#[from] crate::ua::UaError),
    /// An engine could not be opened.
    #[error(transparent)]
    Engine(#[from] crate::speech::EngineError),
}
