//! The telephone's end of the media: its RTP, and the network that lies in front of it.

use super::PhoneError;
use super::rtp_loop::{Happening, Path, Plan, RtpLoop};
use crate::sim::{Network, Relay};
use std::net::{IpAddr, SocketAddr};
use tokio::sync::mpsc;

/// The RTP side of a call, and the network in front of it where there is one.
pub(super) struct Line {
    pub rtp: RtpLoop,
    pub happenings: mpsc::Receiver<Happening>,
    pub network: Option<Relay>,
    pub reinvites: bool,
}

impl Line {
    /// Opens the socket, and the network's with it.
    pub(super) fn open(ip: IpAddr, plan: Plan) -> Result<Self, PhoneError> {
        let (network, reinvites) = (plan.surroundings.network, plan.surroundings.reinvites);
        let (rtp, happenings) = RtpLoop::start(SocketAddr::new(ip, 0), plan)?;
        let at = |source| PhoneError::Socket { address: SocketAddr::new(ip, 0), source };
        let relay = |(network, seed): (Network, u64)| Relay::open(ip, &network, seed, rtp.local()).map_err(at);
        let network = network.map(relay).transpose()?;
        Ok(Self { rtp, happenings, network, reinvites })
    }

    /// Where the peer is to send.
    pub(super) fn local(&self) -> SocketAddr {
        self.network.as_ref().map_or(self.rtp.local(), Relay::far)
    }

    /// The peer is there from now on.
    pub(super) fn set_path(&self, mut path: Path) {
        if let Some(network) = &self.network {
            network.set_far(path.remote);
            path.remote = network.near();
        }
        self.rtp.set_path(path);
    }
}
