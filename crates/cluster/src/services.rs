//! What a node of the cluster knows beyond Ballista itself: our functions, how a model's function is written into a
//! plan, and how the bytes of a source are reached. Schedulers and executors are given the same.

use std::path::Path;
use std::sync::Arc;

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

use crate::codec::PlanCodec;

/// The largest message that nodes send each other and take, in bytes. A plan names its files one by one, and carries
/// the models whose functions it calls.
pub const MAX_MESSAGE_BYTES: u32 = 256 << 20;

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
