//! What can go wrong in the user agent.

use std::net::SocketAddr;

/// A failure of the user agent. The text says what to do where a user can do something.
#[derive(Debug, thiserror::Error)]
pub enum UaError {
    /// The listening port is in use.
    #[error("udp {listen} is taken: {source}; set sip.listen to another port or stop the program that holds it")]
    PortTaken {
        /// Address that we wanted.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The listening socket could not be made for another reason.
    #[error("cannot listen on udp {listen}: {source}; check sip.listen")]
    Listen {
        /// Address that we wanted.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A value in the configuration is of no use.
    #[error("{key}: {why}")]
    Config {
        /// Its key, for instance `sip.allow[2]`.
        key: String,
        /// What is wrong with it, and what is expected.
        why: String,
    },
    /// A host name has no address.
    #[error("cannot resolve {host}: {why}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// The target of a call or transfer is neither a SIP URI nor a number that an account or trunk could take.
    #[error("cannot call {target}: {why}")]
    Target {
        /// The target, masked.
        target: String,
        /// What is wrong with it.
        why: String,
    },
    /// No account and no trunk has this name.
    #[error("there is no account or trunk named {name:?}; known are: {known}")]
    UnknownAccount {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A header that a request or response must not carry, or that is not well formed.
    #[error("header {name:?} cannot be sent: {why}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The call is already over, for instance because the caller sent CANCEL.
    #[error("the call is over")]
    Over,
    /// The call is not yet answered, or this is not possible in its state.
    #[error("not possible in the call's present state")]
    WrongState,
    /// The peer refused a request within the call.
    #[error("the peer refused: {status} {reason}")]
    Refused {
        /// Final status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The peer did not answer a request within the call.
    #[error("the peer did not answer")]
    NoResponse,
    /// The SIP stack failed.
    #[error("SIP stack: {0}")]
    Stack(String),
}

impl From<rsipstack::Error> for UaError {
    fn from(error: rsipstack::Error) -> Self {
        Self::Stack(error.to_string())
    }
}
