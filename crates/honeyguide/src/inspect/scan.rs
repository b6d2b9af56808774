//! The pass over the data that an inspection is made in.

use datafusion::arrow::record_batch::RecordBatch;
use learn::describe::CoMoments;

use super::column::ColumnTally;
use super::correlations::{Correlations, MAX_CORRELATED};
use super::labels::LabelTally;
use super::pieces::Pieces;
use super::{HEAD_ROWS, Hosts, Inspection, TimeRange, remarks};
use crate::engine::Engine;
use crate::error::Result;
use crate::event::Event;
use crate::log::Log;
use crate::scan::{FileRows, Scan};
use crate::source::Source;

/// The greatest number of distinct values that all columns together hold in memory. At 17 bytes each and with spare
/// capacity, that is about 40 MiB.
const MAX_HELD: usize = 1_800_000;

/// The statistics of all columns over the rows so far.
pub(super) struct Tally {
    pub rows: u64,
    log: Log,
    columns: Vec<ColumnTally>,
    /// The positions of the columns whose correlations are computed.
    correlated: Vec<usize>,
    moments: CoMoments,
    labels: LabelTally,
    head: Vec<Event>,
}

/// Reads `source` once, in the order of its files, so that the figures do not depend on the number of threads.
///
/// # Errors
/// Fails when the data cannot be read.
pub(super) async fn scan(engine: &Engine, source: &mut Source) -> Result<Tally> {
    let names = source.column_names();
    let start = |source: &Source| Ok((Tally::new(source), Pieces::default()));
    let push = |(tally, pieces): &mut (Tally, Pieces), rows: FileRows| {
        pieces.push(rows.batch, |piece| tally.push(piece))
    };
    let scan = Scan::new(engine, "inspecting").columns(names);
    let (mut tally, pieces) = scan.fold_in_order(source, start, Ok, push).await?;
    pieces.finish(|piece| tally.push(piece))?;
    Ok(tally)
}

impl Tally {
    fn new(source: &Source) -> Self {
        let columns: Vec<ColumnTally> = source.columns().iter().map(ColumnTally::new).collect();
        let numeric = (0..columns.len()).filter(|index| columns[*index].is_numeric());
        let correlated: Vec<usize> = numeric.take(MAX_CORRELATED).collect();
        let names: Vec<String> = columns
            .iter()
            .map(|column| column.name().to_owned())
            .collect();
        Self {
            rows: 0,
            log: source.log().clone(),
            moments: CoMoments::new(correlated.len()),
            labels: LabelTally::new(source.log(), &names),
            correlated,
            columns,
            head: Vec::new(),
        }
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        for row in 0..batch.num_rows() {
            if self.head.len() == HEAD_ROWS {
                break;
            }
            self.head.push(Event::from_row(batch, row)?);
        }
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            column.push(array)?;
        }
        self.labels.push(batch.columns())?;
        let numbers: Vec<&[f64]> = self
            .correlated
            .iter()
            .map(|index| self.columns[*index].last_batch())
            .collect();
        self.moments.push(&numbers);
        self.make_room();
        Ok(())
    }

    /// Drops values of the columns that hold the most, until all columns together are within the limit.
    fn make_room(&mut self) {
        while self.columns.iter().map(ColumnTally::held).sum::<usize>() > MAX_HELD {
            let Some(largest) = self.columns.iter_mut().max_by_key(|column| column.held()) else {
                return;
            };
            largest.cut(largest.held() / 4);
        }
    }

    /// Returns the description of the data.
    pub fn finish(mut self) -> Inspection {
        let columns: Vec<_> = self.columns.iter_mut().map(ColumnTally::finish).collect();
        let correlated = || self.correlated.iter().map(|index| &self.columns[*index]);
        let correlations = Correlations::new(
            correlated()
                .map(|column| column.name().to_owned())
                .collect(),
            &self.moments,
            &correlated()
                .map(ColumnTally::is_constant)
                .collect::<Vec<_>>(),
            &correlated().map(ColumnTally::finite).collect::<Vec<_>>(),
        );
        let named = |name: Option<&str>| columns.iter().find(|column| Some(&*column.name) == name);
        let hosts = named(self.log.host()).map(|column| Hosts {
            column: column.name.clone(),
            distinct: column.distinct,
            top: column.top.clone(),
        });
        let time = named(self.log.time()).and_then(|column| {
            let figures = column.numeric.as_ref()?;
            Some(TimeRange {
                column: column.name.clone(),
                first: figures.min,
                last: figures.max,
            })
        });
        let remarks = remarks::remarks(&self.log, self.rows, &columns, &correlations);
        Inspection {
            rows: self.rows,
            hosts,
            time,
            columns,
            head: self.head,
            labels: self.labels.finish(),
            correlations,
            remarks,
        }
    }
}
