//! What the server cannot do, and the table of errors that it answers.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::io;
use std::net::SocketAddr;

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be bound.
    #[error("cannot serve HTTP on {address}: {source}{}", advice(.source))]
    Bind {
        /// The address of the configuration.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Other machines would reach it.
    #[error(
        "http.listen = {address} can be reached by other machines and nothing asks for a password: \
         use 127.0.0.1, or set http.allow_remote = true if something else keeps strangers out"
    )]
    Remote {
        /// The address of the configuration.
        address: SocketAddr,
    },
    /// It broke while serving.
    #[error("the HTTP server broke: {source}")]
    Serve {
        /// How.
        source: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            " (another program has the port: stop it, or set TIPRING__HTTP__LISTEN=127.0.0.1:8081)"
        }
        io::ErrorKind::PermissionDenied => " (ports below 1024 need privileges: use a higher one in http.listen)",
        io::ErrorKind::AddrNotAvailable => " (this machine has no such address: see http.listen)",
        _ => "",
    }
}

/// Everything that the API refuses. Each has one status and one code, on which programs may rely.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No such path.
    #[error("no such path: see / for what there is")]
    NoSuchPath,
    /// The path knows another method.
    #[error("this path does not answer this method: see / for what there is")]
    MethodNotAllowed,
    /// The request names a host that is not this machine.
    #[error("ask for this machine by address or as localhost, or set http.allow_remote")]
    ForeignHost,
    /// An identifier that is none.
    #[error("'{0}' is not a call identifier: 26 letters and digits, as /api/calls lists them")]
    BadCallId(String),
    /// A query that cannot be read.
    #[error("the query cannot be read: {0}")]
    BadQuery(String),
    /// No call with this identifier.
    #[error("no call {0}")]
    NoSuchCall(String),
    /// The record is there and cannot be read. The log says why.
    #[error("the record cannot be read: see the log")]
    Unreadable,
}

impl ApiError {
    /// The code, the same for ever.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchPath => "no_such_path",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::ForeignHost => "foreign_host",
            Self::BadCallId(_) => "bad_call_id",
            Self::BadQuery(_) => "bad_query",
            Self::NoSuchCall(_) => "no_such_call",
            Self::Unreadable => "record_unreadable",
        }
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NoSuchCall(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ForeignHost => StatusCode::FORBIDDEN,
            Self::BadCallId(_) | Self::BadQuery(_) => StatusCode::BAD_REQUEST,
            Self::Unreadable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code(), "message": self.to_string() } });
        (self.status(), Json(body)).into_response()
    }
}
