//! Session descriptions and the offer/answer model (RFC 8866, RFC 3264). Text and rules; knows no codec implementation.
//!
//! [`offer`] writes what we can do, [`answer`] chooses from what a peer can do and writes that, [`accept`] reads a peer's
//! answer to our offer. What both sides settled on is an [`Agreed`]. [`LastDescription`] keeps the `o=` version right
//! from one description of a session to the next.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod error;
mod format;
mod offer_answer;
mod parse;
mod write;

pub use error::SdpError;
pub use format::{Direction, Format};
pub use offer_answer::{Agreed, LocalMedia, accept, answer, offer};
pub use parse::{Attribute, Connection, Description, MAX_BYTES, MAX_MEDIA, Media, Rtpmap, parse};
pub use write::LastDescription;
