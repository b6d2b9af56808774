//! Limits on queries whose plans are far larger than their texts: a table expression is planned anew wherever it is named,
//! and a cube is a union of all subsets of its columns.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, GroupByWithModifier, Query, Select, Statement, TableFactor, Visit, Visitor,
};

use crate::error::{Error, Result};
use crate::naming::parameter;

/// The most tables that a plan reads, where a table expression counts for all that it reads: once where it is defined, and
/// each time that it is named.
const MAX_READS: u64 = 128;
/// The most queries within each other.
const MAX_DEPTH: usize = 24;
/// The most groupings of one query.
const MAX_GROUPINGS: u64 = 128;

/// Checks a statement against the limits.
///
/// # Errors
/// Fails with a message that says which limit is exceeded.
pub(super) fn check(statement: &Statement) -> Result<()> {
    let mut limits = Limits::default();
    match Visit::visit(statement, &mut limits) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(why) => Err(Error::usage(format!("the query: {why}")).hint(format!(
            "divide it: write a part of the answer to a file with {}, and query that",
            parameter("out")
        ))),
    }
}

/// What is open where a visit is.
#[derive(Default)]
struct Limits {
    /// The queries around this place, with what their table expressions read.
    open: Vec<HashMap<String, u64>>,
    /// The tables that each open query has read so far.
    reads: Vec<u64>,
}

impl Limits {
    /// Returns what a table of this name reads: itself, or what the table expression reads that is called so.
    fn weight(&self, name: &str) -> u64 {
        let mut found = self.open.iter().rev().filter_map(|known| known.get(name));
        found.next().copied().unwrap_or(1)
    }
}

impl Visitor for Limits {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        if self.open.len() >= MAX_DEPTH {
            return ControlFlow::Break(format!("more than {MAX_DEPTH} queries within each other"));
        }
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return ControlFlow::Break(
                "WITH RECURSIVE, which may have no end, is not answered".into(),
            );
        }
        self.open.push(HashMap::new());
        self.reads.push(0);
        // The expressions after WITH are visited first, each as a query of its own: what they read is counted there. Here
        // each gets its weight before it is named.
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let mut inner = Self {
                open: self.open.clone(),
                reads: Vec::new(),
            };
            let mut total = Total {
                limits: &mut inner,
                reads: 0,
            };
            Visit::visit(cte.query.as_ref(), &mut total)?;
            let reads = total.reads.max(1);
            if reads > MAX_READS {
                return ControlFlow::Break(too_many(reads));
            }
            let name = cte.alias.name.value.clone();
            if let Some(known) = self.open.last_mut() {
                known.insert(name, reads);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
        self.open.pop();
        let reads = self.reads.pop().unwrap_or(0);
        if let Some(outer) = self.reads.last_mut() {
            *outer = outer.saturating_add(reads);
        }
        match reads > MAX_READS {
            true => ControlFlow::Break(too_many(reads)),
            false => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        if let TableFactor::Table { name, .. } = table {
            let weight = self.weight(&name.to_string());
            if let Some(reads) = self.reads.last_mut() {
                *reads = reads.saturating_add(weight);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        let groupings = groupings(&select.group_by);
        match groupings > MAX_GROUPINGS {
            true => ControlFlow::Break(format!(
                "GROUP BY with {groupings} groupings; the limit is {MAX_GROUPINGS}"
            )),
            false => ControlFlow::Continue(()),
        }
    }
}

fn too_many(reads: u64) -> String {
    format!(
        "its plan reads {reads} tables, where a table expression counts wherever it is defined or named; the limit is {MAX_READS}"
    )
}

/// A visit that counts what a table expression reads. Names of inner table expressions stand for what they read.
struct Total<'a> {
    limits: &'a mut Limits,
    reads: u64,
}

impl Visitor for Total<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        self.limits.pre_visit_query(query)
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
        self.limits.open.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        if let TableFactor::Table { name, .. } = table {
            let weight = self.limits.weight(&name.to_string());
            self.reads = self.reads.saturating_add(weight);
        }
        ControlFlow::Continue(())
    }
}

/// Returns the number of sets of columns by which a query groups.
fn groupings(group_by: &GroupByExpr) -> u64 {
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = group_by;
    let expressions = match group_by {
        GroupByExpr::Expressions(expressions, _) => expressions.as_slice(),
        GroupByExpr::All(_) => &[],
    };
    let subsets = |columns: usize| 1_u64.checked_shl(columns as u32).unwrap_or(u64::MAX);
    let each = expressions.iter().map(|expression| match expression {
        Expr::Cube(columns) => subsets(columns.len()),
        Expr::Rollup(columns) => columns.len() as u64 + 1,
        Expr::GroupingSets(sets) => sets.len() as u64,
        _ => 1,
    });
    let by_modifier = modifiers.iter().map(|modifier| match modifier {
        GroupByWithModifier::Cube => subsets(expressions.len()),
        GroupByWithModifier::Rollup => expressions.len() as u64 + 1,
        _ => 1,
    });
    each.chain(by_modifier).fold(1, u64::saturating_mul)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn checked(sql: &str) -> Result<()> {
        let parser = Parser::new(&GenericDialect {}).with_recursion_limit(200);
        let mut parser = parser.try_with_sql(sql).expect(sql);
        check(&parser.parse_statement().expect(sql))
    }

    fn doubled(times: usize) -> String {
        let mut sql = "WITH t0 AS (SELECT * FROM events)".to_owned();
        for index in 1..=times {
            let before = index - 1;
            sql += &format!(
                ", t{index} AS (SELECT * FROM t{before} UNION ALL SELECT * FROM t{before})"
            );
        }
        format!("{sql} SELECT count(*) FROM t{times}")
    }

    #[test]
    fn ordinary_queries_pass() {
        for sql in [
            "SELECT * FROM events",
            "WITH a AS (SELECT 1), b AS (SELECT * FROM a, a AS c) SELECT * FROM a, b",
            "SELECT a, b, count(*) FROM events GROUP BY CUBE (a, b)",
            "SELECT * FROM (SELECT * FROM (SELECT * FROM events))",
            &doubled(5),
        ] {
            assert!(checked(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn plans_that_explode_are_refused() {
        let columns: Vec<String> = (0..20).map(|column| format!("c{column}")).collect();
        let columns = columns.join(", ");
        let nested = format!("{}events{}", "SELECT * FROM (".repeat(30), ")".repeat(30));
        let nested = nested.replace("(events", "(SELECT * FROM events");
        for (sql, says) in [
            (doubled(7), "its plan reads"),
            (doubled(60), "its plan reads"),
            (
                format!("SELECT 1 FROM events GROUP BY CUBE ({columns})"),
                "groupings",
            ),
            (
                format!("SELECT 1 FROM events GROUP BY ROLLUP ({columns}), ROLLUP ({columns})"),
                "groupings",
            ),
            (
                "WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT * FROM n".into(),
                "RECURSIVE",
            ),
            (nested, "within each other"),
        ] {
            let error = checked(&sql).expect_err(&sql).to_string();
            assert!(error.contains(says), "{sql}: {error}");
        }
    }
}
