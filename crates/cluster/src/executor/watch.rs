//! A connection that reports failed calls. When a call fails, Ballista's loop loses the task results that it was about to
//! report, and the scheduler would wait for them forever. Therefore an executor whose call failed must join again.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use tokio::sync::mpsc::UnboundedSender;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{BoxFuture, Bytes, Service};
use tonic::transport::{Channel, Error};

/// A channel that sends a text to `failures` for every call that fails.
#[derive(Clone)]
pub(super) struct WatchedChannel {
    pub(super) channel: Channel,
    pub(super) failures: UnboundedSender<String>,
}

impl WatchedChannel {
    fn tell(&self, failure: &dyn std::error::Error) {
        // Sending fails only after the session has ended.
        let _ = self.failures.send(causes(failure));
    }
}

/// Returns the messages of an error and its causes. The causes contain the messages of the network.
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

/// A body that reports when it breaks off, or when its trailers say that the call failed.
struct WatchedBody {
    body: Body,
    failures: UnboundedSender<String>,
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let failure = match &frame {
            Some(Err(status)) => Some(status.clone()),
            Some(Ok(frame)) => frame.trailers_ref().and_then(failed_status),
            None => None,
        };
        if let Some(failure) = failure {
            let _ = self.failures.send(failure.message().to_owned());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Returns the status of a call in headers or trailers if the call failed.
fn failed_status(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers).filter(|status| status.code() != tonic::Code::Ok)
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
            let response = response.await.inspect_err(|error| watched.tell(error))?;
            // Most answers to failed calls have only headers, which contain the status.
            if let Some(status) = failed_status(response.headers()) {
                let _ = watched.failures.send(status.message().to_owned());
            }
            let failures = watched.failures;
            Ok(response.map(|body| Body::new(WatchedBody { body, failures })))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    /// A body with the given frame or error.
    struct Begun(Option<Result<Frame<Bytes>, Status>>);

    impl http_body::Body for Begun {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.take())
        }
    }

    async fn told(frame: Result<Frame<Bytes>, Status>) -> Option<String> {
        let (failures, mut failed) = unbounded_channel();
        let body = Body::new(Begun(Some(frame)));
        let mut watched = Body::new(WatchedBody { body, failures });
        while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut watched).poll_frame(context)).await
        {
        }
        failed.try_recv().ok()
    }

    #[tokio::test]
    async fn an_answer_that_fails_after_its_head_is_told_of() {
        assert_eq!(told(Ok(Frame::data(Bytes::from("x")))).await, None);
        let broken = told(Err(Status::unavailable("broken off"))).await;
        assert_eq!(broken.as_deref(), Some("broken off"));
        for (status, expected) in [
            (Status::ok(""), None),
            (Status::internal("too long"), Some("too long")),
        ] {
            let mut trailers = HeaderMap::new();
            status.add_header(&mut trailers).unwrap();
            assert_eq!(
                told(Ok(Frame::trailers(trailers))).await.as_deref(),
                expected
            );
        }
    }
}
