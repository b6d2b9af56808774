//! The fuzz target of plans. As the targets in `honeyguide::fuzzing`, it exists only in tests and in code that is compiled
//! for fuzzing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path};
use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{AsExecutionPlan, PhysicalExtensionCodec};
use datafusion_proto::protobuf::PhysicalPlanNode;

use crate::codec::PlanCodec;
use crate::job_id::is_job_id;
use crate::plans;

/// Takes the input for a plan, for a function within one, and for a job id.
///
/// # Panics
/// If a plan that is accepted has a node that writes or that belongs to the cluster, if an id that is accepted is a path, or
/// if decoding a function panics.
pub fn plan(input: &[u8]) {
    let codec = PlanCodec::default();
    // It is decoded or refused. The model that it names is not read.
    let _ = codec.try_decode_udf("", input);
    if let Ok(text) = std::str::from_utf8(input)
        && is_job_id(text)
    {
        let parts: Vec<Component> = Path::new(text).components().collect();
        assert!(matches!(parts[..], [Component::Normal(_)]), "a path");
    }
    let Ok(plan) = PhysicalPlanNode::try_decode(input) else {
        return;
    };
    if plans::check(&plan).is_err() {
        return;
    }
    // The engine's decoder may panic: a node then loses the call, and nothing else.
    let decode = AssertUnwindSafe(|| plan.try_into_physical_plan(&TaskContext::default(), &codec));
    if let Ok(Ok(plan)) = catch_unwind(decode) {
        check(&plan);
    }
}

fn check(plan: &Arc<dyn ExecutionPlan>) {
    let name = plan.name();
    let is_other = ["Sink", "Shuffle", "Distributed", "Unresolved"]
        .into_iter()
        .any(|part| name.contains(part));
    assert!(!is_other, "the scheduler accepts {name}");
    plan.children().into_iter().for_each(check);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_target_passes_its_inputs() {
        let corpus = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fuzz/corpus/plan"
        ));
        let inputs: Vec<_> = fs::read_dir(corpus).unwrap().collect();
        assert!(!inputs.is_empty());
        for input in inputs {
            let path = input.unwrap().path();
            // Shown only if the target panics.
            println!("{}", path.display());
            plan(&fs::read(&path).unwrap());
        }
    }
}
