//! Coded rows, with room for the sums of their path lengths.

/// Rows of a tile come in groups of this many.
pub(in crate::iforest) const GROUP: usize = 32;

/// Some rows of 16-bit codes and one sum per row.
///
/// Storage is a whole number of groups, so that vector instructions can load whole groups.
#[derive(Debug)]
pub(in crate::iforest) struct Tile {
    codes: Vec<u16>,
    sums: Vec<f64>,
    stride: usize,
}

impl Tile {
    /// Room for `rows` rows of `stride` codes, all 0.
    pub(in crate::iforest) fn new(rows: usize, stride: usize) -> Tile {
        let rows = rows.next_multiple_of(GROUP);
        Tile {
            codes: vec![0; rows * stride],
            sums: vec![0.0; rows],
            stride,
        }
    }

    /// Code number `at` of each row from row `first` on.
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

    /// The sum of each row.
    pub(in crate::iforest) fn sums(&self) -> &[f64] {
        &self.sums
    }

    pub(super) fn clear_sums(&mut self) {
        self.sums.fill(0.0);
    }

    /// Codes per row.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Groups of rows: codes from the group's first row on, at least those of the group, and its sums.
    pub(super) fn groups(&mut self) -> impl Iterator<Item = (&[u16], &mut [f64; GROUP])> {
        let (sums, _) = self.sums.as_chunks_mut::<GROUP>();
        let (codes, size) = (&self.codes, GROUP * self.stride);
        sums.iter_mut()
            .enumerate()
            .map(move |(i, sums)| (&codes[i * size..], sums))
    }
}
