//! Encodes plans for other processes: Ballista's encoding, extended by model functions and exact aggregates.

use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::common::plan_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use honeyguide::StorageOptions;
use honeyguide::node::{KeptModels, aggregates, decode_function, encode_function};

/// A codec that encodes model functions itself and leaves the rest to Ballista's codec.
#[derive(Debug, Default)]
pub struct PlanCodec {
    ballista: BallistaPhysicalExtensionCodec,
    models: Arc<KeptModels>,
}

impl PlanCodec {
    /// Returns a codec whose functions read models from object stores with the settings `storage`.
    pub fn new(storage: &StorageOptions) -> Self {
        Self {
            ballista: BallistaPhysicalExtensionCodec::default(),
            models: Arc::new(KeptModels::new(storage.clone())),
        }
    }
}

impl PhysicalExtensionCodec for PlanCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.ballista.try_decode(buf, inputs, ctx, proto_converter)
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        self.ballista.try_encode(node, buf, proto_converter)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        if let Some(function) = encode_function(node)? {
            buf.extend(function);
        }
        Ok(())
    }

    fn try_decode_udf(&self, _: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        Ok(Arc::new(decode_function(buf, &self.models)?))
    }

    fn try_decode_udaf(&self, name: &str, _: &[u8]) -> Result<Arc<AggregateUDF>> {
        let found = aggregates().into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| plan_datafusion_err!("there is no aggregate `{name}`"))
    }
}
