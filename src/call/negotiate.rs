//! Descriptions of our end of the media, and what a peer's description makes of them.

use super::error::CallError;
use crate::audio::CodecKind;
use crate::media::{self, StreamParams};
use crate::sdp::{self, Agreed, Direction, LastDescription, LocalMedia};
use std::net::SocketAddr;

/// Our side of the offer/answer exchanges of one call.
pub(super) struct Descriptions {
    local: LocalMedia,
    last: LastDescription,
}

/// What an exchange settled.
pub(super) struct Settled {
    /// How to send and receive.
    pub stream: StreamParams,
    /// The peer holds us: that nothing arrives is meant.
    pub on_hold: bool,
}

impl Descriptions {
    /// What we have to offer at `address`.
    pub(super) fn new(codecs: &[CodecKind], address: SocketAddr) -> Self {
        let local = LocalMedia {
            address,
            formats: media::formats(codecs),
            telephone_event: true,
            ptime_ms: 20,
            session_id: u64::from(rand::random::<u32>()),
            version: 1,
        };
        Self { local, last: LastDescription::default() }
    }

    /// Our offer.
    pub(super) fn offer(&mut self) -> String {
        self.last.issue(sdp::offer(&self.local, Direction::SendRecv))
    }

    /// Our answer to the peer's offer.
    pub(super) fn answer(&mut self, offer: &[u8]) -> Result<(String, Settled), CallError> {
        let (answer, agreed) = sdp::answer(offer, &self.local)?;
        let settled = settled(&agreed)?;
        Ok((self.last.issue(answer), settled))
    }

    /// What the peer's answer to our offer settled.
    pub(super) fn accept(&self, answer: &[u8]) -> Result<Settled, CallError> {
        settled(&sdp::accept(answer, &self.local)?)
    }
}

fn settled(agreed: &Agreed) -> Result<Settled, CallError> {
    Ok(Settled { stream: StreamParams::try_from(agreed)?, on_hold: agreed.direction != Direction::SendRecv })
}
