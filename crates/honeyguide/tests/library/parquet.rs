//! Parquet files: large ones are read, damaged files are refused, and so is data that has scores already.

use std::fs::File;
use std::sync::Arc;

use crate::common::{Folder, answer, engine, events, recipe, small_model};
use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use honeyguide::score::{ScoreOptions, score_to_file};
use honeyguide::sql::TextFormat;
use honeyguide::{Error, ErrorKind, Model, ReadOptions, TrainOptions, train};

/// Creates a folder with a table of events as CSV, the same table with scores as Parquet, and the model of the scores.
async fn folder() -> (Folder, Model) {
    let folder = Folder::with(&[("good.csv", events(5000))]);
    let mut source = folder.source(&["good.csv"]);
    let model = small_model(&mut source, "beth-paper").await;
    let scored = folder.path("good.parquet");
    let options = ScoreOptions::default();
    let summary = score_to_file(&engine(2), &model, &mut source, &scored, options).await;
    assert_eq!(summary.expect("a table").events, 5000);
    (folder, model)
}

/// Returns the error of training with these files, which must be refused.
async fn refused(folder: &Folder, files: &[&str], name: &str, threads: usize) -> Error {
    let before = folder.names();
    let trained = async {
        let mut source = folder.open(files, &ReadOptions::default())?;
        let options = TrainOptions::default();
        train(&engine(threads), &mut source, &recipe(name), &options).await
    };
    let error = trained.await.expect_err("the files are refused");
    assert_eq!(folder.names(), before, "files appeared or vanished");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_refused() {
    let (folder, _) = folder().await;
    let good = folder.read("good.parquet");
    // These bytes are among the times, which come first and which the recipe reads.
    let within = good.len() / 6;
    let mut flipped = good.clone();
    flipped[within..within + 200]
        .iter_mut()
        .for_each(|byte| *byte ^= 0x5a);
    let mut footer = good.clone();
    let near_end = footer.len() - 300;
    footer[near_end..near_end + 40].fill(0xff);
    let mut length = good.clone();
    let at = length.len() - 8;
    length[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    for (what, content) in [
        ("empty", Vec::new()),
        ("cut off", good[..good.len() / 2].to_vec()),
        ("without its end", good[..good.len() - 1].to_vec()),
        ("text", events(30).into_bytes()),
        ("noise in a page", flipped),
        ("noise in the footer", footer),
        ("an absurd footer length", length),
        ("only the magic", b"PAR1PAR1".to_vec()),
    ] {
        folder.write("bad.parquet", content);
        for threads in [1, 2] {
            let error = refused(&folder, &["bad.parquet"], "raw", threads).await;
            assert_ne!(error.kind(), ErrorKind::Usage, "{what}: {error}");
            for part in ["bad.parquet", "Parquet"] {
                assert!(error.to_string().contains(part), "{what}: {error}");
            }
            assert!(error.hint_text().is_some(), "{what}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_with_scores_is_not_scored_again() {
    let (folder, model) = folder().await;
    let before = folder.names();
    let mut source = folder.source(&["good.parquet"]);
    let again = folder.path("again.csv");
    let options = ScoreOptions::default();
    let scored = score_to_file(&engine(2), &model, &mut source, &again, options).await;
    let error = scored.expect_err("the data has scores");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(error.message(), "the data already has a column `score`");
    assert_eq!(folder.names(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_and_parquet_go_together_only_with_equal_columns() {
    let (folder, _) = folder().await;
    let error = refused(&folder, &["good.csv", "good.parquet"], "beth-paper", 2).await;
    assert_ne!(error.kind(), ErrorKind::Usage);
    let text = error.to_string();
    for part in [
        "different columns",
        "only the second has anomalous, feature_key, score",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

/// Readers of Parquet fetch the last 512 KiB of a file for its footer. In a large file they begin within a page.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_can_be_larger_than_what_is_fetched_for_its_footer() {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 1) as i64
    };
    let numbers: Vec<i64> = (0..200_000).map(|_| next()).collect();
    let column: ArrayRef = Arc::new(Int64Array::from(numbers.clone()));
    let batch = RecordBatch::try_from_iter([("a", column)]).expect("a batch");
    let folder = Folder::new();
    let file = File::create(folder.path("large.parquet")).expect("a temporary file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("space");
    writer.close().expect("space");
    assert!(folder.read("large.parquet").len() > 2 * (512 << 10));
    let query = "SELECT count(*) AS n, min(a) AS least, max(a) AS most FROM events";
    let source = folder.source(&["large.parquet"]);
    let (least, most) = (numbers.iter().min(), numbers.iter().max());
    assert_eq!(
        answer(&engine(2), source, query, TextFormat::Csv).await,
        format!(
            "n,least,most\n200000,{},{}\n",
            least.unwrap(),
            most.unwrap()
        )
    );
}
