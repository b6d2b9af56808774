//! A node above every scan of a plan that turns a panic of a reader into an error. What damaged files do to the engine's
//! readers ends here; the search for the cause then says which file is damaged.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
};
use futures::{Stream, StreamExt};

use crate::caught::caught;

/// The last rule of planning, which puts a [`GuardExec`] above every scan.
#[derive(Debug)]
pub(super) struct GuardScans;

impl PhysicalOptimizerRule for GuardScans {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let guarded = plan.transform_up(|node| {
            Ok(match node.is::<DataSourceExec>() {
                true => Transformed::yes(Arc::new(GuardExec { scan: node }) as _),
                false => Transformed::no(node),
            })
        });
        Ok(guarded?.data)
    }

    fn name(&self) -> &str {
        "GuardScans"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A scan whose panics are errors.
#[derive(Debug)]
struct GuardExec {
    scan: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for GuardExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardExec")
    }
}

impl ExecutionPlan for GuardExec {
    fn name(&self) -> &str {
        "GuardExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.scan.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.scan]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match children.pop() {
            Some(scan) => Arc::new(Self { scan }),
            None => self,
        })
    }

    fn execute(
        &self,
        partition: usize,
        task: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let scan = caught(|| self.scan.execute(partition, task)).map_err(failed)??;
        Ok(Box::pin(Guarded {
            schema: self.scan.schema(),
            scan: Some(scan),
        }))
    }
}

/// Batches of a scan. After a panic there are no more.
struct Guarded {
    schema: SchemaRef,
    scan: Option<SendableRecordBatchStream>,
}

impl Stream for Guarded {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(scan) = &mut self.scan else {
            return Poll::Ready(None);
        };
        caught(|| scan.poll_next_unpin(context)).unwrap_or_else(|why| {
            // The reader is in no state to be dropped in an orderly way, and may panic again.
            let broken = self.scan.take();
            let _ = caught(|| drop(broken));
            Poll::Ready(Some(Err(failed(why))))
        })
    }
}

impl RecordBatchStream for Guarded {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn failed(why: String) -> DataFusionError {
    DataFusionError::Execution(format!("a reader of files failed: {why}"))
}
