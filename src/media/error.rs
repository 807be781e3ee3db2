//! What can go wrong with media.

use std::io;
use std::net::IpAddr;

/// Why media could not be had.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A setting cannot work.
    #[error("media.{key}: {why}")]
    BadConfig {
        /// The key below `media`.
        key: &'static str,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A media thread could not be started.
    #[error("cannot start a media thread: {0}")]
    Thread(#[source] io::Error),
    /// Every port of the range is taken.
    #[error(
        "no RTP port is free between {first} and {last} on {local}: widen media.rtp_ports, or end the program that holds them"
    )]
    PortsUsedUp {
        /// The address.
        local: IpAddr,
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// A socket could not be bound for another reason than a port that is taken.
    #[error("cannot bind an RTP port on {local}: {source}")]
    Bind {
        /// The address.
        local: IpAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Every media thread has as many calls as it can take.
    #[error("the media threads are full ({calls} calls)")]
    Full {
        /// Calls served.
        calls: usize,
    },
    /// The server has stopped.
    #[error("the media server has stopped")]
    Stopped,
    /// Too many commands wait for the media thread.
    #[error("the media thread has not taken the last commands yet")]
    Busy,
    /// The peer did not agree to telephone events.
    #[error("the peer takes no telephone events (RFC 4733)")]
    NoTelephoneEvents,
    /// Not a key of a telephone.
    #[error("'{0}' is no key of a telephone: 0-9, *, #, A-D")]
    BadDigit(char),
    /// The agreed encoding is none of ours.
    #[error("no codec for the encoding '{0}'")]
    UnknownEncoding(String),
}
