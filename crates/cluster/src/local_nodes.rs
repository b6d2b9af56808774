//! A scheduler and an executor on loopback in this process, for tests.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use honeyguide::StorageOptions;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::access::{Credentials, Secret};
use crate::{
    Access, ClientSettings, Cluster, Executor, ExecutorSettings, NodeServices, Scheduler,
    SchedulerSettings, Token,
};

/// A scheduler and an executor, which end with this value.
pub(crate) struct Nodes {
    pub(crate) scheduler: SocketAddr,
    pub(crate) executor: SocketAddr,
    pub(crate) folder: TempDir,
    access: Access,
    _work: JoinSet<()>,
}

/// Returns what keeps strangers out of a cluster with a token, or of one without.
pub(crate) fn with_token(token: Option<&str>) -> Access {
    Access {
        token: token.and_then(Token::new),
        tls: None,
    }
}

impl Nodes {
    pub(crate) async fn start(access: Access) -> Self {
        let services = NodeServices::new(&StorageOptions::default(), access.clone());
        let settings = SchedulerSettings {
            bind: loopback(),
            ..SchedulerSettings::default()
        };
        let scheduler = Scheduler::bind(&settings, services.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = scheduler.address();
        let settings = ExecutorSettings {
            scheduler: at.to_string().parse().unwrap(),
            bind: loopback(),
            advertise: None,
            work_dir: Some(folder.path().join("work")),
            slots: 1,
            memory: Some(64 << 20),
            patience: Duration::from_secs(60),
            insecure: false,
        };
        let executor = Executor::bind(settings, services).await.unwrap();
        let address = executor.address();
        let mut work = JoinSet::new();
        work.spawn(async { scheduler.serve(std::future::pending()).await.unwrap() });
        work.spawn(async { executor.serve(std::future::pending()).await.unwrap() });
        Self {
            scheduler: at,
            executor: address,
            folder,
            access,
            _work: work,
        }
    }

    /// Connects a client and waits until the executor has joined.
    pub(crate) async fn client(&self, access: Access) -> honeyguide::Result<Cluster> {
        let settings = ClientSettings {
            job_time: Duration::from_secs(60),
            access,
            notice: Box::new(|_| {}),
        };
        Cluster::connect(&format!("df://{}", self.scheduler), settings).await
    }

    pub(crate) async fn to(&self, address: SocketAddr, token: Option<&str>) -> Channel {
        self.channel(address, token, None).await
    }

    pub(crate) async fn channel(
        &self,
        address: SocketAddr,
        token: Option<&str>,
        secret: Option<Secret>,
    ) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let credentials = Credentials {
            secret,
            ..with_token(token).credentials()
        };
        credentials.on(endpoint).unwrap().connect().await.unwrap()
    }

    /// Returns the folder of the executor's results.
    pub(crate) fn results(&self) -> PathBuf {
        let work = fs::read_dir(self.folder.path().join("work")).unwrap();
        let work = work.map(|entry| entry.unwrap().path()).next().unwrap();
        work.join("results")
    }

    /// Returns a sample of a node's page of metrics.
    pub(crate) async fn metric(&self, node: SocketAddr, sample: &str, token: Option<&str>) -> f64 {
        let mut client = reqwest::Client::builder().no_proxy();
        if let Some(tls) = &self.access.tls {
            client = client.use_preconfigured_tls(tls.client());
        }
        let url = format!("{}://{node}/metrics", self.access.scheme());
        let mut request = client.build().unwrap().get(url);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let page = request.send().await.unwrap().text().await.unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(sample));
        line.unwrap_or_else(|| panic!("{page}"))
            .trim()
            .parse()
            .unwrap()
    }

    pub(crate) async fn executors(&self) -> f64 {
        self.metric(self.scheduler, "honeyguide_scheduler_executors ", None)
            .await
    }

    pub(crate) async fn refused(&self, node: &str, what: &str) -> f64 {
        let sample = format!(r#"honeyguide_{node}_refused_total{{what="{what}"}}"#);
        let address = match node {
            "scheduler" => self.scheduler,
            _ => self.executor,
        };
        let token = self.access.token.as_ref();
        self.metric(address, &sample, token.map(Token::reveal))
            .await
    }
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
