//! Numbers that the engine would read from CSV with a loss: a search of the text on its way there.

use super::file::DataFile;
use super::leading_zeros::{ZeroFiles, ZeroSearch};
use super::long_fractions::{FractionSearch, LongFractions};

/// What was met in the files of a source.
#[derive(Debug, Default)]
pub(super) struct LossyNumbers {
    /// The files in which numbers with leading zeros were met.
    pub zero_files: ZeroFiles,
    /// Whether fractions were met that have more digits than doubles keep.
    pub long_fractions: LongFractions,
}

/// A search of a text that comes in chunks.
#[derive(Debug, Default)]
pub(super) struct LossSearch {
    zeros: ZeroSearch,
    fractions: FractionSearch,
}

impl LossSearch {
    /// Searches the next chunk of `file`, and adds to `met` what it finds. An empty chunk is the end.
    pub fn search(&mut self, chunk: &[u8], file: &DataFile, met: &LossyNumbers) {
        if self.zeros.finds_first_in(chunk) {
            met.zero_files.add(file);
        }
        if self.fractions.finds_first_in(chunk) {
            met.long_fractions.note();
        }
    }
}
