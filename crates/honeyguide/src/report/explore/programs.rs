//! Which program makes which call, and how often.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, cast, ident, lit};
use datafusion::prelude::DataFrame;
use plotly::layout::AxisType;
use plotly::{HeatMap, Layout};

use super::super::chart::{Chart, axis, clip, sequential};
use super::super::places::{choose, columns_of};
use super::columns::distinct_labels;
use crate::engine::Engine;
use crate::error::Result;
use crate::scan::Scan;
use crate::source::Source;
use crate::wording::{count as in_words, printable};

/// Most programs and calls that are shown apart; the others are taken together.
const SHOWN: [usize; 2] = [30, 40];
/// How many of the most frequent pairs are listed.
const LISTED: usize = 20;

/// Counts of the most frequent programs and calls.
pub struct Programs {
    /// Most frequent first, and then the others as one.
    names: [Vec<String>; 2],
    /// Programs × calls.
    counts: Vec<Vec<u64>>,
}

impl Programs {
    /// Counts, in three scans of two columns; `None` where the data has no such columns.
    ///
    /// # Errors
    /// The data cannot be read.
    pub async fn read(engine: &Engine, source: &mut Source) -> Result<Option<Self>> {
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
                    vec![count(lit(1)).alias("__count")],
                )
        };
        let push = |cells: &mut Vec<[usize; 3]>, batch: &RecordBatch| {
            let column = |index: usize| batch.column(index).as_primitive::<Int64Type>();
            let rows = 0..batch.num_rows();
            cells.extend(rows.map(|row| [0, 1, 2].map(|index| column(index).value(row) as usize)));
            Ok(())
        };
        let scan = Scan::new(engine, "counting calls").columns(columns_of([program, call]));
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

    /// Programs × calls, by the logarithm of the count.
    pub fn chart(&self) -> Chart {
        let [programs, calls] = &self.names;
        let labels = |names: &[String]| distinct_labels(names.iter().map(String::as_str));
        let level =
            |events: &u64| (*events > 0).then(|| ((*events as f64).log10() * 1e3).round() / 1e3);
        let levels = self
            .counts
            .iter()
            .map(|row| row.iter().map(level).collect::<Vec<_>>());
        let hover = self
            .counts
            .iter()
            .map(|row| row.iter().map(|events| in_words(*events)).collect());
        let mut map = HeatMap::new(labels(calls), labels(programs), levels.collect())
            .color_scale(sequential())
            .show_scale(false)
            .hover_on_gaps(false)
            .hover_template("%{y}, %{x}: %{customdata}<extra></extra>");
        map = map.x_gap(1).y_gap(1);
        let layout = Layout::new()
            .x_axis(
                axis("")
                    .type_(AxisType::Category)
                    .show_grid(false)
                    .tick_angle(-60.0),
            )
            .y_axis(
                axis("")
                    .type_(AxisType::Category)
                    .show_grid(false)
                    .dtick(1.0),
            );
        let alt = format!(
            "How often each program makes each call; the stronger the colour, the more, on a logarithmic scale. {} programs and {} calls, \
             the most frequent first.",
            programs.len(),
            calls.len()
        );
        let mut chart = Chart::new(
            "programs",
            "Programs and their calls",
            alt,
            layout,
            vec![map],
        );
        chart.reversed = true;
        chart.cell_texts = Some(hover.collect());
        chart
    }

    /// The most frequent pairs.
    pub fn most_frequent(&self) -> Vec<[String; 3]> {
        let [programs, calls] = &self.names;
        let cells =
            (0..programs.len()).flat_map(|row| (0..calls.len()).map(move |column| (row, column)));
        let mut cells: Vec<_> = cells.collect();
        cells.sort_by_key(|(row, column)| std::cmp::Reverse(self.counts[*row][*column]));
        let text = |name: &str| printable(&clip(name)).into_owned();
        let listed = cells
            .into_iter()
            .filter(|(row, column)| self.counts[*row][*column] > 0);
        listed
            .take(LISTED)
            .map(|(row, column)| {
                [
                    text(&programs[row]),
                    text(&calls[column]),
                    in_words(self.counts[row][column]),
                ]
            })
            .collect()
    }
}

/// The columns that name the program and its call, where the data has both.
fn columns(source: &Source) -> Option<[&'static str; 2]> {
    let columns = [source.log().program()?, source.log().action()?];
    let has_both = columns.iter().all(|column| source.has_column(column));
    has_both.then_some(columns)
}

fn text(column: &str) -> Expr {
    cast(ident(column), DataType::Utf8)
}

/// A value's position among `frequent`, or one more than the last.
fn code(column: &str, frequent: &[Option<String>]) -> Expr {
    let codes = (0_i64..).zip(frequent).map(|(code, name)| match name {
        Some(name) => (text(column).eq(lit(name.clone())), code),
        None => (text(column).is_null(), code),
    });
    choose(codes, frequent.len() as i64)
}

/// The `most` most frequent values of a column, of equally frequent ones the first by name.
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
            .aggregate(vec![ident("__value")], vec![count(lit(1)).alias("__count")])?
            .sort(vec![
                ident("__count").sort(false, false),
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
    let scan = Scan::new(engine, "counting values").columns(columns_of([&value]));
    scan.fold(source, || Ok(Vec::new()), query, push).await
}
