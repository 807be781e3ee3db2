//! What can be wrong with bytes that claim to be RTP or RTCP.

/// Why a datagram was refused. Refusing is cheap and changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RtpError {
    /// Shorter than its fixed header, or than the lengths inside it say.
    #[error("truncated")]
    Truncated,
    /// Not version 2.
    #[error("not RTP version 2")]
    Version,
    /// The padding count is zero or larger than the payload.
    #[error("bad padding")]
    Padding,
    /// An RTCP packet whose type is not 192 to 223.
    #[error("not RTCP")]
    NotRtcp,
}
