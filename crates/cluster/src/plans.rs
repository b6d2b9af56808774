//! The plans that a client may send. They read files and compute. They write nothing, and they know nothing of the
//! stages into which the scheduler divides them.

use datafusion_proto::protobuf::PhysicalPlanNode;
use datafusion_proto::protobuf::partitioning::PartitionMethod;
use datafusion_proto::protobuf::physical_plan_node::PhysicalPlanType as Node;

/// The greatest number of partitions that a node of a plan may name. The scheduler keeps a record of each.
const MAX_PARTITIONS: u64 = 1 << 16;

/// Checks that a plan consists only of nodes that our client sends. The client asks this too, and runs the other nodes
/// itself.
///
/// # Errors
/// Returns the name of the first other node, or says what is wrong with one.
pub(crate) fn check(plan: &PhysicalPlanNode) -> Result<(), String> {
    let mut left = vec![plan];
    while let Some(plan) = left.pop() {
        let node = plan
            .physical_plan_type
            .as_ref()
            .ok_or("a node of no known kind")?;
        let inputs = inputs(node)?;
        for input in inputs {
            left.push(input.ok_or("a node without its input")?);
        }
    }
    Ok(())
}

type Inputs<'a> = Vec<Option<&'a PhysicalPlanNode>>;

/// Returns the inputs of an allowed node.
fn inputs(node: &Node) -> Result<Inputs<'_>, String> {
    Ok(match node {
        Node::ParquetScan(_) | Node::CsvScan(_) | Node::PlaceholderRow(_) => Vec::new(),
        Node::Empty(empty) => few(empty.partitions.into()).map(|()| Vec::new())?,
        Node::Projection(node) => vec![node.input.as_deref()],
        Node::GlobalLimit(node) => vec![node.input.as_deref()],
        Node::LocalLimit(node) => vec![node.input.as_deref()],
        Node::Aggregate(node) => vec![node.input.as_deref()],
        Node::Sort(node) => vec![node.input.as_deref()],
        Node::CoalesceBatches(node) => vec![node.input.as_deref()],
        Node::Filter(node) => vec![node.input.as_deref()],
        Node::Merge(node) => vec![node.input.as_deref()],
        Node::Repartition(node) => {
            let into = node
                .partitioning
                .as_ref()
                .and_then(|into| into.partition_method.as_ref());
            few(into.map_or(0, partitions))?;
            vec![node.input.as_deref()]
        }
        Node::Window(node) => vec![node.input.as_deref()],
        Node::SortPreservingMerge(node) => vec![node.input.as_deref()],
        Node::Unnest(node) => vec![node.input.as_deref()],
        Node::Cooperative(node) => vec![node.input.as_deref()],
        Node::HashJoin(node) => vec![node.left.as_deref(), node.right.as_deref()],
        Node::CrossJoin(node) => vec![node.left.as_deref(), node.right.as_deref()],
        Node::NestedLoopJoin(node) => vec![node.left.as_deref(), node.right.as_deref()],
        Node::SortMergeJoin(node) => vec![node.left.as_deref(), node.right.as_deref()],
        Node::Union(node) => node.inputs.iter().map(Some).collect(),
        Node::Interleave(node) => node.inputs.iter().map(Some).collect(),
        Node::ScalarSubquery(node) => {
            let subqueries = node.subqueries.iter().map(Some);
            std::iter::once(node.input.as_deref())
                .chain(subqueries)
                .collect()
        }
        Node::Extension(_) => return Err("a node of the cluster itself".to_owned()),
        Node::ParquetSink(_) | Node::CsvSink(_) | Node::JsonSink(_) => {
            return Err("a node that writes".to_owned());
        }
        _ => return Err("a node that no command sends".to_owned()),
    })
}

/// Returns the number of partitions of a partitioning. Ranges list their own bounds, which the size of a message limits.
fn partitions(method: &PartitionMethod) -> u64 {
    match method {
        PartitionMethod::RoundRobin(number) | PartitionMethod::Unknown(number) => *number,
        PartitionMethod::Hash(hash) => hash.partition_count,
        PartitionMethod::Range(_) => 0,
    }
}

fn few(partitions: u64) -> Result<(), String> {
    match partitions <= MAX_PARTITIONS {
        true => Ok(()),
        false => Err(format!(
            "{partitions} partitions, where {MAX_PARTITIONS} are the limit"
        )),
    }
}
