//! A connection that tells when a call on it failed. Ballista's loop forgets what it was about to report when a call
//! fails, and the scheduler would wait for it forever: an executor that missed one answer must join anew.

use std::task::{Context, Poll};

use tokio::sync::mpsc::UnboundedSender;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::transport::{Channel, Error};

/// `channel`, and where its failures are told.
#[derive(Clone)]
pub(super) struct WatchedChannel {
    pub(super) channel: Channel,
    pub(super) failures: UnboundedSender<String>,
}

impl WatchedChannel {
    fn tell(&self, failure: &dyn std::error::Error) {
        // Nobody listens any more: the session has ended.
        let _ = self.failures.send(causes(failure));
    }
}

/// An error and what is behind it, which is where the network's own words are.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

impl Service<Request<Body>> for WatchedChannel {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<Response<Body>, Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let ready = self.channel.poll_ready(context);
        if let Poll::Ready(Err(error)) = &ready {
            self.tell(error);
        }
        ready
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watched = self.clone();
        let response = self.channel.call(request);
        Box::pin(async move {
            let response = response.await;
            match &response {
                Err(error) => watched.tell(error),
                // A call that failed is answered with nothing but its status.
                Ok(answer) => {
                    if let Some(status) = Status::from_header_map(answer.headers())
                        && status.code() != tonic::Code::Ok
                    {
                        let _ = watched.failures.send(status.message().to_owned());
                    }
                }
            }
            response
        })
    }
}
