//! The longest text of a batch that several of its rows can share: each of them gets a copy when the text leaves the
//! dictionary, the runs or the views that it is stored in.

use datafusion::arrow::array::{Array, ArrayData, RecordBatch};
use datafusion::arrow::datatypes::DataType;

/// Returns the length in bytes of the longest such text.
pub(super) fn longest(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    let each = columns.map(|column| longest_shared(&column.to_data()));
    each.max().unwrap_or(0)
}

fn longest_shared(data: &ArrayData) -> usize {
    let of_children = |longest: fn(&ArrayData) -> usize| {
        let each = data.child_data().iter().map(longest);
        each.max().unwrap_or(0)
    };
    match data.data_type() {
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) => of_children(longest_text),
        DataType::Utf8View | DataType::BinaryView => longest_text(data),
        _ => of_children(longest_shared),
    }
}

/// Returns the length of the longest text or list of bytes in an array, or in those that it consists of.
fn longest_text(data: &ArrayData) -> usize {
    let range = data.offset()..data.offset() + data.len();
    let steps = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    match data.data_type() {
        DataType::Utf8 | DataType::Binary => {
            let offsets: &[i32] = data.buffers()[0].typed_data();
            let offsets = offsets.get(range.start..=range.end).unwrap_or_default();
            steps(
                &mut offsets
                    .windows(2)
                    .map(|pair| pair[1].abs_diff(pair[0]) as usize),
            )
        }
        DataType::LargeUtf8 | DataType::LargeBinary => {
            let offsets: &[i64] = data.buffers()[0].typed_data();
            let offsets = offsets.get(range.start..=range.end).unwrap_or_default();
            steps(
                &mut offsets
                    .windows(2)
                    .map(|pair| pair[1].abs_diff(pair[0]) as usize),
            )
        }
        DataType::Utf8View | DataType::BinaryView => {
            let views: &[u128] = data.buffers()[0].typed_data();
            let views = views.get(range).unwrap_or_default();
            // The length is the first of the four numbers of 32 bits of a view.
            steps(&mut views.iter().map(|view| *view as u32 as usize))
        }
        _ => {
            let children = data.child_data().iter();
            children.map(longest_text).max().unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, DictionaryArray, StringArray, StringViewArray};
    use datafusion::arrow::datatypes::Int8Type;

    use super::*;

    #[test]
    fn texts_of_dictionaries_and_views_are_shared_and_others_are_not() {
        let long = "x".repeat(100);
        let texts = ["a", &long, "b"];
        let columns: [(ArrayRef, usize); 3] = [
            (
                Arc::new(texts.into_iter().collect::<DictionaryArray<Int8Type>>()),
                100,
            ),
            (Arc::new(StringViewArray::from_iter_values(texts)), 100),
            (Arc::new(StringArray::from_iter_values(texts)), 0),
        ];
        for (column, expected) in columns {
            let batch = RecordBatch::try_from_iter([("c", column)]).unwrap();
            assert_eq!(longest(&batch), expected);
        }
    }
}
