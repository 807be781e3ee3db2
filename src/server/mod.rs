//! The HTTP API: health, metrics, the list of calls, and a page that shows it.
//!
//! | path | answer |
//! |---|---|
//! | `GET /` | a page that lists the calls |
//! | `GET /health` | 200 while calls are taken, 503 while draining; registrations |
//! | `GET /health/live` | 200 for as long as the process serves |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /api/calls?limit=50` | calls that are up, and the newest records |
//! | `POST /api/flows/reload` | reads the flows of `calls.flows_dir` again (`/v1/flows/reload` too); 422 where one cannot be held |
//! | `GET /api/calls/{id}` | one record, or the line of a call that is up |
//!
//! Addresses are masked in everything that is served. Without authentication it is for this machine alone: another address
//! than loopback is refused unless `http.allow_remote` says otherwise, and so is a request for another host, which keeps web
//! pages from reading it through a name that they control.

mod config;
mod error;
mod listener;
mod page;
mod routes;
mod view;

pub use crate::call::ActiveCall;
pub use config::Config;
pub use error::{ApiError, ServerError};
pub use view::{FlowsReloaded, Registration, View};

use crate::metrics::Metrics;
use crate::store::Store;
use listener::Bounded;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the server shows.
#[derive(Clone)]
pub struct Parts {
    /// The calls that are up, and who is registered.
    pub view: Arc<dyn View>,
    /// The records of those that are over.
    pub store: Store,
    /// The figures.
    pub metrics: Metrics,
}

/// The HTTP server, bound and not yet serving.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: routes::State,
}

impl Server {
    /// Binds the address.
    pub async fn bind(config: &Config, parts: Parts) -> Result<Self, ServerError> {
        config.validate()?;
        let bound = async {
            let listener = TcpListener::bind(config.listen).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bound.await.map_err(|source| ServerError::Bind { address: config.listen, source })?;
        Ok(Self { listener, address, state: routes::State::new(parts, config.allow_remote) })
    }

    /// Where it listens: the port that was really taken, when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled; requests that are being answered are answered.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServerError> {
        axum::serve(Bounded::new(self.listener), routes::router(self.state))
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await
            .map_err(|source| ServerError::Serve { source })
    }
}
