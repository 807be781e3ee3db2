//! Paths and what they answer.

use super::error::ApiError;
use super::view::{FlowsReloaded, Registration, Summary, masked_call, masked_record};
use super::{Parts, page};
use crate::call::ActiveCall;
use crate::id::CallId;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// Records in a list when the request does not say how many.
const LIMIT: usize = 50;

#[derive(Clone)]
pub(super) struct State {
    parts: Arc<Parts>,
    allow_remote: bool,
}

impl State {
    pub(super) fn new(parts: Parts, allow_remote: bool) -> Self {
        Self { parts: Arc::new(parts), allow_remote }
    }

    fn active(&self) -> Vec<ActiveCall> {
        self.parts.view.active().into_iter().map(masked_call).collect()
    }

    fn recent(&self, limit: usize) -> Vec<Summary> {
        self.parts.store.recent(limit).iter().map(|record| Summary::of(record)).collect()
    }
}

pub(super) fn router(state: State) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/health", get(health))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/metrics", get(metrics))
        .route("/api/calls", get(calls))
        .route("/api/calls/{id}", get(call))
        .route("/api/flows/reload", post(reload_flows))
        .route("/v1/flows/reload", post(reload_flows))
        .fallback(|| async { ApiError::NoSuchPath })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        .layer(from_fn_with_state(state.clone(), guard))
        .with_state(state)
}

/// Refuses requests for foreign hosts and says what a browser may do with the answer.
async fn guard(Extract(state): Extract<State>, request: Request, next: Next) -> Response {
    if !state.allow_remote && !names_this_machine(request.headers()) {
        return ApiError::ForeignHost.into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// The Host header is an address or `localhost`: a web page can make a browser ask by a name that it controls, never so.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    live: bool,
    ready: bool,
    draining: bool,
    calls_active: usize,
    registrations: Vec<Registration>,
}

async fn health(Extract(state): Extract<State>) -> (StatusCode, Json<Health>) {
    let view = &state.parts.view;
    let draining = view.draining();
    let status = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let health = Health {
        status: if draining { "draining" } else { "ready" },
        live: true,
        ready: !draining,
        draining,
        calls_active: view.active().len(),
        registrations: view.registrations(),
    };
    (status, Json(health))
}

async fn metrics(Extract(state): Extract<State>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], state.parts.metrics.encode())
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<usize>,
}

#[derive(Serialize)]
struct List {
    active: Vec<ActiveCall>,
    recent: Vec<Summary>,
}

async fn calls(
    Extract(state): Extract<State>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<List>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::BadQuery(error.body_text()))?;
    Ok(Json(List { active: state.active(), recent: state.recent(query.limit.unwrap_or(LIMIT)) }))
}

async fn call(Extract(state): Extract<State>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let id: CallId = id.parse().map_err(|_| ApiError::BadCallId(id))?;
    if let Some(line) = state.active().into_iter().find(|call| call.id == id) {
        return Ok(Json(line).into_response());
    }
    let store = state.parts.store.clone();
    match tokio::task::spawn_blocking(move || store.load(id)).await {
        Ok(Ok(Some(record))) => Ok(Json(masked_record(record)).into_response()),
        Ok(Ok(None)) => Err(ApiError::NoSuchCall(id.to_string())),
        Ok(Err(error)) => {
            tracing::error!(call = %id, %error, "unreadable record");
            Err(ApiError::Unreadable)
        }
        Err(error) => {
            tracing::error!(call = %id, %error, "reading a record broke");
            Err(ApiError::Unreadable)
        }
    }
}

async fn reload_flows(Extract(state): Extract<State>) -> (StatusCode, Json<FlowsReloaded>) {
    let done = state.parts.view.reload_flows().await;
    let status = if done.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, Json(done))
}

async fn index(Extract(state): Extract<State>) -> Html<String> {
    let view = &state.parts.view;
    Html(page::render(view.draining(), &view.registrations(), &state.active(), &state.recent(LIMIT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_name_this_machine() {
        for (host, ours) in [
            ("127.0.0.1:8080", true),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("[::1]:8080", true),
            ("10.0.0.7", true),
            ("rebind.example:8080", false),
            ("127.0.0.1.example", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(names_this_machine(&headers), ours, "{host}");
        }
    }
}
