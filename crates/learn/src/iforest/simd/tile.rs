//! Tiles of coded rows, with space for the sums of their path lengths.

use crate::iforest::perfect::GROUP;

/// The codes of one column for the rows of a group. Aligned as a vector is, so that no load needs two lines of the cache.
#[repr(align(64))]
#[derive(Clone, Copy, Debug)]
pub(in crate::iforest) struct ColumnCodes(pub(in crate::iforest) [u16; GROUP]);

/// A tile: rows of 16-bit codes, and one sum per row.
///
/// Rows are kept in groups. The codes of a group are laid out column by column, so that a vector holds the codes of one
/// column for all rows of the group.
#[derive(Debug)]
pub(in crate::iforest) struct Tile {
    codes: Vec<ColumnCodes>,
    sums: Vec<f64>,
    columns: usize,
}

impl Tile {
    /// Creates a tile without rows that has a code in each of `columns` columns. The number of columns is rounded up to an
    /// even number, and there are at least two, so that vector instructions can choose between pairs.
    pub(in crate::iforest) fn new(columns: usize) -> Tile {
        Tile {
            codes: Vec::new(),
            sums: Vec::new(),
            columns: columns.max(1).next_multiple_of(2),
        }
    }

    /// Sets the number of rows. The last group can have more rows than that.
    pub(in crate::iforest) fn resize(&mut self, rows: usize) {
        let groups = rows.div_ceil(GROUP);
        self.codes
            .resize(groups * self.columns, ColumnCodes([0; GROUP]));
        self.sums.resize(groups * GROUP, 0.0);
    }

    /// Returns the codes of a column for the rows of a group.
    pub(in crate::iforest) fn codes(&mut self, group: usize, column: usize) -> &mut [u16; GROUP] {
        &mut self.codes[group * self.columns + column].0
    }

    /// Returns the sum of each row.
    pub(in crate::iforest) fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// Sets all sums to 0.
    pub(super) fn clear_sums(&mut self) {
        self.sums.fill(0.0);
    }

    /// Returns the number of codes per row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the groups of rows: for each, the codes by column, and the group's sums.
    pub(super) fn groups(&mut self) -> impl Iterator<Item = (&[ColumnCodes], &mut [f64; GROUP])> {
        let (sums, _) = self.sums.as_chunks_mut::<GROUP>();
        self.codes.chunks_exact(self.columns).zip(sums)
    }
}
