//! The columns of each table that a query reads, according to its optimised plan.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::{TreeNodeRecursion, TreeNodeVisitor};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;

/// The names of the columns that a query reads, by table.
pub(super) struct Reads(BTreeMap<String, BTreeSet<String>>);

impl Reads {
    /// Returns what an optimised plan reads.
    pub fn of(plan: &LogicalPlan) -> Self {
        let mut collector = Collector::default();
        // The visitor never fails.
        let _ = plan.visit_with_subqueries(&mut collector);
        Self(collector.reads)
    }

    /// Returns whether the query reads a table.
    pub fn table(&self, table: &str) -> bool {
        self.0.contains_key(table)
    }

    /// Returns whether the query reads a column of a table.
    pub fn column(&self, table: &str, column: &str) -> bool {
        self.0
            .get(table)
            .is_some_and(|columns| columns.contains(column))
    }
}

/// A visitor that collects the columns of every scan. A scan belongs to the closest alias above it, which is the name
/// that its view was registered with.
#[derive(Default)]
struct Collector {
    aliases: Vec<String>,
    reads: BTreeMap<String, BTreeSet<String>>,
}

impl<'n> TreeNodeVisitor<'n> for Collector {
    type Node = LogicalPlan;

    fn f_down(&mut self, node: &'n LogicalPlan) -> Result<TreeNodeRecursion, DataFusionError> {
        match node {
            LogicalPlan::SubqueryAlias(alias) => self.aliases.push(alias.alias.table().to_owned()),
            LogicalPlan::TableScan(scan) => {
                let table = self
                    .aliases
                    .last()
                    .cloned()
                    .unwrap_or_else(|| scan.table_name.table().to_owned());
                let columns = scan.projected_schema.fields().iter();
                let filtered = scan.filters.iter().flat_map(|filter| filter.column_refs());
                let read = columns.map(|column| column.name().clone());
                self.reads
                    .entry(table)
                    .or_default()
                    .extend(read.chain(filtered.map(|column| column.name.clone())));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn f_up(&mut self, node: &'n LogicalPlan) -> Result<TreeNodeRecursion, DataFusionError> {
        if let LogicalPlan::SubqueryAlias(_) = node {
            self.aliases.pop();
        }
        Ok(TreeNodeRecursion::Continue)
    }
}
