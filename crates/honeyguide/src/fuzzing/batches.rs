//! The target `batches`: lines of JSON in batches of any size and in pieces of a file, whose rows and scores must be
//! those of all lines together.

use std::cell::OnceCell;

use datafusion::arrow::record_batch::RecordBatch;

use super::common::{accepted, with_file};
use super::events::model_text;
use crate::model::Model;
use crate::scorer::Scorer;
use crate::source::{Compression, Format, ReadOptions, Source};

thread_local! {
    static MODEL: OnceCell<Model> = const { OnceCell::new() };
}

/// Reads the rows of a batch from the first byte, where the file is cut from the second, and the file from the others.
pub fn run(input: &[u8]) {
    let [batch_rows, cut, text @ ..] = input else {
        return;
    };
    if Compression::sniff(text) != Compression::None {
        return;
    }
    let options = ReadOptions {
        format: Some(Format::Json(Compression::None)),
        ..ReadOptions::default()
    };
    let opened = with_file("events.json", text, |path| {
        Source::open_with([path.to_string_lossy()], &options)
    });
    let Some(mut source) = accepted(opened) else {
        return;
    };
    let end = text.len() as u64;
    let whole = accepted(source.read_pieces(&[(0, end)], 4096));
    let counts = source.counts().clone();

    let batch_rows = 1 + usize::from(*batch_rows % 8);
    let cut = (u64::from(*cut) * end / 256).max(1);
    let pieces = accepted(source.read_pieces(&[(0, cut), (cut, end)], batch_rows));
    assert_eq!(pieces, whole, "rows in pieces");
    assert_eq!(source.counts(), &counts, "counts in pieces");
    if let Some(whole) = whole {
        MODEL.with(|model| {
            let model = model.get_or_init(|| Model::from_json(model_text()).expect("a model"));
            compare_scores(model, &whole, batch_rows);
        });
    }
}

/// Compares the scores and reasons of all rows with those of batches of `batch_rows` rows.
fn compare_scores(model: &Model, rows: &RecordBatch, batch_rows: usize) {
    let Some(scorer) = accepted(Scorer::new(model, &rows.schema())) else {
        return;
    };
    let whole = scored(&scorer, rows);
    let starts = (0..rows.num_rows()).step_by(batch_rows);
    let parts = starts.map(|start| {
        let length = batch_rows.min(rows.num_rows() - start);
        scored(&scorer, &rows.slice(start, length))
    });
    let parts: Option<Vec<_>> = parts.collect();
    assert_eq!(
        parts.map(|parts| parts.concat()),
        whole,
        "scores in batches"
    );
}

/// Returns the bits of each row's score, and the reasons for it.
fn scored(scorer: &Scorer, rows: &RecordBatch) -> Option<Vec<(u64, Vec<String>)>> {
    let scores = accepted(scorer.score(rows))?;
    let reasons = accepted(scorer.reasons(rows, &scores, 0..rows.num_rows(), 3))?;
    let reasons = reasons.into_iter().map(|reasons| {
        let texts = reasons.into_iter().map(|reason| reason.text);
        texts.collect()
    });
    let bits = scores.values().iter().map(|score| score.to_bits());
    Some(bits.zip(reasons).collect())
}
