//! `POST /events`: an answer with status 200 says that all events of a request are in the queue. When the queue is full, they
//! are refused with 503 and counted.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, ORIGIN, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use honeyguide::{Format, Token};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::body::records;
use crate::input::is_csv;
use crate::queue::{Offered, Queue};

/// The greatest number of bytes of the body of a request.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// The greatest number of requests whose bodies are read at once. Further ones are answered with 503.
const MAX_REQUESTS: usize = 16;
/// The longest time for which the body of a request is waited for.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The number of seconds after which a refused sender may try again.
const RETRY_SECONDS: &str = "1";
/// The time after which it is looked whether the watch ends.
const LOOK_TIME: Duration = Duration::from_millis(100);

/// The answer to a request whose events are not taken: the status and the reason.
type Refusal = (StatusCode, String);

struct Server {
    queue: Arc<Queue>,
    input: usize,
    is_csv: Option<bool>,
    token: Option<Token>,
    requests: Semaphore,
}

/// Answers requests until `queue` is closed.
pub(super) fn serve(
    listener: TcpListener,
    token: Option<Token>,
    queue: &Arc<Queue>,
    input: usize,
    format: Option<Format>,
) {
    let server = Arc::new(Server {
        queue: Arc::clone(queue),
        input,
        is_csv: is_csv(format),
        token,
        requests: Semaphore::new(MAX_REQUESTS),
    });
    let router = Router::new()
        .route("/events", post(take))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(Arc::clone(&server));
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return;
        };
        let until_closed = async {
            while !server.queue.is_closed() {
                sleep(LOOK_TIME).await;
            }
        };
        tokio::select! {
            _ = axum::serve(listener, router) => {}
            () = until_closed => {}
        }
    });
}

/// Takes the events of a request.
async fn take(State(server): State<Arc<Server>>, request: Request) -> Response {
    if let Err(refusal) = server.check(request.headers()) {
        return refusal.into_response();
    }
    let Ok(_permit) = server.requests.try_acquire() else {
        return busy();
    };
    let body = match read(request.into_body()).await {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(chunk) = records(&body, server.input, server.is_csv) else {
        return (StatusCode::BAD_REQUEST, "the body holds no event\n").into_response();
    };
    let events = chunk.records.len();
    match server.queue.offer(chunk) {
        Offered::Taken => format!("{{\"received\":{events}}}\n").into_response(),
        Offered::Full | Offered::Closed => busy(),
    }
}

impl Server {
    /// Checks who sends a request.
    ///
    /// # Errors
    /// Fails with the answer to a request without the token, and to one that a web page has made.
    fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        // Browsers send a page's requests to this machine too, and always with this header.
        if headers.contains_key(ORIGIN) {
            return Err((
                StatusCode::FORBIDDEN,
                "web pages may not send events\n".to_owned(),
            ));
        }
        let Some(token) = &self.token else {
            return Ok(());
        };
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer "));
        match given.is_some_and(|given| token.is(given.trim())) {
            true => Ok(()),
            false => Err((
                StatusCode::UNAUTHORIZED,
                "the token is missing or wrong\n".to_owned(),
            )),
        }
    }
}

/// Reads the body of a request.
///
/// # Errors
/// Fails with the answer to a body that is too long, or does not come in time.
async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    match timeout(BODY_TIME, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => Ok(body.into()),
        Ok(Err(_)) => {
            let why = format!("a body has at most {MAX_BODY_BYTES} bytes\n");
            Err((StatusCode::PAYLOAD_TOO_LARGE, why))
        }
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come in time\n".to_owned(),
        )),
    }
}

/// Returns the answer to a request that is not taken now.
fn busy() -> Response {
    let why = "the events are not taken now; send them again\n";
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(RETRY_AFTER, RETRY_SECONDS)],
        why,
    )
        .into_response()
}
