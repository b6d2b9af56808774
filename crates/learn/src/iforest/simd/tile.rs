//! Tiles of coded rows, with space for the sums of their path lengths.

use crate::iforest::perfect::GROUP;

/// A tile: rows of 16-bit codes, and one sum per row.
///
/// The storage holds a whole number of groups, so that vector instructions can load whole groups.
#[derive(Debug)]
pub(in crate::iforest) struct Tile {
    codes: Vec<u16>,
    sums: Vec<f64>,
    stride: usize,
}

impl Tile {
    /// Creates a tile of `rows` rows with `stride` codes each, all 0.
    pub(in crate::iforest) fn new(rows: usize, stride: usize) -> Tile {
        let rows = rows.next_multiple_of(GROUP);
        Tile {
            codes: vec![0; rows * stride],
            sums: vec![0.0; rows],
            stride,
        }
    }

    /// Returns the code with index `at` of each row, beginning at row `first`.
    pub(in crate::iforest) fn codes(
        &mut self,
        at: usize,
        first: usize,
    ) -> impl Iterator<Item = &mut u16> {
        self.codes[first * self.stride..]
            .iter_mut()
            .skip(at)
            .step_by(self.stride)
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
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Returns the groups of rows: for each, the codes from the group's first row to the end of the
    /// tile, and the group's sums.
    pub(super) fn groups(&mut self) -> impl Iterator<Item = (&[u16], &mut [f64; GROUP])> {
        let (sums, _) = self.sums.as_chunks_mut::<GROUP>();
        let (codes, size) = (&self.codes, GROUP * self.stride);
        sums.iter_mut()
            .enumerate()
            .map(move |(i, sums)| (&codes[i * size..], sums))
    }
}
