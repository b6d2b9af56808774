//! The check of tokens, which every request to a port passes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use honeyguide::Token;
use tonic::Status;

use super::credentials::presented_token;
use crate::metrics::{Refusal, Refusals};

/// The page that needs no token, so that a supervisor can look whether a node runs.
pub(crate) const OPEN_PAGE: &str = "/healthz";

/// The check of a node's port.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) token: Option<Token>,
    pub(crate) refusals: Arc<Refusals>,
}

impl Guard {
    fn admits(&self, path: &str, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        path == OPEN_PAGE || presented_token(headers).is_some_and(|shown| token.is(shown))
    }

    /// Passes a request on if it shows the token of the cluster, and refuses it otherwise.
    pub(crate) async fn check(State(guard): State<Self>, request: Request, next: Next) -> Response {
        if guard.admits(request.uri().path(), request.headers()) {
            return next.run(request).await;
        }
        let why = "the token of this cluster is missing or wrong";
        guard.refusals.note(Refusal::Token, why);
        let kind = request.headers().get(CONTENT_TYPE);
        let is_call = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        match is_call {
            true => Status::unauthenticated(why).into_http::<Body>(),
            false => (StatusCode::UNAUTHORIZED, format!("{why}\n")).into_response(),
        }
    }
}
