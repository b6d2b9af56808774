//! Attempts at scans of a source. They are counted, and repeated where their failure has a remedy.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;

use super::Source;
use super::common_type::common_type;
use super::contents::Contents;
use super::diagnose::{self, Remedy, Widened};
use super::notes;
use crate::engine::Reading;
use crate::error::{Error, Result};

impl Source {
    /// Begins a scan whose counts start at zero. Tables that were made before count elsewhere.
    pub(crate) fn begin_scan(&mut self) {
        self.scan_log = Arc::default();
    }

    /// Ends an attempt at a scan of the columns `needed`. Returns its outcome, or `None` if it failed and has to be
    /// repeated, from [`begin_scan`](Self::begin_scan) on, because its failure has a remedy.
    ///
    /// An attempt is a future of its own, and this is not a function that takes one: the future of an async closure is not
    /// known to be [`Send`].
    ///
    /// # Errors
    /// Fails when the attempt did and there is no remedy, and when too many lines could not be read.
    pub(crate) fn end_attempt<T>(
        &mut self,
        needed: &BTreeSet<String>,
        outcome: std::result::Result<T, DataFusionError>,
    ) -> Result<Option<T>> {
        match outcome {
            Ok(value) => {
                self.end_scan()?;
                Ok(Some(value))
            }
            Err(error) if self.remedy(needed, &error)? => Ok(None),
            Err(error) => Err(Error::engine(error)),
        }
    }

    /// Ends a scan that read all it wanted, and keeps its counts.
    ///
    /// # Errors
    /// Fails when too many lines could not be read, and when a file cannot be read again.
    pub(crate) fn end_scan(&mut self) -> Result<()> {
        self.counts = self.scan_log.counts(self.contents.names().into_iter());
        self.later_notes
            .extend(self.contents.lost_zeros(&self.columns)?);
        self.counts.notes = self.later_notes.clone();
        if self.scan_log.loses_in_silence() {
            self.counts.notes.push(notes::not_searched());
        }
        match &self.counts.intake {
            Some(intake) => intake.check(),
            None => Ok(()),
        }
    }

    /// Takes over the counts of a scan that read a copy of this source.
    pub(crate) fn adopt_counts(&mut self, copy: &Self) {
        self.counts = copy.counts.clone();
    }

    /// Returns how a scan called `what` is reported, and where it counts.
    pub(crate) fn reading<'a>(&'a self, what: &'a str) -> Reading<'a> {
        Reading {
            what,
            expected_rows: self.expected_rows(),
            malformed_args: self.scan_log.malformed_args(),
        }
    }

    /// Looks for a way to read the data although a scan of the columns `needed` failed with `error`. Returns whether
    /// there is one; the next scan reads the data so.
    ///
    /// # Errors
    /// Fails with a better error where the cause was found: which record of which file is to blame.
    pub(crate) fn remedy(
        &mut self,
        needed: &BTreeSet<String>,
        error: &DataFusionError,
    ) -> Result<bool> {
        let remedy = diagnose::explain(self, needed, error)?;
        let is_known = remedy.is_some();
        if let Some(remedy) = remedy {
            self.apply(remedy);
        }
        Ok(is_known)
    }

    /// Reads the data as `remedy` says from now on. Only files have remedies.
    fn apply(&mut self, remedy: Remedy) {
        let Contents::Files(files) = &mut self.contents else {
            return;
        };
        match remedy {
            Remedy::LineBreaks => files.line_breaks_in_values = true,
            Remedy::OddValues => files.has_odd_values = true,
            Remedy::SmallBatches(rows) => files.store.shrink_batches(rows),
            Remedy::Widen(columns) => columns.into_iter().for_each(|column| self.widen(column)),
        }
    }

    /// Reads a column as another type from now on.
    fn widen(&mut self, widened: Widened) {
        let Widened {
            column,
            data_type,
            note,
        } = widened;
        let Contents::Files(files) = &mut self.contents else {
            return;
        };
        self.later_notes.extend(note);
        let text = files.files.iter_mut();
        let text = text.filter(|file| file.file.format.is_text());
        let read = text.flat_map(|file| file.inside_mut());
        for read in read.filter(|read| read.name == column) {
            read.data_type = data_type.clone();
            // All values are known to have this type, as far as they have one.
            read.inferred = false;
        }
        let own = self.columns.iter_mut().find(|own| own.name == column);
        if let Some(own) = own {
            // Files that store types may have another one.
            let is_same = !own.inferred && own.data_type != DataType::Null;
            let both = common_type(&own.data_type, &data_type).filter(|_| is_same);
            own.data_type = both.unwrap_or(data_type);
            own.inferred = false;
        }
    }
}
