//! The extensions of Ballista that schedulers and executors share: honeyguide's SQL functions, the encoding of model
//! functions in plans, and access to object stores.

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
use datafusion::execution::{
    FunctionRegistry, SessionState, SessionStateBuilder, SessionStateDefaults,
};
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use honeyguide::{StorageOptions, node};
use tonic::transport::Endpoint;

use crate::access::{Access, Credentials};
use crate::codec::PlanCodec;

/// The largest message that nodes send and accept, in bytes. A plan can be large, because it lists every file by name
/// and contains the models whose functions it calls.
pub const MAX_MESSAGE_BYTES: u32 = 256 << 20;

/// The longest time to connect to another node.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The longest time that another node may take to answer a ping (HTTP/2 PING frame).
const SILENCE: Duration = Duration::from_secs(10);
/// The time between pings while a call is open.
const PROBE: Duration = Duration::from_secs(5);

/// A change of an endpoint before it is connected, as Ballista takes it.
pub(crate) type Change = Arc<
    dyn Fn(Endpoint) -> std::result::Result<Endpoint, Box<dyn std::error::Error + Send + Sync>>
        + Send
        + Sync,
>;

/// Returns the change that sets timeouts on a connection, so that calls fail when the other node is gone, and shows
/// `credentials` in every call.
pub(crate) fn watchful(credentials: Credentials) -> Change {
    Arc::new(move |endpoint| Ok(with_timeouts(credentials.on(endpoint)?)))
}

/// Sets timeouts on a connection.
pub(crate) fn with_timeouts(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIME)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE)
        .keep_alive_timeout(SILENCE)
}

/// The SQL functions, the codec for plans and the object stores of a node.
#[derive(Clone)]
pub struct NodeServices {
    object_stores: Arc<dyn ObjectStoreRegistry>,
    functions: Vec<Arc<ScalarUDF>>,
    codec: Arc<dyn PhysicalExtensionCodec>,
    access: Access,
}

impl NodeServices {
    /// Returns the services of a node that uses its own settings, `storage`, to access object stores, and `access` to keep
    /// strangers out.
    pub fn new(storage: &StorageOptions, access: Access) -> Self {
        Self {
            object_stores: node::object_stores(storage),
            functions: node::functions(),
            codec: Arc::new(PlanCodec::new(storage)),
            access,
        }
    }

    /// Returns the default settings of a session, which a client's settings override.
    pub(crate) fn session_config(&self) -> SessionConfig {
        SessionConfig::new_with_ballista()
            .with_ballista_override_create_grpc_client_endpoint(watchful(self.access.credentials()))
    }

    /// Returns what keeps strangers out.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Returns the codec that writes and reads plans.
    pub(crate) fn codec(&self) -> BallistaCodec<LogicalPlanNode, PhysicalPlanNode> {
        BallistaCodec::new(
            Arc::new(BallistaLogicalExtensionCodec::default()),
            Arc::clone(&self.codec),
        )
    }

    /// Returns the functions of the engine and of honeyguide.
    pub(crate) fn functions(&self) -> BallistaFunctionRegistry {
        let mut registry = BallistaFunctionRegistry::default();
        // Ballista's own registry lacks the engine's functions of arrays.
        let engine = SessionStateDefaults::default_scalar_functions();
        for function in engine.iter().chain(&self.functions) {
            let name = function.name().to_owned();
            registry.scalar_functions.insert(name, Arc::clone(function));
        }
        for aggregate in node::aggregates() {
            let name = aggregate.name().to_owned();
            registry.aggregate_functions.insert(name, aggregate);
        }
        registry
    }

    /// Makes the environment that the tasks of a session share on an executor. Data that does not fit into memory goes
    /// to the folder `spill`.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub(crate) fn runtime(&self, spill: &Path) -> Result<Arc<RuntimeEnv>> {
        RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::clone(&self.object_stores))
            .with_temp_file_path(spill)
            .build_arc()
    }

    /// Makes the state of a client's session on the scheduler.
    ///
    /// # Errors
    /// The engine refuses a setting.
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
