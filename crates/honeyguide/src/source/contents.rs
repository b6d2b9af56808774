//! What a source consists of: data files, record batches in memory, or a stream.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batches::Batches;
use super::column::Column;
use super::leading_zeros::first_in;
use super::lossy::LossyNumbers;
use super::node::NodeStore;
use super::notes::zeros_are_lost;
use super::probe::SourceFile;
use super::seen::Missing;
use super::store::SourceStore;
use super::stream::{Kind, Stream};
use crate::engine::BATCH_ROWS;
use crate::error::{Error, Result};
use crate::storage::StorageOptions;

/// The rows of a source: in files, in memory, or in a stream.
#[derive(Debug, Clone)]
pub(super) enum Contents {
    Files(Files),
    /// They can be read as often as needed.
    Batches(Batches),
    /// They can be read once.
    Stream(Stream),
}

/// Data files with the same columns.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub files: Vec<SourceFile>,
    /// Whether quoted values may hold line breaks: then a text file cannot be read from several places at once.
    pub line_breaks_in_values: bool,
    pub store: Arc<SourceStore>,
    /// The same files for other processes.
    pub node_store: Arc<NodeStore>,
    /// Whether a bad line of JSON ends a scan.
    pub strict: bool,
    /// The texts that stand for a missing value.
    pub missing: Arc<Missing>,
    /// Whether CSV has values that the engine's reader cannot read, so that it is read here.
    pub has_odd_values: bool,
    /// What was met in CSV that numbers lose.
    pub lossy: Arc<LossyNumbers>,
    /// The files with leading zeros that were searched for the columns.
    pub searched: BTreeSet<PathBuf>,
    /// The columns of which it was said that leading zeros are lost.
    pub zero_columns: BTreeSet<String>,
}

impl Files {
    /// Takes `files`, whose remote ones are read with `storage`.
    ///
    /// # Errors
    /// Fails when a path has no absolute form.
    pub fn new(
        files: Vec<SourceFile>,
        storage: StorageOptions,
        strict: bool,
        missing: Missing,
    ) -> Result<Self> {
        let lossy = Arc::default();
        let store = SourceStore::new(files.iter().map(|file| &file.file), Arc::clone(&lossy))?;
        Ok(Self {
            files,
            line_breaks_in_values: false,
            store: Arc::new(store),
            node_store: Arc::new(NodeStore::new(storage)),
            strict,
            has_odd_values: !missing.is_empty(),
            missing: Arc::new(missing),
            lossy,
            searched: BTreeSet::new(),
            zero_columns: BTreeSet::new(),
        })
    }
}

impl Contents {
    /// Returns the files, of which batches and streams have none.
    pub fn files(&self) -> &[SourceFile] {
        match self {
            Self::Files(files) => &files.files,
            Self::Batches(_) | Self::Stream(_) => &[],
        }
    }

    /// Returns the error of reading the files that the engine's text `told` repeats without saying its kind.
    pub fn failure(&self, told: &str) -> Option<Error> {
        let Self::Files(files) = self else {
            return None;
        };
        let kept = files.store.failure()?;
        told.contains(&*kept.message()).then_some(kept)
    }

    /// Returns what messages call each part whose rows are numbered by themselves: the files, or the batches or the
    /// stream as a whole.
    pub fn names(&self) -> Vec<&Path> {
        match self {
            Self::Files(files) => {
                let files = files.files.iter();
                files.map(|file| file.file.path.as_path()).collect()
            }
            Self::Batches(Batches { name, .. }) | Self::Stream(Stream { name, .. }) => vec![name],
        }
    }

    /// Returns whether every value was read from text.
    pub fn is_text(&self) -> bool {
        match self {
            Self::Files(files) => files.files.iter().all(|file| file.file.format.is_text()),
            Self::Batches(_) => false,
            Self::Stream(stream) => !matches!(stream.kind(), Kind::Batches),
        }
    }

    /// Returns whether the rows can be read more than once.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Stream(_))
    }

    /// Returns how many rows there are, as far as it is known without reading them.
    pub fn expected_rows(&self) -> Option<u64> {
        match self {
            Self::Files(files) => files.files.iter().map(|file| file.rows).sum(),
            Self::Batches(batches) => Some(batches.rows as u64),
            Self::Stream(_) => None,
        }
    }

    /// Returns the most rows of a batch, which are fewer than usual where rows are long.
    pub fn batch_rows(&self) -> usize {
        match self {
            Self::Files(files) => files.store.batch_rows(),
            Self::Batches(_) | Self::Stream(_) => BATCH_ROWS,
        }
    }
}

impl Files {
    /// Returns a note that columns of numbers lost leading zeros, if a scan met some that were not known before.
    ///
    /// # Errors
    /// Fails when a file cannot be read.
    fn lost_zeros(&mut self, columns: &[Column]) -> Result<Option<String>> {
        let mut found: Vec<(String, PathBuf, String)> = Vec::new();
        for file in &self.files {
            let path = &file.file.path;
            if !self.lossy.zero_files.has(&file.file) || !self.searched.insert(path.clone()) {
                continue;
            }
            let own = file.inside().iter().map(|own| {
                let is_number = columns
                    .iter()
                    .any(|column| column.name == own.name && column.data_type.is_numeric());
                let is_new = !self.zero_columns.contains(&own.name);
                (is_number && is_new).then_some(own.name.as_str())
            });
            for (column, literal) in first_in(&file.file, own.collect())? {
                self.zero_columns.insert(column.clone());
                found.push((column, path.clone(), literal));
            }
        }
        let found: Vec<_> = found
            .iter()
            .map(|(column, path, literal)| (column.as_str(), path.as_path(), literal.as_str()))
            .collect();
        Ok(zeros_are_lost(&found))
    }
}

impl Contents {
    /// Returns a note that columns of numbers lost leading zeros, if a scan met some that were not known before.
    ///
    /// # Errors
    /// Fails when a file cannot be read.
    pub fn lost_zeros(&mut self, columns: &[Column]) -> Result<Option<String>> {
        match self {
            Self::Files(files) => files.lost_zeros(columns),
            Self::Batches(_) | Self::Stream(_) => Ok(None),
        }
    }
}

/// Returns what messages call data without a name of its own.
pub(super) fn name_or(name: Option<&str>, otherwise: &str) -> PathBuf {
    name.unwrap_or(otherwise).into()
}
