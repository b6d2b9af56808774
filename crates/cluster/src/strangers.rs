//! Attacks of strangers on a scheduler and an executor on loopback, over their ports.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_flight::Ticket;
use arrow_flight::flight_service_client::FlightServiceClient;
use ballista_core::execution_plans::ShuffleWriterExec;
use ballista_core::extension::SessionConfigExt;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::executor_grpc_client::ExecutorGrpcClient;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelTasksParams, ExecuteQueryParams, ExecutorStoppedParams, GetJobStatusParams,
    HeartBeatParams, PollWorkParams, StopExecutorParams,
};
use ballista_core::serde::scheduler::{Action, ShuffleFileKind, ShuffleLayout};
use ballista_core::version::insert_version_header;
use ballista_executor::executor_process::{ExecutorProcessConfig, structure_executor_metadata};
use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{CsvReadOptions, SessionConfig, SessionContext};
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::Access;
use crate::access::Secret;
use crate::codec::PlanCodec;
use crate::local_nodes::{Nodes, with_token};

const TOKEN: &str = "0123456789abcdef";

/// Returns a plan that counts the rows of a file, such as our clients send.
async fn counting(folder: &Path) -> Arc<dyn ExecutionPlan> {
    let path = folder.join("data.csv");
    fs::write(&path, "a\n1\n2\n3\n").unwrap();
    let context = SessionContext::new_with_config(SessionConfig::new_with_ballista());
    let options = CsvReadOptions::new();
    context
        .register_csv("t", path.to_str().unwrap(), options)
        .await
        .unwrap();
    let query = context
        .sql("SELECT a, count(*) FROM t GROUP BY a ORDER BY a")
        .await
        .unwrap();
    query.create_physical_plan().await.unwrap()
}

/// Submits a query. Returns the code of the refusal.
async fn submit(channel: Channel, query: Query) -> Result<(), Code> {
    let mut request = Request::new(ExecuteQueryParams {
        query: Some(query),
        settings: Vec::new(),
        session_id: "a".to_owned(),
        operation_id: "b".to_owned(),
    });
    insert_version_header(request.metadata_mut());
    let answer = SchedulerGrpcClient::new(channel)
        .execute_query(request)
        .await;
    answer.map(|_| ()).map_err(|status| status.code())
}

fn encoded(plan: Arc<dyn ExecutionPlan>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let node = PhysicalPlanNode::try_from_physical_plan(plan, &PlanCodec::default()).unwrap();
    node.try_encode(&mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_with_a_writer_inside_writes_nothing() {
    let nodes = Nodes::start(Access::default()).await;
    nodes.client(Access::default()).await.unwrap();
    let plan = counting(nodes.folder.path()).await;
    let target = nodes.folder.path().join("written-by-a-stranger");
    let writer = ShuffleWriterExec::try_new(
        target.to_str().unwrap().into(),
        1,
        Arc::clone(&plan),
        String::new(),
    );
    let bytes = encoded(Arc::new(writer.unwrap()));
    let channel = nodes.to(nodes.scheduler, None).await;
    let refused = submit(channel.clone(), Query::PhysicalPlan(bytes)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!target.exists(), "a stranger wrote a file");
    assert_eq!(refused, Err(Code::InvalidArgument));
    for query in [
        Query::LogicalPlan(Vec::new()),
        Query::SubstraitPlan(Vec::new()),
        Query::PhysicalPlan(vec![0xff; 100]),
        Query::PhysicalPlan(Vec::new()),
    ] {
        let refused = submit(channel.clone(), query).await;
        assert_eq!(refused, Err(Code::InvalidArgument));
    }
    assert_eq!(nodes.refused("scheduler", "plan").await, 5.0);
    // The plan itself is such as our client sends.
    let taken = submit(channel, Query::PhysicalPlan(encoded(plan))).await;
    assert_eq!(taken, Ok(()));
}

/// Asks for a result. Returns the code of the refusal.
async fn fetch(channel: Channel, job: &str, file_id: Option<u64>) -> Result<(), Code> {
    let action = Action::FetchPartition {
        job_id: job.into(),
        stage_id: 1,
        partition_id: 0,
        host: "h".to_owned(),
        port: 1,
        file_id,
        layout: ShuffleLayout::Passthrough,
        file_kind: ShuffleFileKind::Data,
        byte_ranges: Vec::new(),
    };
    let action: ballista_core::serde::protobuf::Action = action.try_into().unwrap();
    let ticket = Ticket::new(arrow_flight::sql::ProstMessageExt::as_any(&action).value);
    let answer = FlightServiceClient::new(channel).do_get(ticket).await;
    answer.map(|_| ()).map_err(|status| status.code())
}

/// Writes a result of a job in `folder`.
fn write_result(folder: &Path, job: &str) -> PathBuf {
    let path = folder.join(job).join("1/0");
    fs::create_dir_all(&path).unwrap();
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
    let file = fs::File::create(path.join("data.arrow")).unwrap();
    let mut writer = StreamWriter::try_new(file, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    path.join("data.arrow")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_outside_of_the_results_is_handed_out() {
    let nodes = Nodes::start(Access::default()).await;
    let (own, linked, file) = (
        "01234567-89ab-cdef-0123-456789abcdef",
        "11234567-89ab-cdef-0123-456789abcdef",
        "21234567-89ab-cdef-0123-456789abcdef",
    );
    let results = nodes.results();
    let outside = nodes.folder.path().join("outside");
    let secret = write_result(&outside, own);
    write_result(&results, own);
    symlink(outside.join(own), results.join(linked)).unwrap();
    fs::create_dir_all(results.join(file).join("1/0")).unwrap();
    symlink(secret, results.join(file).join("1/0/data.arrow")).unwrap();
    let channel = nodes.to(nodes.executor, None).await;
    assert_eq!(fetch(channel.clone(), own, None).await, Ok(()));
    let absolute = outside.join(own);
    let upwards = format!("../../../outside/{own}");
    let jobs = [
        absolute.to_str().unwrap(),
        &upwards,
        linked,
        file,
        "31234567-89ab-cdef-0123-456789abcdef",
    ];
    for job in jobs {
        let refused = fetch(channel.clone(), job, None).await;
        assert_eq!(refused, Err(Code::NotFound), "{job}");
    }
    assert_eq!(nodes.refused("executor", "job").await, 2.0);
    assert_eq!(nodes.refused("executor", "result").await, 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_messages_have_no_effect() {
    let nodes = Nodes::start(Access::default()).await;
    nodes.client(Access::default()).await.unwrap();
    let log = |channel| SchedulerGrpcClient::new(channel);
    // A stranger joins, as an executor of its own. The other one keeps its name.
    let own = Secret::draw();
    let config = Arc::new(ExecutorProcessConfig {
        external_host: Some("127.0.0.1".to_owned()),
        ..ExecutorProcessConfig::default()
    });
    let registration = structure_executor_metadata(&config, 1);
    let poll = PollWorkParams {
        metadata: Some(registration.clone()),
        num_free_vcores: 0,
        task_status: Vec::new(),
    };
    let with_secret = |secret| nodes.channel(nodes.scheduler, None, Some(secret));
    let nameless = nodes.to(nodes.scheduler, None).await;
    assert!(log(nameless.clone()).poll_work(poll.clone()).await.is_err());
    log(with_secret(own.clone()).await)
        .poll_work(poll.clone())
        .await
        .unwrap();
    assert_eq!(nodes.executors().await, 2.0);

    let goodbye = ExecutorStoppedParams {
        executor_id: registration.id.clone(),
        reason: "forged".to_owned(),
    };
    let beat = HeartBeatParams {
        executor_id: registration.id.clone(),
        metrics: Vec::new(),
        status: None,
        metadata: Some(registration),
    };
    for channel in [nameless, with_secret(Secret::draw()).await] {
        let mut stranger = log(channel);
        let codes = [
            stranger.poll_work(poll.clone()).await.map(|_| ()),
            stranger
                .heart_beat_from_executor(beat.clone())
                .await
                .map(|_| ()),
            stranger.executor_stopped(goodbye.clone()).await.map(|_| ()),
        ];
        for code in codes {
            assert_eq!(code.unwrap_err().code(), Code::PermissionDenied);
        }
    }
    assert_eq!(
        nodes.executors().await,
        2.0,
        "a stranger removed an executor"
    );
    assert_eq!(nodes.refused("scheduler", "identity").await, 7.0);
    log(with_secret(own).await)
        .executor_stopped(goodbye)
        .await
        .unwrap();
    let begun = Instant::now();
    while nodes.executors().await != 1.0 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it does not leave"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let mut orders = ExecutorGrpcClient::new(nodes.to(nodes.executor, None).await);
    let stop = StopExecutorParams::default();
    assert_eq!(
        orders.stop_executor(stop).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    let cancel = CancelTasksParams::default();
    assert_eq!(
        orders.cancel_tasks(cancel).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(nodes.refused("executor", "identity").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_only_healthz_answers() {
    let nodes = Nodes::start(with_token(Some(TOKEN))).await;
    nodes.client(with_token(Some(TOKEN))).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for token in [None, Some("0123456789abcdeX")] {
        let refused = nodes.client(with_token(token)).await.unwrap_err();
        assert!(
            refused.hint_text().unwrap().contains("--token-file"),
            "{refused}"
        );
        assert!(!refused.to_string().contains("0123456789"), "{refused}");
        let channel = nodes.to(nodes.scheduler, token).await;
        let mut scheduler = SchedulerGrpcClient::new(channel);
        let asked = scheduler
            .get_job_status(GetJobStatusParams::default())
            .await;
        assert_eq!(asked.unwrap_err().code(), Code::Unauthenticated);
        let channel = nodes.to(nodes.executor, token).await;
        let job = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(fetch(channel, job, None).await, Err(Code::Unauthenticated));
        for (node, page, status) in [
            (nodes.scheduler, "/healthz", 200),
            (nodes.executor, "/healthz", 200),
            (nodes.scheduler, "/metrics", 401),
            (nodes.executor, "/metrics", 401),
            (nodes.scheduler, "/honeyguide/cluster", 401),
            (nodes.scheduler, "/other", 401),
        ] {
            let mut request = http.get(format!("http://{node}{page}"));
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{node}{page}");
        }
    }
    let sample = r#"honeyguide_scheduler_refused_total{what="token"}"#;
    assert_eq!(
        nodes.metric(nodes.scheduler, sample, Some(TOKEN)).await,
        10.0
    );
    let plan = Query::PhysicalPlan(encoded(counting(nodes.folder.path()).await));
    let taken = submit(nodes.to(nodes.scheduler, Some(TOKEN)).await, plan).await;
    assert_eq!(taken, Ok(()));
}
