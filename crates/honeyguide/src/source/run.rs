//! Running work on a source: its scans are counted, and repeated where their failure has a remedy.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::error::DataFusionError;

use super::Source;
use super::contents::Contents;
use super::diagnose::{self, Remedy};
use crate::engine::Reading;
use crate::error::{Error, Result};

impl Source {
    /// Runs `work` until it succeeds or fails without a remedy. `work` builds its query from the source that it is
    /// handed; it runs again from the start when its failure has a remedy. `needed` names the columns that it reads.
    ///
    /// # Errors
    /// Fails when `work` does and there is no remedy, and when too many lines could not be read.
    pub(crate) async fn run<T>(
        &mut self,
        needed: &BTreeSet<String>,
        mut work: impl AsyncFnMut(&Source) -> std::result::Result<T, DataFusionError>,
    ) -> Result<T> {
        loop {
            self.begin_scan();
            match work(self).await {
                Ok(value) => {
                    self.end_scan()?;
                    return Ok(value);
                }
                Err(error) if self.remedy(needed, &error)? => {}
                Err(error) => return Err(Error::engine(error)),
            }
        }
    }

    /// Begins a scan whose counts start at zero. Tables that were made before count elsewhere.
    pub(crate) fn begin_scan(&mut self) {
        self.scan_log = Arc::default();
    }

    /// Ends a scan that read all it wanted, and keeps its counts.
    ///
    /// # Errors
    /// Fails when too many lines could not be read.
    pub(crate) fn end_scan(&mut self) -> Result<()> {
        self.counts = self.scan_log.counts(self.contents.names().into_iter());
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
            Remedy::Widen { column, data_type } => {
                let owns = files.files.iter_mut().map(|file| &mut file.columns);
                for columns in owns.chain([&mut self.columns]) {
                    for widened in columns
                        .iter_mut()
                        .filter(|candidate| candidate.name == column)
                    {
                        widened.data_type = data_type.clone();
                    }
                }
            }
        }
    }
}
