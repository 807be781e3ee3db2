//! The user agent as a whole: one socket, one stack, and the tasks around them.

use super::UaError;
use super::admission::Admission;
use super::allow::Gate;
use super::config::Config;
use super::dialog::Dialog;
use super::digest::Digest;
use super::driver::{ByeReason, bye_key};
use super::inbound::{self, IncomingCall};
use super::options::Reach;
use super::outbound::OutgoingCall;
use super::registration::{self, Keeper, RegistrationState, RegistrationStatus};
use super::resolve::{Locator, Resolver};
use super::socket::{Dropped, DroppedDatagrams, GatedSocket, source_address};
use rsipstack::EndpointBuilder;
use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::{Auth, Host, HostWithPort, Scheme, Uri};
use rsipstack::transaction::CallIdFormat;
use rsipstack::transaction::endpoint::{EndpointInnerRef, EndpointOption};
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Bytes that the kernel may hold for us: about a thousand requests.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;
/// How long registrations may take to be taken back.
const FAREWELL: Duration = Duration::from_secs(3);

/// What every part of the user agent shares.
pub(super) struct Core {
    pub config: Config,
    pub endpoint: EndpointInnerRef,
    pub layer: Arc<DialogLayer>,
    pub gate: Arc<Gate>,
    pub resolver: Arc<Resolver>,
    pub admission: Admission,
    pub slots: Arc<Semaphore>,
    /// Where we listen.
    pub local: SocketAddr,
    byes: Mutex<HashMap<String, ByeReason>>,
}

impl Core {
    /// Our address as `peer` reaches it.
    pub fn local_ip(&self, peer: SocketAddr) -> IpAddr {
        match self.config.external {
            Some(external) if !peer.ip().is_loopback() => external,
            _ if !self.local.ip().is_unspecified() => self.local.ip(),
            _ => source_address(peer).unwrap_or(self.local.ip()),
        }
    }

    /// Our Contact towards `peer`.
    pub fn contact(&self, peer: SocketAddr, user: Option<&str>) -> Uri {
        Uri {
            scheme: Some(Scheme::Sip),
            auth: user.map(|user| Auth { user: user.to_owned(), password: None }),
            host_with_port: SocketAddr::new(self.local_ip(peer), self.local.port()).into(),
            ..Uri::default()
        }
    }

    /// Where the Reason of this call's BYE will be put.
    pub fn watch_bye(&self, id: &DialogId) -> ByeReason {
        let slot = ByeReason::default();
        self.byes().insert(bye_key(id), Arc::clone(&slot));
        slot
    }

    /// The call is over.
    pub fn forget_bye(&self, id: &DialogId) {
        self.byes().remove(&bye_key(id));
    }

    /// A BYE came with this Reason.
    pub fn note_bye(&self, id: &DialogId, reason: Option<&str>) {
        if let Some(slot) = self.byes().get(&bye_key(id)) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = reason.map(str::to_owned);
        }
    }

    fn byes(&self) -> MutexGuard<'_, HashMap<String, ByeReason>> {
        self.byes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A SIP user agent on one UDP socket. Cloning it is cheap; when the last clone is dropped, the socket closes.
#[derive(Clone)]
pub struct UserAgent {
    core: Arc<Core>,
    statuses: watch::Receiver<Vec<RegistrationStatus>>,
    dropped: Arc<Dropped>,
    tasks: TaskTracker,
    /// Ends the registrations.
    farewell: CancellationToken,
    /// Ends everything.
    stop: CancellationToken,
    _stops_when_dropped: Arc<DropGuard>,
}

impl UserAgent {
    /// Opens the socket, starts the stack and begins to register. Calls in go to `calls`; when that is full or closed, they
    /// are answered 503, as they are when [`admission`](Self::admission) lets nobody in.
    ///
    /// # Errors
    /// [`UaError::Config`], [`UaError::PortTaken`], [`UaError::Listen`].
    pub async fn start(config: Config, calls: mpsc::Sender<IncomingCall>) -> Result<Self, UaError> {
        config.check()?;
        let gate = Arc::new(Gate::new(config.networks()?));
        let dropped = Arc::new(Dropped::default());
        let end = CancellationToken::new();
        let socket = listen(config.listen).await?;
        let local = socket.local_addr().map_err(|source| UaError::Listen { listen: config.listen, source })?;
        let socket = Arc::new(GatedSocket::new(socket, Arc::clone(&gate), Arc::clone(&dropped)));
        let external = config.external.map(|ip| SocketAddr::new(ip, local.port()));
        let connection = UdpConnection::from_socket(socket, external, Some(end.child_token())).await?;
        let transport = TransportLayer::new(end.child_token());
        transport.add_transport(connection.into());

        let resolver = Arc::new(Resolver::new(local.is_ipv4(), served_by(&config)));
        let endpoint = EndpointBuilder::new()
            .with_transport_layer(transport)
            .with_cancel_token(end.child_token())
            .with_user_agent(config.user_agent.as_deref().unwrap_or("tipring"))
            .with_option(EndpointOption { callid_format: CallIdFormat::Uuid, ..EndpointOption::default() })
            .with_inspector(Box::new(Digest))
            .with_target_locator(Box::new(Locator(Arc::clone(&resolver))))
            .build();
        let incoming = endpoint.incoming_transactions()?;
        let core = Arc::new(Core {
            layer: Arc::new(DialogLayer::new(endpoint.inner.clone())),
            endpoint: endpoint.inner.clone(),
            gate,
            resolver,
            admission: Admission::new(usize::MAX, config.retry_after_s),
            slots: Arc::new(Semaphore::new(inbound::MAX_REQUESTS)),
            local,
            byes: Mutex::default(),
            config,
        });
        tokio::spawn(async move { endpoint.serve().await });
        tokio::spawn({
            let (core, end) = (Arc::clone(&core), end.clone());
            async move { end.run_until_cancelled(inbound::serve(core, incoming, calls)).await }
        });

        let farewell = end.child_token();
        let tasks = TaskTracker::new();
        let statuses = register(&core, &tasks, &farewell);
        tracing::info!(%local, "SIP listens");
        let guard = Arc::new(end.clone().drop_guard());
        Ok(Self { core, statuses, dropped, tasks, farewell, stop: end, _stops_when_dropped: guard })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.core.local
    }

    /// Our address as `peer` reaches it: what a session description has to name.
    pub fn local_ip_for(&self, peer: SocketAddr) -> IpAddr {
        self.core.local_ip(peer)
    }

    /// The same for the target of a call that is about to be placed.
    ///
    /// # Errors
    /// Those of [`invite`](Self::invite) that concern its target.
    pub async fn local_ip_towards(&self, target: &str, from_account: Option<&str>) -> Result<IpAddr, UaError> {
        self.core.local_ip_towards(target, from_account).await
    }

    /// The door that calls in pass. Calls out do not, unless whoever places them enters too.
    pub fn admission(&self) -> &Admission {
        &self.core.admission
    }

    /// How the accounts that register stand, in the order of the configuration.
    pub fn registrations(&self) -> Vec<RegistrationStatus> {
        self.statuses.borrow().clone()
    }

    /// The same, with a notice at each change.
    pub fn watch_registrations(&self) -> watch::Receiver<Vec<RegistrationStatus>> {
        self.statuses.clone()
    }

    /// Asks the registrar of an account, or a trunk, whether it is there (OPTIONS). Any final answer shows that it is.
    ///
    /// # Errors
    /// [`UaError::UnknownAccount`], [`UaError::Unresolved`], [`UaError::Stack`].
    pub async fn reach(&self, name: &str, patience: Duration) -> Result<Reach, UaError> {
        self.core.reach(name, patience).await
    }

    /// Places a call. Returns when the INVITE is on its way; the dialog's events tell the rest.
    ///
    /// # Errors
    /// [`UaError::Target`], [`UaError::UnknownAccount`], [`UaError::Unresolved`], [`UaError::Header`].
    pub async fn invite(&self, call: OutgoingCall) -> Result<Dialog, UaError> {
        self.core.invite(call).await
    }

    /// Takes no more calls (INVITE and OPTIONS are answered 503), or takes them again. Calls that are up go on.
    pub fn set_draining(&self, draining: bool) {
        self.core.admission.set_closed(draining);
    }

    /// What was dropped at the socket since the start.
    pub fn dropped(&self) -> DroppedDatagrams {
        self.dropped.counts()
    }

    /// Stops: takes no more calls, takes the registrations back (for at most three seconds), closes the socket. Calls that
    /// are still up are to be hung up before.
    pub async fn shutdown(self) {
        self.set_draining(true);
        self.farewell.cancel();
        self.tasks.close();
        if tokio::time::timeout(FAREWELL, self.tasks.wait()).await.is_err() {
            tracing::warn!("a registrar does not confirm that we leave");
        }
        self.stop.cancel();
    }
}

async fn listen(listen: SocketAddr) -> Result<tokio::net::UdpSocket, UaError> {
    let socket = tokio::net::UdpSocket::bind(listen).await.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => UaError::PortTaken { listen, source },
        _ => UaError::Listen { listen, source },
    })?;
    if let Err(error) = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "the SIP socket keeps its default buffer");
    }
    Ok(socket)
}

/// Domains of accounts that are not their registrar's host.
fn served_by(config: &Config) -> HashMap<String, HostWithPort> {
    let pairs = config.accounts.iter().filter(|a| a.domain.is_some()).filter_map(|account| {
        let domain = account.domain_uri().ok()?.host_with_port.host.to_string().to_ascii_lowercase();
        Some((domain, account.registrar_host().ok()?))
    });
    pairs.collect()
}

/// Starts a task for each account that registers and one for the peers that do not.
fn register(
    core: &Arc<Core>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> watch::Receiver<Vec<RegistrationStatus>> {
    let accounts: Vec<_> = core.config.accounts.iter().filter(|a| a.register).cloned().collect();
    let statuses = accounts.iter().map(|account| RegistrationStatus {
        account: account.name.clone(),
        registrar: account.registrar.clone(),
        state: RegistrationState::Trying,
    });
    let (sender, receiver) = watch::channel(statuses.collect());
    let sender = Arc::new(sender);
    for (index, account) in accounts.into_iter().enumerate() {
        let keeper =
            Keeper { core: Arc::clone(core), account, index, statuses: Arc::clone(&sender), stop: stop.clone() };
        tasks.spawn(keeper.run());
    }
    let unregistered = core.config.accounts.iter().filter(|a| !a.register);
    let accounts = unregistered.filter_map(|a| Some((a.name.clone(), a.registrar_host().ok()?)));
    let trunks = core.config.trunks.iter().filter_map(|t| Some((t.name.clone(), t.host().ok()?)));
    let peers: Vec<_> = accounts.chain(trunks).collect();
    for (name, host) in &peers {
        // Peers given by address may call from the first moment.
        if let Host::IpAddr(ip) = host.host {
            core.gate.know(name, [ip]);
        }
    }
    if !peers.is_empty() {
        tasks.spawn(registration::keep_known(Arc::clone(core), peers, stop.clone()));
    }
    receiver
}
