//! The service that hands out results. Ballista's own service joins the parts of a request to a path. So a request is
//! passed on only if it names a job and a file that lies below the folder of results, without a link on its way.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use async_trait::async_trait;
use ballista_core::execution_plans::create_shuffle_path;
use ballista_core::serde::decode_protobuf;
use ballista_core::serde::scheduler::{Action as Wanted, ShuffleFileKind, ShuffleLayout};
use ballista_executor::flight_service::BallistaFlightService;
use futures::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::job_id::is_job_id;
use crate::metrics::{Refusal, Refusals};

/// The only action of Ballista's clients: a result in blocks of its file.
const BLOCKS: &str = "IO_BLOCK_TRANSPORT";

/// A service that checks requests for results before Ballista's service answers them.
pub(super) struct Results {
    inner: BallistaFlightService,
    folder: PathBuf,
    refusals: Arc<Refusals>,
}

type Answer<T> = Result<Response<T>, Status>;
type Rows<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Refuses a call that honeyguide's clients and executors do not make.
fn unused<T>() -> Answer<T> {
    Err(Status::unimplemented(
        "results are all that is handed out here",
    ))
}

impl Results {
    /// Returns a service for the results in `folder`.
    pub(super) fn new(folder: &Path, refusals: Arc<Refusals>) -> Self {
        // Otherwise a link in the path to the folder itself would look like one below it.
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        Self {
            inner: BallistaFlightService::new(folder.to_string_lossy().into_owned()),
            folder,
            refusals,
        }
    }

    /// Checks a request. Whatever is wrong, the answer is the same, so that it does not tell which files exist.
    fn check(&self, request: &[u8]) -> Result<(), Status> {
        self.find(request).map_err(|(kind, why)| {
            self.refusals.note(kind, &why);
            Status::not_found("there is no such result")
        })
    }

    fn find(&self, request: &[u8]) -> Result<(), (Refusal, String)> {
        let other = |why: &str| (Refusal::Result, why.to_owned());
        let wanted = decode_protobuf(request).map_err(|_| other("a request for no result"))?;
        let Wanted::FetchPartition {
            job_id,
            stage_id,
            partition_id,
            file_id,
            layout,
            file_kind,
            byte_ranges,
            ..
        } = wanted;
        if !is_job_id(job_id.as_str()) {
            return Err((
                Refusal::JobId,
                format!("a result of the job `{job_id}`, which is no job id"),
            ));
        }
        if !byte_ranges.is_empty() || !matches!(file_kind, ShuffleFileKind::Data) {
            return Err(other("a part of a result's file"));
        }
        let is_sorted = matches!(layout, ShuffleLayout::Sort);
        let path = create_shuffle_path(
            &self.folder,
            &job_id,
            stage_id,
            partition_id,
            file_id,
            is_sorted,
        );
        let path = path.map_err(|_| other("a result without its number"))?;
        match is_plain(&path) {
            true => Ok(()),
            false => Err(other("a result that does not exist, or is behind a link")),
        }
    }
}

/// Returns whether `path` is a file, neither it nor a folder on its way is a link, and no file beside it is one. The
/// index of a result is beside it.
fn is_plain(path: &Path) -> bool {
    let is_canonical = fs::canonicalize(path).is_ok_and(|found| found == path) && path.is_file();
    let beside = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    let is_link = |entry: std::io::Result<fs::DirEntry>| {
        let kind = entry.and_then(|entry| entry.file_type());
        kind.map_or(true, |kind| kind.is_symlink())
    };
    is_canonical && beside.is_some_and(|mut entries| !entries.any(is_link))
}

#[async_trait]
impl FlightService for Results {
    type DoActionStream = Rows<arrow_flight::Result>;
    type DoExchangeStream = Rows<FlightData>;
    type DoGetStream = Rows<FlightData>;
    type DoPutStream = Rows<PutResult>;
    type HandshakeStream = Rows<HandshakeResponse>;
    type ListActionsStream = Rows<ActionType>;
    type ListFlightsStream = Rows<FlightInfo>;

    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        self.check(&request.get_ref().ticket)?;
        self.inner.do_get(request).await
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        if request.get_ref().r#type != BLOCKS {
            return unused();
        }
        self.check(&request.get_ref().body)?;
        self.inner.do_action(request).await
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        unused()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        unused()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<PollInfo> {
        unused()
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        unused()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        unused()
    }

    async fn do_put(&self, _: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        unused()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Answer<Self::ListActionsStream> {
        unused()
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Answer<Self::DoExchangeStream> {
        unused()
    }
}
