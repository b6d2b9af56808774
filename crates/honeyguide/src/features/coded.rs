//! The inputs of many rows, with texts as the ids that a model gives them.
//!
//! Everything that a model makes of a row depends on these codes alone. Rows with the same codes have the same features
//! and the same score.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// The values of one input in many rows.
#[derive(Debug)]
pub(super) enum InputValues<'a> {
    /// Numbers, NaN where missing: every `step`-th of `values` from `first` on.
    Numbers {
        values: Cow<'a, [f64]>,
        first: usize,
        step: usize,
    },
    /// The ids of texts.
    Ids(Vec<u32>),
}

impl InputValues<'_> {
    /// Returns the number in row `row`.
    fn number(values: &[f64], first: usize, step: usize, row: usize) -> f64 {
        values[first + row * step]
    }

    /// Returns the numbers in the order of the rows.
    ///
    /// # Errors
    /// Fails when the input is text, which is a defect.
    pub fn numbers(&self) -> Result<impl Iterator<Item = f64>> {
        match self {
            Self::Numbers {
                values,
                first,
                step,
            } => Ok(values.iter().skip(*first).step_by(*step).copied()),
            Self::Ids(_) => Err(Error::internal("an input of text is used as numbers")),
        }
    }

    /// Returns the ids of the texts in the order of the rows.
    ///
    /// # Errors
    /// Fails when the input is numbers, which is a defect.
    pub fn ids(&self) -> Result<&[u32]> {
        match self {
            Self::Ids(ids) => Ok(ids),
            Self::Numbers { .. } => Err(Error::internal("an input of numbers is used as text")),
        }
    }

    /// Returns the values of the rows `rows`.
    fn select(&self, rows: &[u32]) -> InputValues<'static> {
        match self {
            Self::Ids(ids) => InputValues::Ids(rows.iter().map(|row| ids[*row as usize]).collect()),
            Self::Numbers {
                values,
                first,
                step,
            } => {
                let number = |row: &u32| Self::number(values, *first, *step, *row as usize);
                InputValues::Numbers {
                    values: Cow::Owned(rows.iter().map(number).collect()),
                    first: 0,
                    step: 1,
                }
            }
        }
    }

    /// Returns the number of words that a value fills in [`CodedInputs::words`].
    fn n_words(&self) -> usize {
        match self {
            Self::Ids(_) => 1,
            Self::Numbers { .. } => 2,
        }
    }
}

/// The inputs of many rows.
#[derive(Debug)]
pub(crate) struct CodedInputs<'a> {
    pub(super) inputs: Vec<InputValues<'a>>,
    pub(super) n_rows: usize,
}

impl CodedInputs<'_> {
    /// Returns rows of an id and a number.
    #[cfg(test)]
    pub fn of(ids: Vec<u32>, numbers: Vec<f64>) -> CodedInputs<'static> {
        let n_rows = ids.len();
        let numbers = InputValues::Numbers {
            values: Cow::Owned(numbers),
            first: 0,
            step: 1,
        };
        CodedInputs {
            inputs: vec![InputValues::Ids(ids), numbers],
            n_rows,
        }
    }

    /// Returns the number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Returns the rows `rows` of these.
    pub fn select(&self, rows: &[u32]) -> CodedInputs<'static> {
        let inputs = self.inputs.iter().map(|input| input.select(rows));
        CodedInputs {
            inputs: inputs.collect(),
            n_rows: rows.len(),
        }
    }

    /// Returns the number of words per row in [`words`](Self::words).
    pub fn n_words(&self) -> usize {
        self.inputs.iter().map(InputValues::n_words).sum()
    }

    /// Returns words that are equal for two rows if and only if the rows have the same codes: rows ×
    /// [`n_words`](Self::n_words), row-major.
    pub fn words(&self) -> Vec<u32> {
        let n_words = self.n_words();
        let mut words = vec![0; self.n_rows * n_words];
        let mut at = 0;
        for input in &self.inputs {
            let rows = words.chunks_exact_mut(n_words);
            match input {
                InputValues::Ids(ids) => {
                    for (row, id) in rows.zip(ids) {
                        row[at] = *id;
                    }
                }
                InputValues::Numbers {
                    values,
                    first,
                    step,
                } => {
                    for (number, row) in rows.enumerate() {
                        let bits = InputValues::number(values, *first, *step, number).to_bits();
                        (row[at], row[at + 1]) = (bits as u32, (bits >> 32) as u32);
                    }
                }
            }
            at += input.n_words();
        }
        words
    }
}
