//! What a node of the cluster knows beyond Ballista itself: our functions, how a model's function is written into a
//! plan, and how the bytes of a source are reached. Schedulers and executors are given the same.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ballista_core::extension::SessionConfigExt;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::serde::{BallistaCodec, BallistaLogicalExtensionCodec};
use ballista_core::utils::default_session_builder;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use honeyguide::{StorageOptions, node};
use tonic::transport::Endpoint;

use crate::codec::PlanCodec;

/// The largest message that nodes send each other and take, in bytes. A plan names its files one by one, and carries
/// the models whose functions it calls.
pub const MAX_MESSAGE_BYTES: u32 = 256 << 20;

/// How long it may take to reach another node, and how long it may be silent when it is asked for a sign of life.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(10);
/// How often a node from which something is being fetched is asked for a sign of life.
const PROBE: Duration = Duration::from_secs(5);

/// A connection to another node on which nobody waits for one that is gone.
pub(crate) fn watchful(
    endpoint: Endpoint,
) -> std::result::Result<Endpoint, Box<dyn std::error::Error + Send + Sync>> {
    Ok(endpoint
        .connect_timeout(CONNECT_TIME)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE)
        .keep_alive_timeout(SILENCE))
}

/// Functions, codec and object stores of a node.
#[derive(Clone)]
pub struct NodeServices {
    object_stores: Arc<dyn ObjectStoreRegistry>,
    functions: Vec<Arc<ScalarUDF>>,
    codec: Arc<dyn PhysicalExtensionCodec>,
}

impl NodeServices {
    /// The services of a node that reaches object stores with its own `storage` settings.
    pub fn new(storage: &StorageOptions) -> Self {
        Self {
            object_stores: node::object_stores(storage),
            functions: node::functions(),
            codec: Arc::new(PlanCodec::new(storage)),
        }
    }

    /// Settings of a session before a client's own are laid over them.
    pub(crate) fn session_config() -> SessionConfig {
        SessionConfig::new_with_ballista()
            .with_ballista_override_create_grpc_client_endpoint(Arc::new(watchful))
    }

    /// How plans are written and read.
    pub(crate) fn codec(&self) -> BallistaCodec<LogicalPlanNode, PhysicalPlanNode> {
        BallistaCodec::new(
            Arc::new(BallistaLogicalExtensionCodec::default()),
            Arc::clone(&self.codec),
        )
    }

    /// The engine's functions and ours.
    pub(crate) fn functions(&self) -> BallistaFunctionRegistry {
        let mut registry = BallistaFunctionRegistry::default();
        for function in &self.functions {
            let name = function.name().to_owned();
            registry.scalar_functions.insert(name, Arc::clone(function));
        }
        registry
    }

    /// What the tasks of a session share on an executor; what does not fit into memory goes to `spill`.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) fn runtime(&self, spill: &Path) -> Result<Arc<RuntimeEnv>> {
        RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::clone(&self.object_stores))
            .with_temp_file_path(spill)
            .build_arc()
    }

    /// A client's session as the scheduler sees it.
    ///
    /// # Errors
    /// When the engine refuses a setting.
    pub(crate) fn session(&self, config: SessionConfig) -> Result<SessionState> {
        let runtime = RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::clone(&self.object_stores))
            .build_arc()?;
        let mut state = default_session_builder(config)?;
        for function in &self.functions {
            state.register_udf(Arc::clone(function))?;
        }
        let state = SessionStateBuilder::new_from_existing(state);
        Ok(state.with_runtime_env(runtime).build())
    }
}
