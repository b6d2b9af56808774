//! The number of calls by program.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, cast, ident, lit};
use datafusion::prelude::DataFrame;

use super::super::places::choose;
use crate::engine::Engine;
use crate::error::Result;
use crate::groups::COUNT;
use crate::scan::Scan;
use crate::source::Source;

/// The greatest number of programs, and of calls, that are counted separately. The others are combined.
const SHOWN: [usize; 2] = [30, 40];

/// The number of events of each of the most frequent programs and calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Programs {
    /// The names of programs and of calls, most frequent first, and then the others as one.
    names: [Vec<String>; 2],
    /// The number of events, programs × calls.
    counts: Vec<Vec<u64>>,
}

impl Programs {
    /// Counts programs and calls in three scans of two columns; returns `None` where the data lacks one of the columns.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    pub(super) async fn read(engine: &Engine, source: &mut Source) -> Result<Option<Self>> {
        let Some(columns) = columns(source) else {
            return Ok(None);
        };
        let mut names = [Vec::new(), Vec::new()];
        let mut codes = Vec::new();
        for axis in 0..2 {
            let frequent = most_frequent(engine, source, columns[axis], SHOWN[axis]).await?;
            codes.push(code(columns[axis], &frequent));
            let named = frequent
                .into_iter()
                .map(|name| name.unwrap_or_else(|| "null".into()));
            names[axis] = named.chain(["all others".to_owned()]).collect();
        }
        let mut programs = Self {
            counts: vec![vec![0; names[1].len()]; names[0].len()],
            names,
        };
        programs.fill(engine, source, &codes[0], &codes[1]).await?;
        programs.drop_empty_rest();
        Ok(Some(programs))
    }

    async fn fill(
        &mut self,
        engine: &Engine,
        source: &mut Source,
        program: &Expr,
        call: &Expr,
    ) -> Result<()> {
        let query = |table: DataFrame| {
            table
                .select(vec![
                    program.clone().alias("__program"),
                    call.clone().alias("__call"),
                ])?
                .aggregate(
                    vec![ident("__program"), ident("__call")],
                    vec![count(lit(1)).alias(COUNT)],
                )
        };
        let push = |cells: &mut Vec<[usize; 3]>, batch: &RecordBatch| {
            let column = |index: usize| batch.column(index).as_primitive::<Int64Type>();
            let rows = 0..batch.num_rows();
            cells.extend(rows.map(|row| [0, 1, 2].map(|index| column(index).value(row) as usize)));
            Ok(())
        };
        let scan = Scan::new(engine, "counting calls").reading([program, call]);
        let cells = scan.fold(source, || Ok(Vec::new()), query, push).await?;
        for [program, call, events] in cells {
            self.counts[program][call] += events as u64;
        }
        Ok(())
    }

    /// Leaves out the row and the column of all others where there are none.
    fn drop_empty_rest(&mut self) {
        if self
            .counts
            .last()
            .is_some_and(|row| row.iter().all(|events| *events == 0))
        {
            self.counts.pop();
            self.names[0].pop();
        }
        if self.counts.iter().all(|row| row.last() == Some(&0)) {
            self.names[1].pop();
            for row in &mut self.counts {
                row.pop();
            }
        }
    }

    /// Returns the names of the programs, most frequent first; the last one stands for all others where there are any.
    pub fn programs(&self) -> &[String] {
        &self.names[0]
    }

    /// Returns the names of the calls, most frequent first; the last one stands for all others where there are any.
    pub fn calls(&self) -> &[String] {
        &self.names[1]
    }

    /// Returns the number of events by program and call: a row per program, a column per call.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }
}

/// Returns the columns that name the program and its call, if the data has both.
fn columns(source: &Source) -> Option<[&'static str; 2]> {
    let columns = [source.log().program()?, source.log().action()?];
    let has_both = columns.iter().all(|column| source.has_column(column));
    has_both.then_some(columns)
}

fn text(column: &str) -> Expr {
    cast(ident(column), DataType::Utf8)
}

/// Returns the expression of a value's position among `frequent`, or of the position after the last.
fn code(column: &str, frequent: &[Option<String>]) -> Expr {
    let codes = (0_i64..).zip(frequent).map(|(code, name)| match name {
        Some(name) => (text(column).eq(lit(name.clone())), code),
        None => (text(column).is_null(), code),
    });
    choose(codes, frequent.len() as i64)
}

/// Returns the `most` most frequent values of a column; of equally frequent ones, the first by name.
async fn most_frequent(
    engine: &Engine,
    source: &mut Source,
    column: &str,
    most: usize,
) -> Result<Vec<Option<String>>> {
    let value = text(column);
    let query = |table: DataFrame| {
        table
            .select(vec![value.clone().alias("__value")])?
            .aggregate(vec![ident("__value")], vec![count(lit(1)).alias(COUNT)])?
            .sort(vec![
                ident(COUNT).sort(false, false),
                ident("__value").sort(true, false),
            ])?
            .limit(0, Some(most))
    };
    let push = |found: &mut Vec<Option<String>>, batch: &RecordBatch| {
        let values = batch.column(0).as_string::<i32>();
        let rows = 0..batch.num_rows();
        found.extend(rows.map(|row| values.is_valid(row).then(|| values.value(row).to_owned())));
        Ok(())
    };
    let scan = Scan::new(engine, "counting values").reading([&value]);
    scan.fold(source, || Ok(Vec::new()), query, push).await
}
